//! Balancing: the bits and their complement in keyed order, so that every filter has exactly half of its bits set.

use zeroize::Zeroize;

use crate::encode::hash::KeyedHash;

/// Tells the rank of a bit from other messages.
const TAG_RANK: u8 = 0x60;

/// For each output bit the input bit that stands there; those from the length on are complements.
pub(super) struct Balance {
    order: Vec<u16>,
}

impl Balance {
    /// The order of twice `bits` bits: by rank under the key.
    pub(super) fn new(hash: &KeyedHash, bits: usize) -> Self {
        let rank = |bit: u16| {
            let [a, b, c, d] = u32::from(bit).to_le_bytes();
            let mut rank = [0; 8];
            hash.stream(&[TAG_RANK, a, b, c, d]).fill(&mut rank);
            u64::from_le_bytes(rank)
        };
        // At most 4096 bits come out.
        let mut order: Vec<u16> = (0..2 * bits as u16).collect();
        order.sort_by_cached_key(|bit| (rank(*bit), *bit));
        Self { order }
    }

    pub(super) fn apply(&self, filter: &[u64]) -> Vec<u64> {
        let bits = filter.len() * 64;
        let mut out = vec![0; filter.len() * 2];
        for (place, input) in self.order.iter().enumerate() {
            let input = usize::from(*input);
            let (bit, complement) = if input < bits { (input, 0) } else { (input - bits, 1) };
            out[place / 64] |= (filter[bit / 64] >> (bit % 64) & 1 ^ complement) << (place % 64);
        }
        out
    }
}

impl Drop for Balance {
    fn drop(&mut self) {
        self.order.zeroize();
    }
}
