//! How many blocks a side's keys make, and how large the largest is: told in EXPLAIN ANALYZE, where a hash join says neither.

use arrow::array::{Array, FixedSizeBinaryArray};
use datafusion::common::Result;

use crate::steps::{go_on, sort};

/// What counting takes per key: a hash, twice while hashes are sorted.
pub(super) const KEY_BYTES: usize = 2 * size_of::<u64>();

/// The blocks of one side.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blocks {
    /// Different keys.
    pub(super) blocks: usize,
    /// Rows of the most frequent one.
    pub(super) largest_rows: usize,
}

impl Blocks {
    /// Counts keys, of which there are `count`. Null is no key. Different ones are taken for one with a chance of 2⁻⁶⁴ per pair.
    pub(super) fn count(keys: &[FixedSizeBinaryArray], count: usize, stop: &dyn Fn() -> bool) -> Result<Self> {
        let mut hashes = Vec::with_capacity(count);
        for keys in keys {
            go_on(stop)?;
            hashes.extend((0..keys.len()).filter(|at| keys.is_valid(*at)).map(|at| hash(keys.value(at))));
        }
        sort(&mut hashes, |hash| *hash, stop)?;
        let mut blocks = Self::default();
        for block in hashes.chunk_by(|a, b| a == b) {
            blocks.blocks += 1;
            blocks.largest_rows = blocks.largest_rows.max(block.len());
        }
        Ok(blocks)
    }
}

fn hash(key: &[u8]) -> u64 {
    key.chunks(8).fold(0x243F_6A88_85A3_08D3, |state: u64, part| {
        let mut word = [0; 8];
        word[..part.len()].copy_from_slice(part);
        let mixed = (state ^ u64::from_le_bytes(word)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9).rotate_left(31)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn blocks_are_the_different_keys(rows in proptest::collection::vec(proptest::option::of(0_u16..60), 0..400), cut in 0_usize..400) {
            let batch = |rows: &[Option<u16>]| {
                let keys = rows.iter().map(|row| row.map(|row| [[7; 9].as_slice(), &row.to_le_bytes()].concat()));
                FixedSizeBinaryArray::try_from_sparse_iter_with_size(keys, 11).unwrap()
            };
            let (first, second) = rows.split_at(cut.min(rows.len()));
            let mut expected: HashMap<u16, usize> = HashMap::new();
            rows.iter().flatten().for_each(|row| *expected.entry(*row).or_default() += 1);
            let counted = Blocks::count(&[batch(first), batch(second)], rows.len(), &|| false).unwrap();
            let largest_rows = expected.values().copied().max().unwrap_or(0);
            prop_assert_eq!(counted, Blocks { blocks: expected.len(), largest_rows });
        }
    }

    #[test]
    fn counting_stops_when_it_is_to() {
        let keys = FixedSizeBinaryArray::try_from_iter([[1; 16], [2; 16]].into_iter()).unwrap();
        assert!(Blocks::count(&[keys], 2, &|| true).is_err());
    }
}
