//! Pairs planted exactly at a threshold, and a bit to either side of it, in blocks large enough for screens.

use proptest::prelude::*;

use super::super::search_self;
use super::*;

/// A threshold as the ratio that it is; `q` divides a million.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ratio {
    p: u64,
    q: u64,
}

impl Ratio {
    pub(super) fn threshold(self) -> DiceThreshold {
        DiceThreshold::from_ppm((self.p * 1_000_000 / self.q) as u32).unwrap()
    }

    /// The most bits of one row alone with which rows match that have so many in common.
    fn most_lone(self, common: u64) -> u64 {
        2 * common * (self.q - self.p) / self.p
    }

    /// Whether rows match, by the definition and in integers alone.
    pub(super) fn accepts(self, (common, lone): (u64, u64)) -> bool {
        2 * common * self.q >= self.p * (2 * common + lone)
    }

    /// Pairs, as bits in common and bits of one row alone, of at most `bits` bits: exactly at the threshold where there are
    /// such, otherwise just above it, and what becomes of them when either number changes by one.
    pub(super) fn pairs(self, bits: u64) -> Vec<(u64, u64)> {
        let fits = |common: &u64| common + self.most_lone(*common) + 2 <= bits;
        let exact = |common: &u64| (2 * common * (self.q - self.p)).is_multiple_of(self.p);
        let all: Vec<u64> = (1..=bits).rev().filter(fits).collect();
        let exact: Vec<u64> = all.iter().copied().filter(exact).collect();
        let spread = |from: &[u64], count: usize| from.iter().copied().step_by(from.len() / count + 1).collect();
        let mut chosen: Vec<u64> = spread(&exact, 8);
        chosen.extend::<Vec<u64>>(spread(&all, 4));
        let about = |common: u64| {
            let most = self.most_lone(common);
            // The last two have as many bits as the first: a common bit has moved, or two of one row alone have met.
            let moved = [Some((common - 1, most + 2)), most.checked_sub(2).map(|lone| (common + 1, lone))];
            [Some((common, most)), Some((common, most + 1)), most.checked_sub(1).map(|lone| (common, lone))]
                .into_iter()
                .chain(moved)
                .flatten()
        };
        chosen.into_iter().flat_map(about).collect()
    }
}

/// The thresholds that matter, and others.
pub(super) fn ratios() -> impl Strategy<Value = Ratio> {
    let denominators = vec![4, 5, 8, 10, 16, 20, 25, 32, 40, 50, 64, 80, 100, 125, 200, 1_000_000];
    let any = (prop::sample::select(denominators), any::<u64>()).prop_map(|(q, draw)| Ratio { p: 1 + draw % q, q });
    let usual = [(4, 5), (17, 20), (9, 10), (39, 50), (1, 1)].map(|(p, q)| Ratio { p, q }).to_vec();
    prop_oneof![prop::sample::select(usual), any]
}

/// Two rows with so many bits in common and so many of one alone, all of them among `places`.
pub(super) fn plant(bytes: &mut Bytes, clk_bytes: usize, places: &[usize], (common, lone): (u64, u64)) -> [Vec<u8>; 2] {
    let mut places = places.to_vec();
    if bytes.next() & 1 == 0 {
        for at in (1..places.len()).rev() {
            places.swap(at, (bytes.next() >> 20) as usize % (at + 1));
        }
    } else {
        // Side by side, so that some words are full and others hold nothing.
        let by = (bytes.next() >> 20) as usize % places.len();
        places.rotate_left(by);
    }
    // Those of one row alone are all of the left one, all of the right one, or of both.
    let of_left = match bytes.next() >> 20 & 3 {
        0 => 0,
        1 => lone,
        _ => (bytes.next() >> 20) % (lone + 1),
    };
    let mut rows = [vec![0; clk_bytes], vec![0; clk_bytes]];
    for (at, bit) in (0..common + lone).zip(places) {
        let set = [at < common + of_left, at < common || at >= common + of_left];
        for (row, set) in rows.iter_mut().zip(set) {
            row[bit / 8] |= u8::from(set) << (bit % 8);
        }
    }
    rows
}

/// Both sides' rows, unlike one another but for what was planted, and every pair that matches.
struct Planted {
    left: Vec<Vec<u8>>,
    right: Vec<Vec<u8>>,
    expected: Vec<Match>,
}

