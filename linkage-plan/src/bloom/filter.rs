//! The filter over keys of one length.

use arrow::array::{Array, BooleanArray, FixedSizeBinaryArray};
use bloomfilter::Bloom;
use datafusion::common::{Result, exec_datafusion_err};

/// How many of the keys that are not there pass.
const FALSE_POSITIVES: f64 = 0.01;

/// What positions are hashed with. Keys are the output of a keyed function already: nobody chooses them, so that the seed
/// need be no secret.
const SEED: [u8; 32] = *b"linkage-plan: bloom semi-join, 1";

/// Keys that may be there.
pub(super) struct KeyFilter(Option<Bloom<[u8]>>);

impl KeyFilter {
    /// The bytes of a filter for so many keys.
    pub(super) fn bytes_for(keys: usize) -> usize {
        if keys == 0 { 0 } else { Bloom::<[u8]>::compute_bitmap_size(keys, FALSE_POSITIVES).max(1) }
    }

    /// A filter for so many keys; none has been put in yet.
    pub(super) fn with_capacity(keys: usize) -> Result<Self> {
        if keys == 0 {
            return Ok(Self(None));
        }
        let filter = Bloom::new_with_seed(Self::bytes_for(keys), keys, &SEED);
        Ok(Self(Some(filter.map_err(|e| exec_datafusion_err!("no Bloom filter: {e}"))?)))
    }

    /// Puts keys in. Null is no key.
    pub(super) fn insert(&mut self, keys: &FixedSizeBinaryArray) {
        let Some(filter) = &mut self.0 else { return };
        for at in (0..keys.len()).filter(|at| keys.is_valid(*at)) {
            filter.set(keys.value(at));
        }
    }

    /// Which of these keys may be there. Null never is.
    pub(super) fn may_have(&self, keys: &FixedSizeBinaryArray) -> BooleanArray {
        let passes = |at| match &self.0 {
            Some(filter) => keys.is_valid(at) && filter.check(keys.value(at)),
            None => false,
        };
        (0..keys.len()).map(|at| Some(passes(at))).collect()
    }
}
