//! Pairs within one block, and the best of every row.

use proptest::prelude::*;

use super::super::{keep_top_k, search_self, search_top_k};
use super::*;

/// Pairs of two rows of one side, the lower on the left.
fn within(rows: &[Vec<u8>], threshold: DiceThreshold) -> Vec<Match> {
    oracle(rows, rows, threshold).into_iter().filter(|pair| pair.left < pair.right).collect()
}

/// The naive way: sort each row's pairs by similarity and then by right row.
fn best(pairs: &[Match], k: usize) -> Vec<Match> {
    let mut best = Vec::new();
    for row in pairs.iter().map(|pair| pair.left).collect::<std::collections::BTreeSet<_>>() {
        let mut own: Vec<Match> = pairs.iter().filter(|pair| pair.left == row).copied().collect();
        own.sort_by(|a, b| b.score().total_cmp(&a.score()).then(a.right.cmp(&b.right)));
        best.extend(own.into_iter().take(k));
    }
    best
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Cut anywhere on either side, the parts together compare every pair once and find what the oracle finds.
    #[test]
    fn no_pair_within_a_block_is_compared_twice_or_left_out(
        seed in 1_u64..,
        words in prop::sample::select(vec![1_usize, 3, 16]),
        count in 0_usize..300,
        cut in 0.0..1.0_f64,
        split_second in any::<bool>(),
        threshold in thresholds(),
    ) {
        let rows = Bytes(seed).rows(words * 8, count);
        let expected = within(&rows, threshold);
        let block = block(words * 8, &rows);
        let cut = (cut * count as f64) as usize;
        for kernel in Kernel::available() {
            let (mut matches, mut compared) = (Vec::new(), 0);
            for part in [0..cut, cut..count] {
                let (first, second) = if split_second { (0..count, part) } else { (part, 0..count) };
                let stats = search_self(kernel, &block, first, second, threshold, &mut matches);
                prop_assert!(stats.aborted <= stats.compared);
                compared += stats.compared;
            }
            matches.sort_unstable();
            prop_assert!(matches == expected, "{}: {} of {}", kernel.name(), matches.len(), expected.len());
            prop_assert_eq!(compared, (count * count.saturating_sub(1) / 2) as u64);
        }
    }

    #[test]
    fn the_best_of_parts_are_the_best_of_all(
        seed in 1_u64..,
        (left_count, right_count) in (0_usize..60, 0_usize..90),
        cut in 0.0..1.0_f64,
        k in 0_usize..6,
        ppm in 1_u32..900_000,
    ) {
        let threshold = DiceThreshold::from_ppm(ppm).unwrap();
        let mut bytes = Bytes(seed);
        let (left, right) = (bytes.rows(16, left_count), bytes.rows(16, right_count));
        let expected = best(&oracle(&left, &right, threshold), k);
        let (left, right) = (block(16, &left), block(16, &right));
        let cut = (cut * right_count as f64) as usize;
        for kernel in Kernel::available() {
            let search = |rows, out: &mut Vec<Match>| {
                search_top_k(kernel, &left, 0..left_count, &right, rows, threshold, k, out).compared
            };
            let mut whole = Vec::new();
            prop_assert_eq!(search(0..right_count, &mut whole), (left_count * right_count) as u64);
            prop_assert_eq!(&whole, &expected);
            let mut parts = Vec::new();
            search(cut..right_count, &mut parts);
            search(0..cut, &mut parts);
            keep_top_k(&mut parts, k);
            prop_assert_eq!(&parts, &expected);
        }
    }
}

#[test]
fn equally_good_pairs_rank_by_right_row() {
    let same = vec![0x55_u8; 16];
    let (left, right) = (block(16, std::slice::from_ref(&same)), block(16, &vec![same; 20]));
    let mut found = Vec::new();
    let kernel = Kernel::named("scalar").unwrap();
    search_top_k(kernel, &left, 0..1, &right, 0..20, "0.5".parse().unwrap(), 3, &mut found);
    assert_eq!(found.iter().map(|pair| pair.right).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(found.iter().all(|pair| pair.score() == 1.0));
}
