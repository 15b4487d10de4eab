//! The similarity itself, where one pair is looked at and not millions.

/// The Dice similarity `2i/(pa + pb)` of filters of popcounts `pa` and `pb` with `intersection` common bits; 0 when both
/// are empty: two records without identifiers must not look alike.
pub fn score(intersection: u32, pa: u32, pb: u32) -> f64 {
    if pa + pb == 0 { 0.0 } else { f64::from(2 * intersection) / f64::from(pa + pb) }
}

/// The Dice similarity of two filters as bytes.
///
/// # Panics
/// When they differ in length: such filters come from different schemas, and no number would mean anything.
pub fn similarity(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len(), "filters of different lengths");
    let (mut intersection, mut pa, mut pb) = (0, 0, 0);
    let ((a_words, a_rest), (b_words, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a_words.iter().zip(b_words) {
        let (a, b) = (u64::from_le_bytes(*a), u64::from_le_bytes(*b));
        intersection += (a & b).count_ones();
        pa += a.count_ones();
        pb += b.count_ones();
    }
    for (a, b) in a_rest.iter().zip(b_rest) {
        intersection += (a & b).count_ones();
        pa += a.count_ones();
        pb += b.count_ones();
    }
    score(intersection, pa, pb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_counts_give_one_score() {
        let (a, b) = ([0xFF_u8, 0, 0xF0, 1, 2, 3, 4, 5, 0x0F, 0xAA], [0x0F_u8, 9, 0xFF, 1, 1, 3, 4, 4, 0xFF, 0xFF]);
        let ones = |bytes: &[u8]| bytes.iter().map(|byte| byte.count_ones()).sum::<u32>();
        let both: Vec<u8> = a.iter().zip(b).map(|(a, b)| a & b).collect();
        assert_eq!(similarity(&a, &b), score(ones(&both), ones(&a), ones(&b)));
        assert_eq!((similarity(&a, &a), similarity(&[0; 16], &[0; 16])), (1.0, 0.0));
    }
}
