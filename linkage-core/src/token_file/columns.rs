//! The columns of a token file: their Arrow schema, batches of them, and the rules that rows keep.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, FixedSizeBinaryArray, RecordBatch, UInt16Array};
use arrow::buffer::{Buffer, NullBuffer};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt16Type};
use arrow::error::ArrowError;

use super::TokenFileHeader;
use crate::error::TokenFileError;
use crate::types::RecordRef;

/// One column: its name, its bytes per row and whether rows may lack it.
pub(super) struct Column {
    pub(super) name: String,
    pub(super) width: usize,
    pub(super) kind: ColumnKind,
    pub(super) nullable: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnKind {
    Binary,
    UInt16,
}

/// The columns that a file with this header has.
pub(super) fn columns(header: &TokenFileHeader) -> Vec<Column> {
    let binary = |name: &str, width| Column { name: name.to_owned(), width, kind: ColumnKind::Binary, nullable: false };
    let mut columns = vec![
        binary("record_ref", 16),
        binary("clk", header.clk_bits as usize / 8),
        Column { name: "presence".to_owned(), width: 2, kind: ColumnKind::UInt16, nullable: false },
    ];
    let exact = header.exact_tokens.iter().map(|name| format!("exact_{name}"));
    let blocking = header.blocking_keys.iter().map(|name| format!("block_{name}"));
    columns.extend(exact.chain(blocking).map(|name| Column { nullable: true, ..binary(&name, 16) }));
    columns
}

impl TokenFileHeader {
    /// The Arrow schema of the batches in a file with this header.
    pub fn arrow_schema(&self) -> SchemaRef {
        let fields = columns(self).into_iter().map(|column| {
            let data_type = match column.kind {
                // At most 512 bytes, so no bit is lost.
                ColumnKind::Binary => DataType::FixedSizeBinary(column.width as i32),
                ColumnKind::UInt16 => DataType::UInt16,
            };
            Field::new(column.name, data_type, column.nullable)
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

/// Collects rows into batches for [`super::TokenFileWriter::write`].
pub struct TokenBatchBuilder {
    schema: SchemaRef,
    clk_bytes: usize,
    /// The rows of the last batch: the next one is probably as long.
    last_rows: usize,
    record_ref: Vec<u8>,
    clk: Vec<u8>,
    presence: Vec<u16>,
    exact: Vec<EqualColumn>,
    blocking: Vec<EqualColumn>,
}

/// Values of 16 bytes, of which some are missing.
#[derive(Clone, Default)]
struct EqualColumn {
    values: Vec<u8>,
    valid: Vec<bool>,
}

impl EqualColumn {
    fn push(&mut self, value: Option<[u8; 16]>) {
        self.valid.push(value.is_some());
        self.values.extend_from_slice(&value.unwrap_or_default());
    }

    fn finish(&mut self) -> Result<ArrayRef, TokenFileError> {
        let Self { values, valid } = std::mem::take(self);
        let nulls = NullBuffer::from(valid);
        binary(16, values, Some(nulls).filter(|nulls| nulls.null_count() > 0))
    }
}

fn binary(width: usize, values: Vec<u8>, nulls: Option<NullBuffer>) -> Result<ArrayRef, TokenFileError> {
    let array = FixedSizeBinaryArray::try_new(width as i32, Buffer::from_vec(values), nulls);
    Ok(Arc::new(array.map_err(TokenFileError::Arrow)?))
}

impl TokenBatchBuilder {
    /// A builder of batches for a file with this header.
    pub fn new(header: &TokenFileHeader) -> Self {
        Self {
            schema: header.arrow_schema(),
            clk_bytes: header.clk_bits as usize / 8,
            last_rows: 0,
            record_ref: Vec::new(),
            clk: Vec::new(),
            presence: Vec::new(),
            exact: vec![EqualColumn::default(); header.exact_tokens.len()],
            blocking: vec![EqualColumn::default(); header.blocking_keys.len()],
        }
    }

    /// Rows that have been pushed since the last batch.
    pub fn len(&self) -> usize {
        self.presence.len()
    }

    /// Whether no row waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a row without blocking keys: see [`Self::push_blocked`].
    ///
    /// # Errors
    /// As [`Self::push_blocked`].
    pub fn push(
        &mut self,
        record_ref: &RecordRef,
        clk: &[u8],
        presence: u16,
        exact: &[Option<[u8; 16]>],
    ) -> Result<(), TokenFileError> {
        self.push_blocked(record_ref, clk, presence, exact, &[])
    }

    /// Adds a row: the bytes of its CLK, lowest bit first, its exact tokens and its blocking keys in the order of the
    /// header.
    ///
    /// # Errors
    /// [`TokenFileError::Row`] when the CLK or one of the lists has another length than the header says.
    pub fn push_blocked(
        &mut self,
        record_ref: &RecordRef,
        clk: &[u8],
        presence: u16,
        exact: &[Option<[u8; 16]>],
        blocking: &[Option<[u8; 16]>],
    ) -> Result<(), TokenFileError> {
        if exact.len() != self.exact.len() {
            return Err(TokenFileError::Row { rule: "has another number of exact tokens than the header" });
        }
        if blocking.len() != self.blocking.len() {
            return Err(TokenFileError::Row { rule: "has another number of blocking keys than the header" });
        }
        if clk.len() != self.clk_bytes {
            return Err(TokenFileError::Row { rule: "has a CLK of another length than the header" });
        }
        if self.is_empty() {
            self.record_ref.reserve(16 * self.last_rows);
            self.clk.reserve(self.clk_bytes * self.last_rows);
        }
        self.record_ref.extend_from_slice(record_ref.as_bytes());
        self.clk.extend_from_slice(clk);
        self.presence.push(presence);
        self.exact.iter_mut().zip(exact).for_each(|(column, value)| column.push(*value));
        self.blocking.iter_mut().zip(blocking).for_each(|(column, value)| column.push(*value));
        Ok(())
    }

    /// The rows as a batch; the builder is empty afterwards.
    ///
    /// # Errors
    /// [`TokenFileError::Arrow`] if Arrow refuses the columns.
    pub fn finish(&mut self) -> Result<RecordBatch, TokenFileError> {
        self.last_rows = self.len();
        let presence: ArrayRef = Arc::new(UInt16Array::from(std::mem::take(&mut self.presence)));
        let mut columns = vec![
            binary(16, std::mem::take(&mut self.record_ref), None)?,
            binary(self.clk_bytes, std::mem::take(&mut self.clk), None)?,
            presence,
        ];
        for column in self.exact.iter_mut().chain(&mut self.blocking) {
            columns.push(column.finish()?);
        }
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(TokenFileError::Arrow)
    }
}

/// Follows the rows of a file, batch by batch, and keeps what they must agree on.
pub(super) struct RowCheck {
    /// Filters per CLK.
    segments: usize,
    pub(super) records: u64,
    pub(super) ones: u64,
    /// The last record ref as a big-endian number, which orders as its bytes do.
    last: Option<u128>,
}

impl RowCheck {
    pub(super) fn new(header: &TokenFileHeader) -> Self {
        Self { segments: header.segments as usize, records: 0, ones: 0, last: None }
    }

    /// Checks one batch whose schema has been checked: its record refs only rise, and its absent segments are empty.
    pub(super) fn batch(&mut self, batch: &RecordBatch) -> Result<(), TokenFileError> {
        if self.segments > 1 {
            self.segments(batch)?;
        }
        let (refs, clks) = (fixed(batch, 0)?, fixed(batch, 1)?);
        for (row, record_ref) in refs.values().as_chunks::<16>().0.iter().enumerate() {
            // Sorted by a keyed pseudorandom value, rows have lost the order of the custodian's database.
            let record_ref = u128::from_be_bytes(*record_ref);
            if self.last.is_some_and(|last| last >= record_ref) {
                return Err(TokenFileError::Order { row: self.records + row as u64 });
            }
            self.last = Some(record_ref);
        }
        // A CLK is whole words of 64 bits, so nothing remains after the chunks.
        let words = clks.values().as_chunks::<8>().0;
        // No sum of a batch wraps; where that need not be checked, several words are counted at once.
        let ones = |sum: u64, word: &[u8; 8]| sum.wrapping_add(u64::from_le_bytes(*word).count_ones().into());
        self.ones += words.iter().fold(0, ones);
        self.records += batch.num_rows() as u64;
        Ok(())
    }

    /// Dice on segments takes an absent one for all zero, and counts a present one whole.
    fn segments(&self, batch: &RecordBatch) -> Result<(), TokenFileError> {
        let clks = fixed(batch, 1)?;
        let presence = batch.column(2).as_primitive_opt::<UInt16Type>();
        let presence = presence.ok_or_else(|| not_of_type("a 16-bit"))?;
        let segment_bytes = clks.value_length() as usize / self.segments;
        for (row, (clk, mask)) in (0..).zip(clks.iter().flatten().zip(presence.values())) {
            for (segment, bytes) in clk.chunks(segment_bytes).enumerate() {
                let filled = bytes.iter().any(|byte| *byte != 0);
                if filled != (mask >> segment & 1 == 1) {
                    return Err(TokenFileError::Segment { row: self.records + row, segment });
                }
            }
            if u32::from(*mask) >> self.segments != 0 {
                return Err(TokenFileError::Segment { row: self.records + row, segment: self.segments });
            }
        }
        Ok(())
    }
}

fn fixed(batch: &RecordBatch, column: usize) -> Result<&FixedSizeBinaryArray, TokenFileError> {
    let array = batch.column(column).as_fixed_size_binary_opt();
    array.ok_or_else(|| not_of_type("a fixed-size binary"))
}

fn not_of_type(kind: &str) -> TokenFileError {
    TokenFileError::Arrow(ArrowError::SchemaError(format!("not {kind} column")))
}
