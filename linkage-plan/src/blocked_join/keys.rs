//! The columns in which rows must be equal, as bytes that are equal when they are.

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::Result;
use datafusion::execution::SendableRecordBatchStream;

/// Whether rows of this type are equal when their bytes are, as DataFusion takes them for equal.
///
/// Floats are not: -0.0 equals 0.0 there, and their bytes differ.
pub(crate) fn is_key_type(data_type: &DataType) -> bool {
    fn has_float(data_type: &DataType) -> bool {
        match data_type {
            DataType::Dictionary(_, values) => has_float(values),
            DataType::List(field)
            | DataType::LargeList(field)
            | DataType::FixedSizeList(field, _)
            | DataType::ListView(field)
            | DataType::LargeListView(field)
            | DataType::Map(field, _) => has_float(field.data_type()),
            DataType::RunEndEncoded(_, values) => has_float(values.data_type()),
            DataType::Struct(fields) => fields.iter().any(|field| has_float(field.data_type())),
            DataType::Union(fields, _) => fields.iter().any(|(_, field)| has_float(field.data_type())),
            plain => plain.is_floating(),
        }
    }
    !has_float(data_type) && RowConverter::supports_fields(&[SortField::new(data_type.clone())])
}

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
