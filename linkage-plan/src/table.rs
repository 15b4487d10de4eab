//! Tokens as a table.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::DataFusionError;

use crate::error::PlanError;
use crate::layout::ClkLayout;

/// The CLK's column.
pub(crate) const CLK: &str = "clk";

/// The row's number within its token file, which a table adds.
pub(crate) const ROW: &str = "row";

/// Most rows that go through a plan at a time.
const CHUNK_ROWS: usize = 8192;

/// Fewest rows worth a batch of their own.
const LEAST_CHUNK_ROWS: usize = 256;

/// The batches of one token file, and the number of each row within the file.
///
/// The table shares the batches' buffers. Its columns are the file's, then `row` (UInt32, from 0).
#[derive(Clone)]
pub struct TokenTable {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
    segments: u32,
}

impl TokenTable {
    /// A table of at least one batch, as read from a token file. A file without records has none: see
    /// [`with_schema`](Self::with_schema).
    ///
    /// # Errors
    /// As `with_schema`, and when there is no batch.
    pub fn try_new(batches: Vec<RecordBatch>) -> Result<Self, PlanError> {
        match batches.first() {
            Some(first) => Self::with_schema(first.schema(), batches),
            None => Err(PlanError::Table { problem: "there is no batch".into() }),
        }
    }

    /// A table of any number of batches of one schema.
    ///
    /// # Errors
    /// When there is no column `clk` of 64 to 4096 bits (in multiples of 64), when there is a column `row` already, when
    /// a batch has another schema, or when there are more than 2³² rows.
    pub fn with_schema(schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<Self, PlanError> {
        let refused = |problem: String| Err(PlanError::Table { problem });
        match schema.field_with_name(CLK).map(Field::data_type) {
            Ok(DataType::FixedSizeBinary(bytes)) if (8..=512).contains(bytes) && bytes % 8 == 0 => {}
            Ok(other) => return refused(format!("column `{CLK}` is {other}")),
            Err(_) => return refused(format!("there is no column `{CLK}`")),
        }
        if schema.field_with_name(ROW).is_ok() {
            return refused(format!("there is a column `{ROW}` already"));
        }
        let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new(ROW, DataType::UInt32, false)));
        let numbered = Arc::new(Schema::new(fields));
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        if u32::try_from(rows).is_err() {
            return refused(format!("{rows} rows are more than 32 bits can number"));
        }
        let mut first = 0_u32;
        let mut out = Vec::with_capacity(batches.len());
        for (at, batch) in batches.into_iter().enumerate() {
            if batch.schema().fields() != schema.fields() {
                return refused(format!("batch {at} has another schema"));
            }
            let next = first + batch.num_rows() as u32;
            let mut columns = batch.columns().to_vec();
            columns.push(Arc::new(UInt32Array::from_iter_values(first..next)) as ArrayRef);
            first = next;
            out.push(
                RecordBatch::try_new(Arc::clone(&numbered), columns)
                    .map_err(|e| PlanError::from(DataFusionError::from(e)))?,
            );
        }
        let bytes = out.iter().map(slice_bytes).sum::<Result<usize, PlanError>>()?;
        Ok(Self { schema: numbered, batches: out, rows, bytes, segments: 1 })
    }

    /// The same table, of CLKs of so many segments, as its token file's header says; 1, which a new table has, is a
    /// composite CLK.
    ///
    /// Segmented CLKs are scored over the segments that both rows have, in SQL and in every link; a row has the segments
    /// in which it has bits. The metadata of the column `clk` say so to every plan. Bands do not go with segments.
    ///
    /// # Errors
    /// When the CLKs do not divide into 1 to 16 segments of whole 64-bit words.
    pub fn with_segments(self, segments: u32) -> Result<Self, PlanError> {
        let mut fields = self.schema.fields().to_vec();
        for field in fields.iter_mut().filter(|field| field.name() == CLK) {
            let layout = ClkLayout { segments: segments as usize, ..ClkLayout::of(field)? };
            if !layout.fits() {
                let problem = format!("CLKs of {} bytes do not divide into {segments} segments", layout.bytes);
                return Err(PlanError::Table { problem });
            }
            *field = Arc::new(layout.mark(field));
        }
        let schema = Arc::new(Schema::new(fields));
        let batches = self.batches.iter().map(|batch| {
            RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec())
                .map_err(|e| PlanError::from(DataFusionError::from(e)))
        });
        Ok(Self { batches: batches.collect::<Result<_, _>>()?, schema: Arc::clone(&schema), segments, ..self })
    }

    /// Segments of each CLK.
    pub fn segments(&self) -> u32 {
        self.segments
    }

    /// Rows held.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of the rows held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The rows dealt out to `partitions`, in chunks small enough that each gets its share.
    pub(crate) fn partitions(&self, partitions: usize) -> Vec<Vec<RecordBatch>> {
        let chunk = (self.rows / (partitions * 4)).next_multiple_of(8).clamp(LEAST_CHUNK_ROWS, CHUNK_ROWS);
        let mut dealt = vec![Vec::new(); partitions];
        let chunks = self.batches.iter().flat_map(|batch| {
            (0..batch.num_rows()).step_by(chunk).map(|from| batch.slice(from, chunk.min(batch.num_rows() - from)))
        });
        for (at, batch) in chunks.enumerate() {
            dealt[at % partitions].push(batch);
        }
        dealt
    }
}

impl std::fmt::Debug for TokenTable {
    /// Sizes only: no token bytes in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenTable").field("rows", &self.rows).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// The bytes of a batch's rows, without what its buffers hold beside them.
fn slice_bytes(batch: &RecordBatch) -> Result<usize, PlanError> {
    let bytes: Result<usize, _> = batch.columns().iter().map(|column| column.to_data().get_slice_memory_size()).sum();
    bytes.map_err(|e| PlanError::from(DataFusionError::from(e)))
}
