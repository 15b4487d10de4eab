//! Work over millions of rows in steps of some milliseconds, so that it can be stopped between them.

use std::mem::{swap, take};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, MutableArrayData, RecordBatch, RecordBatchOptions, make_array};
use arrow::datatypes::SchemaRef;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err};

/// Rows between two looks at whether to stop.
pub(crate) const STEP_ROWS: usize = 1 << 16;

/// What stopped work ends in. Nobody listens any more.
pub(crate) fn stopped() -> DataFusionError {
    exec_datafusion_err!("stopped, as was asked for")
}

/// The end of the work when it is to be stopped.
pub(crate) fn go_on(stop: &dyn Fn() -> bool) -> Result<()> {
    if stop() { Err(stopped()) } else { Ok(()) }
}

/// Sorts entries by a key; entries of one key in any order. It takes as much memory again as they do.
pub(crate) fn sort<T: Copy, K: Ord>(
    entries: &mut Vec<T>,
    key: impl Fn(&T) -> K,
    stop: &dyn Fn() -> bool,
) -> Result<()> {
    for entries in entries.chunks_mut(STEP_ROWS) {
        go_on(stop)?;
        entries.sort_unstable_by_key(&key);
    }
    // Runs of a length are merged two by two.
    let mut runs = take(entries);
    let mut merged = Vec::with_capacity(if runs.len() > STEP_ROWS { runs.len() } else { 0 });
    let mut length = STEP_ROWS;
    while length < runs.len() {
        merged.clear();
        for two in runs.chunks(2 * length) {
            let (mut first, mut second) = two.split_at(length.min(two.len()));
            while let ([a, first_rest @ ..], [b, second_rest @ ..]) = (first, second) {
                if merged.len().is_multiple_of(STEP_ROWS) {
                    go_on(stop)?;
                }
                if key(b) < key(a) {
                    merged.push(*b);
                    second = second_rest;
                } else {
                    merged.push(*a);
                    first = first_rest;
                }
            }
            merged.extend_from_slice(first);
            merged.extend_from_slice(second);
        }
        swap(&mut runs, &mut merged);
        length *= 2;
    }
    *entries = runs;
    Ok(())
}

/// The rows of batches one after another.
pub(crate) fn concat(schema: &SchemaRef, batches: &[RecordBatch], stop: &dyn Fn() -> bool) -> Result<RecordBatch> {
    if batches.is_empty() {
        return Ok(RecordBatch::new_empty(Arc::clone(schema)));
    }
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for column in 0..schema.fields().len() {
        let parts: Vec<_> = batches.iter().map(|batch| batch.column(column).to_data()).collect();
        let mut whole = MutableArrayData::new(parts.iter().collect(), false, rows);
        for (at, part) in parts.iter().enumerate() {
            for from in (0..part.len()).step_by(STEP_ROWS) {
                go_on(stop)?;
                whole.try_extend(at, from, (from + STEP_ROWS).min(part.len()))?;
            }
        }
        columns.push(make_array(whole.freeze()));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use arrow::array::{FixedSizeBinaryArray, StringArray, UInt32Array};
    use arrow::compute::concat_batches;
    use arrow::datatypes::{DataType, Field, Schema};
    use proptest::prelude::*;

    use super::*;

    /// Counts the looks, and says yes at one of them.
    fn at_look(looks: &Cell<usize>, stop_at: usize) -> impl Fn() -> bool + '_ {
        move || looks.replace(looks.get() + 1) == stop_at
    }

    fn mixed(at: u64) -> u64 {
        (at ^ (at >> 7)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_sorted_in_steps_is_sorted(rows in 0..5 * STEP_ROWS, keys in 1_u64..1 << 40) {
            let entries: Vec<(u64, u32)> = (0..rows as u32).map(|row| (mixed(row.into()) % keys, row)).collect();
            let mut expected = entries.clone();
            expected.sort_unstable();
            let mut sorted = entries;
            sort(&mut sorted, |entry| *entry, &|| false).unwrap();
            prop_assert!(sorted == expected);
        }
    }

    #[test]
    fn sorting_can_be_stopped_at_every_look() {
        let sort_until = |stop_at: usize| {
            let looks = Cell::new(0);
            let mut entries: Vec<u64> = (0..4 * STEP_ROWS as u64 + 7).map(mixed).collect();
            let sorted = sort(&mut entries, |entry| *entry, &at_look(&looks, stop_at));
            (sorted.is_ok(), looks.get())
        };
        let (done, looks) = sort_until(usize::MAX);
        // Five runs, and three rounds of merging them.
        assert!(done && looks >= 5 + 3 * 4, "{looks}");
        for at in 0..looks {
            assert_eq!(sort_until(at), (false, at + 1));
        }
    }

    #[test]
    fn batches_are_put_together_as_arrow_does_it_and_that_can_be_stopped_at_every_look() {
        let fields = [("row", DataType::UInt32), ("clk", DataType::FixedSizeBinary(16)), ("name", DataType::Utf8)];
        let schema = Arc::new(Schema::new(fields.map(|(name, of)| Field::new(name, of, true)).to_vec()));
        let batch = |rows: u32| {
            let row = UInt32Array::from_iter((0..rows).map(|row| (row % 5 > 0).then_some(row)));
            let clks = (0..rows).map(|row| (row % 3 > 0).then_some([row as u8; 16]));
            let clk = FixedSizeBinaryArray::try_from_sparse_iter_with_size(clks, 16).unwrap();
            let name = StringArray::from_iter((0..rows).map(|row| (row % 7 > 0).then(|| row.to_string())));
            RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(row), Arc::new(clk), Arc::new(name)]).unwrap()
        };
        let batches = [batch(10), batch(0), batch(STEP_ROWS as u32 + 1), batch(3).slice(1, 2)];
        for batches in [&batches[..], &batches[..1], &[]] {
            let looks = Cell::new(0);
            let whole = concat(&schema, batches, &at_look(&looks, usize::MAX)).unwrap();
            assert_eq!(whole, concat_batches(&schema, batches).unwrap());
            for at in 0..looks.get() {
                let again = Cell::new(0);
                assert!(concat(&schema, batches, &at_look(&again, at)).is_err() && again.get() == at + 1);
            }
        }
        // Rows without columns are still so many.
        let none: Vec<RecordBatch> = batches.iter().map(|batch| batch.project(&[]).unwrap()).collect();
        let whole = concat(&none[0].schema(), &none, &|| false).unwrap();
        assert_eq!(whole.num_rows(), STEP_ROWS + 13);
    }
}
