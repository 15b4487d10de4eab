//! Every kernel against a naive oracle.

use proptest::prelude::*;

use super::{ClkBlock, DiceThreshold, Kernel, Match, SearchStats, score, search};

mod boundary;
mod segmented;
mod within;

/// Every pair, compared bit by bit and decided in floating point: nothing of what the kernels share.
fn oracle(left: &[Vec<u8>], right: &[Vec<u8>], threshold: DiceThreshold) -> Vec<Match> {
    let ones = |clk: &[u8]| clk.iter().map(|byte| byte.count_ones()).sum::<u32>();
    let mut matches = Vec::new();
    for (l, a) in left.iter().enumerate() {
        for (r, b) in right.iter().enumerate() {
            let intersection = a.iter().zip(b).map(|(a, b)| (a & b).count_ones()).sum();
            if score(intersection, ones(a), ones(b)) >= threshold.as_f64() {
                matches.push(Match { left: l as u32, right: r as u32, intersection, ones: ones(a) + ones(b) });
            }
        }
    }
    matches
}

fn block(clk_bytes: usize, rows: &[Vec<u8>]) -> ClkBlock {
    ClkBlock::from_rows(clk_bytes, rows.iter().map(Vec::as_slice)).unwrap()
}

fn found(kernel: Kernel, left: &ClkBlock, right: &ClkBlock, threshold: DiceThreshold) -> (Vec<Match>, SearchStats) {
    let mut matches = Vec::new();
    let stats = search(kernel, left, 0..left.rows(), right, 0..right.rows(), threshold, &mut matches);
    matches.sort_unstable();
    (matches, stats)
}

fn check(clk_bytes: usize, left: &[Vec<u8>], right: &[Vec<u8>], threshold: DiceThreshold) {
    let expected = oracle(left, right, threshold);
    let (left, right) = (block(clk_bytes, left), block(clk_bytes, right));
    for kernel in Kernel::available() {
        let (matches, stats) = found(kernel, &left, &right, threshold);
        assert!(matches == expected, "{} at {threshold}: {} of {}", kernel.name(), matches.len(), expected.len());
        assert_eq!(stats.compared, (left.rows() * right.rows()) as u64);
        assert!(stats.aborted + matches.len() as u64 <= stats.compared);
    }
}

/// Repeatable bytes.
struct Bytes(u64);

impl Bytes {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A CLK with about `density`/256 of its bits set.
    fn clk(&mut self, clk_bytes: usize, density: u64) -> Vec<u8> {
        let mut bit = || u8::from(self.next() >> 20 & 0xFF < density);
        (0..clk_bytes).map(|_| (0..8).fold(0, |byte, at| byte | bit() << at)).collect()
    }

    /// Rows of which many resemble one another, so that pairs lie on both sides of a threshold; some empty, some full.
    fn rows(&mut self, clk_bytes: usize, count: usize) -> Vec<Vec<u8>> {
        let centre = self.clk(clk_bytes, 100);
        (0..count)
            .map(|_| match self.next() % 16 {
                0 => vec![0; clk_bytes],
                1 => vec![0xFF; clk_bytes],
                2..6 => self.clk(clk_bytes, 90),
                _ => {
                    let noise = self.next() % 60;
                    centre.iter().zip(self.clk(clk_bytes, noise)).map(|(bits, flip)| bits ^ flip).collect()
                }
            })
            .collect()
    }
}

