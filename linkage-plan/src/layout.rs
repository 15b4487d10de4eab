//! How a column's CLKs are laid out: their length, and the segments they are cut into.

use arrow::array::{Array, AsArray, FixedSizeBinaryArray, RecordBatch};
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_datafusion_err, plan_err};
use linkage_core::block::TokenRows;
use linkage_core::dice::{BlockError, ClkBlock, MAX_SEGMENTS, segment_presence, segmented_similarity, similarity};

/// The key of the field's metadata that says how many segments its CLKs have. Composite CLKs have none.
const SEGMENTS: &str = "linkage.segments";

/// The layout of the CLKs of a column.
///
/// It goes with the column's field through every plan, so that a score is the right one wherever it is asked for: over
/// whole CLKs when they are composite, and over the segments that both rows have when they are segmented. A row has the
/// segments in which it has bits: a token file whose presence mask says otherwise is refused when it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ClkLayout {
    /// Bytes of a CLK.
    pub(crate) bytes: usize,
    /// Equal segments of a CLK; 1 when it is composite.
    pub(crate) segments: usize,
}

impl ClkLayout {
    /// The layout of a column.
    ///
    /// # Errors
    /// When it holds no CLKs, or its metadata do not fit them.
    pub(crate) fn of(field: &Field) -> Result<Self> {
        let DataType::FixedSizeBinary(bytes) = field.data_type() else {
            return plan_err!("`{}` is no CLK (FixedSizeBinary)", field.name());
        };
        let layout = |segments| Self { bytes: *bytes as usize, segments };
        match field.metadata().get(SEGMENTS).map(|text| text.parse()) {
            None => Ok(layout(1)),
            Some(Ok(segments)) if layout(segments).fits() => Ok(layout(segments)),
            Some(_) => {
                plan_err!("the CLKs of `{}` do not divide into the segments that its metadata say", field.name())
            }
        }
    }

    /// The layout of two columns that are compared.
    ///
    /// # Errors
    /// When they have different ones.
    pub(crate) fn of_both(left: &Field, right: &Field) -> Result<Self> {
        let (left, right) = (Self::of(left)?, Self::of(right)?);
        let (problem, a, b) = match (left, right) {
            _ if left == right => return Ok(left),
            _ if left.bytes != right.bytes => ("one length, and these have", left.bytes, right.bytes),
            _ => ("one layout, and these have", left.segments, right.segments),
        };
        let unit = if left.bytes == right.bytes { "segments" } else { "bytes" };
        plan_err!("dice() compares CLKs of {problem} {a} and {b} {unit}; both sides must use one linkage schema")
    }

    /// The field, saying that its CLKs have this layout.
    pub(crate) fn mark(self, field: &Field) -> Field {
        let mut metadata = field.metadata().clone();
        metadata.remove(SEGMENTS);
        if self.segments > 1 {
            metadata.insert(SEGMENTS.to_owned(), self.segments.to_string());
        }
        field.clone().with_metadata(metadata)
    }

    /// Whether segments are whole words, and no more than a presence pattern has bits.
    pub(crate) fn fits(self) -> bool {
        self.segments == 1
            || ((2..=MAX_SEGMENTS).contains(&self.segments) && self.bytes.is_multiple_of(8 * self.segments))
    }

    /// The similarity of two CLKs of this layout.
    pub(crate) fn similarity(self, a: &[u8], b: &[u8]) -> f64 {
        if self.segments == 1 {
            return similarity(a, b);
        }
        let (a_has, b_has) = (segment_presence(a, self.segments), segment_presence(b, self.segments));
        segmented_similarity((a, a_has), (b, b_has), self.segments)
    }

    /// Room for rows of this layout.
    pub(crate) fn rows(self, capacity: usize) -> Result<TokenRows> {
        TokenRows::segmented(self.bytes, self.segments, capacity).map_err(|error| exec_datafusion_err!("{error}"))
    }

    /// The rows of some batches' CLK columns, laid out for comparison in one block.
    pub(crate) fn block(self, columns: &[FixedSizeBinaryArray]) -> Result<ClkBlock> {
        let none = vec![0; self.bytes];
        let clks = columns.iter().flat_map(|clks| {
            let none = &none;
            (0..clks.len()).map(move |row| if clks.is_null(row) { none } else { clks.value(row) })
        });
        let block = if self.segments == 1 {
            let rows = columns.iter().map(Array::len).sum();
            ClkBlock::with_capacity(self.bytes, rows).and_then(|mut block| {
                clks.into_iter().try_for_each(|clk| block.push(clk))?;
                Ok(block)
            })
        } else {
            let rows = clks.map(|clk| (clk, segment_presence(clk, self.segments)));
            ClkBlock::segmented(self.bytes, self.segments, rows)
        };
        block.map_err(|error| exec_datafusion_err!("{error}"))
    }

    /// Memory that a block of so many rows takes, to be reserved before it is made.
    pub(crate) fn block_bytes(self, rows: usize) -> usize {
        match self.segments {
            1 => ClkBlock::bytes_for(self.bytes, rows),
            segments => ClkBlock::bytes_for_segmented(self.bytes, segments, rows),
        }
    }
}

impl std::fmt::Display for ClkLayout {
    /// What an operator says of it after `dice(…)`: nothing of composite CLKs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.segments {
            1 => Ok(()),
            segments => write!(f, " over {segments} segments"),
        }
    }
}

/// A batch's CLKs.
pub(crate) fn clks(batch: &RecordBatch, column: usize) -> Result<&FixedSizeBinaryArray> {
    let clks = batch.column(column).as_fixed_size_binary_opt();
    clks.ok_or_else(|| exec_datafusion_err!("the CLK column is not FixedSizeBinary"))
}

/// Calls `push` with each CLK. A row without one gets an all-zero CLK, which matches nothing, so that a row keeps its
/// number.
pub(crate) fn for_each(
    clks: &FixedSizeBinaryArray,
    mut push: impl FnMut(&[u8]) -> std::result::Result<(), BlockError>,
) -> Result<()> {
    let none = vec![0; clks.value_size()];
    for row in 0..clks.len() {
        push(if clks.is_null(row) { &none } else { clks.value(row) }).map_err(|e| exec_datafusion_err!("{e}"))?;
    }
    Ok(())
}
