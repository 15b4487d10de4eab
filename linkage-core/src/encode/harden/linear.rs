//! XOR-folding and Rule 90: exclusive or of bits at fixed places, without a key.

/// Joins the two halves by exclusive or.
pub(super) fn xor_fold(words: &[u64]) -> Vec<u64> {
    let (low, high) = words.split_at(words.len() / 2);
    low.iter().zip(high).map(|(a, b)| a ^ b).collect()
}

/// Every bit becomes the exclusive or of its two neighbours; the first and the last bit are neighbours.
pub(super) fn rule90(words: &[u64]) -> Vec<u64> {
    let count = words.len();
    let at = |index: usize| words[index % count];
    let rotated = |index: usize| {
        let below = words[index] << 1 | at(index + count - 1) >> 63;
        let above = words[index] >> 1 | at(index + 1) << 63;
        below ^ above
    };
    (0..count).map(rotated).collect()
}