impl Planted {
    /// Checks the oracle by the planted pairs, of which there is at least one.
    fn new(seed: u64, words: usize, ratio: Ratio, density: u64, (left, right): (usize, usize)) -> Option<Self> {
        let (mut bytes, clk_bytes) = (Bytes(seed), words * 8);
        let pairs = ratio.pairs(words as u64 * 64);
        let places: Vec<usize> = (0..words * 64).collect();
        let [mut left, mut right] =
            [left, right].map(|count| (0..count).map(|_| bytes.clk(clk_bytes, density)).collect::<Vec<_>>());
        let rows: Vec<(usize, usize)> =
            (0..pairs.len()).map(|at| (at * 7 % left.len(), at * 11 % right.len())).collect();
        for ((l, r), pair) in rows.iter().zip(&pairs) {
            [left[*l], right[*r]] = plant(&mut bytes, clk_bytes, &places, *pair);
        }
        let expected = oracle(&left, &right, ratio.threshold());
        for ((l, r), pair) in rows.iter().zip(&pairs) {
            let found = expected.iter().any(|found| (found.left as usize, found.right as usize) == (*l, *r));
            assert_eq!(found, ratio.accepts(*pair), "{pair:?} at {ratio:?}");
        }
        (!pairs.is_empty()).then_some(Self { left, right, expected })
    }

    /// Compares what every kernel finds, and returns what it did.
    fn check(&self, threshold: DiceThreshold) -> Vec<(&'static str, SearchStats)> {
        let clk_bytes = self.left[0].len();
        let (left, right) = (block(clk_bytes, &self.left), block(clk_bytes, &self.right));
        let checked = Kernel::available().into_iter().map(|kernel| {
            let (matches, stats) = found(kernel, &left, &right, threshold);
            let (found, all) = (matches.len(), self.expected.len());
            assert!(matches == self.expected, "{} at {threshold}, {clk_bytes} bytes: {found} of {all}", kernel.name());
            (kernel.name(), stats)
        });
        checked.collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// At any density: where filters are full, the popcounts of a screen's piles are too.
    #[test]
    fn every_kernel_decides_as_the_oracle_does_at_any_boundary(
        seed in 1_u64..,
        words in prop::sample::select(vec![1_usize, 2, 3, 5, 8, 13, 16, 31, 32, 33, 64]),
        ratio in ratios(),
        density in prop::sample::select(vec![10_u64, 60, 90, 128, 200, 250]),
    ) {
        if let Some(planted) = Planted::new(seed, words, ratio, density, (300, 700)) {
            planted.check(ratio.threshold());
        }
    }
}

#[test]
fn pairs_at_the_threshold_are_found_where_the_others_are_given_up_early() {
    for (p, q) in [(39, 50), (4, 5), (17, 20), (9, 10)] {
        let ratio = Ratio { p, q };
        // The last has several tiles, of which the later ones are screened as the first one was measured.
        for (words, rows) in [(8, (300, 700)), (16, (300, 700)), (31, (300, 700)), (64, (300, 700)), (16, (120, 5000))]
        {
            let planted = Planted::new(words as u64 * 31 + p, words, ratio, 90, rows).unwrap();
            for (kernel, stats) in planted.check(ratio.threshold()) {
                // Below .8 it does not pay for every kernel and length.
                let screened = stats.aborted > stats.compared / 10;
                assert!(screened || (p, q) == (39, 50), "{kernel} at {ratio:?}, {words} words: {stats:?}");
            }
        }
    }
}

#[test]
fn within_one_block_the_same_pairs_are_at_the_threshold() {
    let ratio = Ratio { p: 17, q: 20 };
    let Planted { left, right, expected } = Planted::new(9, 16, ratio, 90, (300, 700)).unwrap();
    let block = block(128, &[left, right].concat());
    for kernel in Kernel::available() {
        let mut matches = Vec::new();
        search_self(kernel, &block, 0..300, 300..1000, ratio.threshold(), &mut matches);
        matches.iter_mut().for_each(|pair| pair.right -= 300);
        matches.sort_unstable();
        assert!(matches == expected, "{}: {} of {}", kernel.name(), matches.len(), expected.len());
    }
}