fn thresholds() -> impl Strategy<Value = DiceThreshold> {
    prop_oneof![
        (1..=1_000_000_u32).prop_map(|ppm| DiceThreshold::from_ppm(ppm).unwrap()),
        prop::sample::select(vec![1, 500_000, 700_000, 800_000, 850_000, 900_000, 1_000_000])
            .prop_map(|ppm| DiceThreshold::from_ppm(ppm).unwrap()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_kernel_finds_what_the_oracle_finds(
        seed in 1_u64..,
        words in 1_usize..=64,
        (left, right) in (0_usize..40, 0_usize..40),
        threshold in thresholds(),
    ) {
        let mut bytes = Bytes(seed);
        let (left, right) = (bytes.rows(words * 8, left), bytes.rows(words * 8, right));
        check(words * 8, &left, &right, threshold);
    }

    /// Large enough for a screen to be chosen, over ranges that begin and end anywhere.
    #[test]
    fn stopping_early_loses_no_pair(
        seed in 1_u64..,
        words in prop::sample::select(vec![2_usize, 3, 8, 16, 32]),
        threshold in thresholds(),
        (left_skip, right_skip) in (0_usize..20, 0_usize..20),
    ) {
        let mut bytes = Bytes(seed);
        let (left, right) = (bytes.rows(words * 8, 300), bytes.rows(words * 8, 700));
        let (left_rows, right_rows) = (left_skip..300 - left_skip / 2, right_skip..700 - right_skip / 3);
        let expected: Vec<Match> = oracle(&left, &right, threshold)
            .into_iter()
            .filter(|pair| left_rows.contains(&(pair.left as usize)) && right_rows.contains(&(pair.right as usize)))
            .collect();
        let (left, right) = (block(words * 8, &left), block(words * 8, &right));
        for kernel in Kernel::available() {
            let mut matches = Vec::new();
            let (l, r) = (left_rows.clone(), right_rows.clone());
            let stats = search(kernel, &left, l, &right, r, threshold, &mut matches);
            matches.sort_unstable();
            prop_assert!(matches == expected, "{}: {} of {}", kernel.name(), matches.len(), expected.len());
            prop_assert_eq!(stats.compared, (left_rows.len() * right_rows.len()) as u64);
        }
    }
}

#[test]
fn pairs_exactly_at_the_threshold_match_and_those_a_bit_below_do_not() {
    for text in ["0.5", "0.666667", "0.75", "0.8", "0.85", "0.857143", "0.9", "1"] {
        let threshold: DiceThreshold = text.parse().unwrap();
        for (pa, pb) in [(200_u32, 200), (170, 230), (300, 299), (1024, 1024), (1, 1), (3, 4)] {
            let needed = threshold.min_intersection(pa + pb);
            for common in [needed.saturating_sub(1), needed, needed + 1] {
                // `a` is the first `pa` bits; `b` shares the first `common` of them and takes the rest from the end.
                if common > pa.min(pb) || pb - common > 1024 - pa {
                    continue;
                }
                let clk = |set: &dyn Fn(u32) -> bool| -> Vec<u8> {
                    (0..128).map(|byte| (0..8).fold(0, |b, at| b | u8::from(set(byte * 8 + at)) << at)).collect()
                };
                let a = [clk(&|bit| bit < pa)];
                let b = [clk(&|bit| bit < common || bit >= 1024 - (pb - common))];
                assert_eq!(oracle(&a, &b, threshold).len(), usize::from(common >= needed));
                check(128, &a, &b, threshold);
            }
        }
    }
}

#[test]
fn nothing_matches_an_empty_filter() {
    let rows = |byte: u8, count| vec![vec![byte; 128]; count];
    for (left, right) in [(0, 0), (0, 0xFF), (0xFF, 0)] {
        check(128, &rows(left, 9), &rows(right, 17), DiceThreshold::from_ppm(1).unwrap());
    }
    check(128, &rows(0xFF, 9), &rows(0xFF, 17), DiceThreshold::from_ppm(1_000_000).unwrap());
}

#[test]
fn unlike_filters_are_given_up_early() {
    let mut bytes = Bytes(7);
    let mut rows = |count| (0..count).map(|_| bytes.clk(128, 90)).collect::<Vec<_>>();
    let (left, right) = (block(128, &rows(512)), block(128, &rows(1024)));
    for kernel in Kernel::available() {
        let (_, stats) = found(kernel, &left, &right, "0.85".parse().unwrap());
        assert!(stats.aborted > stats.compared * 9 / 10, "{}: {stats:?}", kernel.name());
        // At so low a threshold hardly a pair could be given up, so none is tested for it.
        let (_, stats) = found(kernel, &left, &right, "0.2".parse().unwrap());
        assert_eq!(stats.aborted, 0, "{}", kernel.name());
    }
}
