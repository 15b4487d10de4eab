//! The columns in which rows must be equal, as bytes that are equal when they are.

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::buffer::NullBuffer;
use arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::Result;
use datafusion::execution::SendableRecordBatchStream;

/// Makes keys of the columns of one input.
pub(super) struct Keys {
    columns: Vec<usize>,
    converter: RowConverter,
}

/// The keys of a batch.
pub(super) struct BatchKeys {
    rows: Rows,
    nulls: Option<NullBuffer>,
}

impl Keys {
    pub(super) fn new(columns: Vec<usize>, input: &SendableRecordBatchStream) -> Result<Self> {
        let schema = input.schema();
        let fields = columns.iter().map(|column| SortField::new(schema.field(*column).data_type().clone()));
        Ok(Self { converter: RowConverter::new(fields.collect())?, columns })
    }

    pub(super) fn of(&self, batch: &RecordBatch) -> Result<BatchKeys> {
        let columns: Vec<ArrayRef> = self.columns.iter().map(|column| batch.column(*column).clone()).collect();
        let nulls =
            columns.iter().fold(None, |all, column| NullBuffer::union(all.as_ref(), column.logical_nulls().as_ref()));
        Ok(BatchKeys { rows: self.converter.convert_columns(&columns)?, nulls })
    }
}

impl BatchKeys {
    /// The key of a row; none when one of its columns is null, which equals nothing.
    pub(super) fn get(&self, row: usize) -> Option<&[u8]> {
        let null = self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        (!null).then(|| self.rows.row(row).data())
    }

    /// Memory that the keys hold.
    pub(super) fn bytes(&self) -> usize {
        self.rows.size()
    }
}
