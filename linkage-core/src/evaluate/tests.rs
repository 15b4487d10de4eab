use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::clk::Clk;
use crate::cluster::{Cluster, Member};
use crate::dice::{DiceThreshold, Kernel};
use crate::encode::Token;

fn pair(left: u32, right: u32, score: f64) -> LinkedPair {
    LinkedPair { left, right, score, exact: false }
}

fn exact(left: u32, right: u32, score: f64) -> LinkedPair {
    LinkedPair { left, right, score, exact: true }
}

fn quality(true_positives: u64, false_positives: u64, false_negatives: u64) -> Quality {
    Quality { true_positives, false_positives, false_negatives }
}

#[test]
fn measures_follow_their_definitions() {
    let q = quality(6, 2, 4);
    assert_eq!((q.precision(), q.recall()), (0.75, 0.6));
    assert!((q.f1() - 2.0 * 0.75 * 0.6 / (0.75 + 0.6)).abs() < 1e-12);
    assert_eq!(q.f_star(), 0.5);
    assert!((q.f_star() - q.f1() / (2.0 - q.f1())).abs() < 1e-12);
}

#[test]
fn nothing_linked_and_nothing_to_link_is_perfect_and_a_miss_is_not() {
    assert_eq!((quality(0, 0, 0).f1(), quality(0, 0, 0).precision()), (1.0, 1.0));
    assert_eq!((quality(0, 0, 5).f1(), quality(0, 0, 5).precision(), quality(0, 0, 5).recall()), (0.0, 1.0, 0.0));
    assert_eq!((quality(0, 5, 0).f1(), quality(0, 5, 0).precision(), quality(0, 5, 0).recall()), (0.0, 0.0, 1.0));
}

#[test]
fn a_pair_reported_twice_counts_once() {
    let truth: Truth = [(1, 1)].into_iter().collect();
    assert_eq!(pair_quality([pair(1, 1, 0.9), exact(1, 1, 0.9), pair(2, 2, 0.9)], &truth), quality(1, 1, 0));
}

#[test]
fn assignment_takes_exact_pairs_first_and_then_the_best_free_pair() {
    let pairs = [pair(0, 0, 0.9), pair(0, 1, 0.95), pair(1, 1, 0.93), pair(2, 1, 0.99), exact(2, 2, 0.5)];
    // 2–2 is exact, so 2–1 is gone; 0–1 is the best of what is left; 1 finds nobody.
    assert_eq!(one_to_one(&pairs), [exact(2, 2, 0.5), pair(0, 1, 0.95)]);
}

#[test]
fn the_curve_counts_before_and_after_assignment() {
    let truth: Truth = [(0, 0), (1, 1), (2, 2)].into_iter().collect();
    let pairs = [pair(0, 0, 0.9), pair(0, 1, 0.8), pair(1, 1, 0.85), pair(2, 3, 0.7), exact(2, 2, 0.1)];
    let points = curve(&pairs, &truth, &[0.7, 0.85, 0.95]);
    assert_eq!(points[0].raw, quality(3, 2, 0));
    assert_eq!(points[0].assigned, quality(3, 0, 0));
    assert_eq!(points[1].raw, quality(3, 0, 0));
    assert_eq!(points[2].assigned, quality(1, 0, 2));
    assert_eq!(best(&points).map(|p| p.threshold), Some(0.85));
    assert_eq!(best(&[]), None);
}

#[test]
fn intervals_hold_what_was_seen_and_narrow_with_more_cases() {
    let few = Interval::wilson(9, 10);
    let many = Interval::wilson(900, 1000);
    assert!(few.low < many.low && many.low < 0.9 && 0.9 < many.high && many.high < few.high);
    // The textbook figure for 9 of 10.
    assert!((few.low - 0.5958).abs() < 5e-4 && (few.high - 0.9821).abs() < 5e-4, "{few:?}");
    assert_eq!(Interval::wilson(0, 0), Interval { low: 0.0, high: 1.0 });
    assert_eq!((Interval::wilson(5, 5).high, Interval::wilson(0, 5).low), (1.0, 0.0));
}

#[test]
fn a_bootstrap_covers_the_truth_as_often_as_it_says() {
    // 200 rows with one true pair each, of which about 80 % are found; how often is .8 within the interval?
    let covered = (0..200u64).filter(|&seed| {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let units: Vec<Quality> = (0..200)
            .map(|_| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                if random % 10 < 8 { quality(1, 0, 0) } else { quality(0, 0, 1) }
            })
            .collect();
        let spread = bootstrap(&units, 200, seed).unwrap();
        spread.recall.low <= 0.8 && 0.8 <= spread.recall.high
    });
    let covered = covered.count();
    assert!((180..=199).contains(&covered), "{covered} of 200");
    assert_eq!(bootstrap(&[], 100, 1), None);
    assert_eq!(bootstrap(&[quality(1, 0, 0); 10], 0, 1), None);
}

#[test]
fn a_few_people_have_no_interval_and_an_empty_draw_is_no_perfect_one() {
    assert_eq!(bootstrap(&[quality(0, 0, 1); 9], 200, 1), None);
    // Of 200,000 single draws of ten people, of whom nobody was found, about nine are empty.
    let drawn: Vec<_> = (0..200_000).map(|seed| bootstrap(&[quality(0, 1, 1); 10], 1, seed)).collect();
    let empty = drawn.iter().filter(|spread| spread.is_none()).count();
    assert!((1..30).contains(&empty), "{empty}");
    assert!(drawn.iter().flatten().all(|spread| spread.f1.high == 0.0));
}

#[test]
fn units_add_up_to_the_whole() {
    let truth: Truth = [(0, 0), (0, 1), (1, 1), (5, 5)].into_iter().collect();
    let links = [pair(0, 0, 0.9), pair(0, 0, 0.9), pair(1, 2, 0.8), pair(7, 7, 0.8), pair(1, 1, 0.7)];
    let sum = units(links, &truth).iter().fold(quality(0, 0, 0), |a, b| {
        quality(
            a.true_positives + b.true_positives,
            a.false_positives + b.false_positives,
            a.false_negatives + b.false_negatives,
        )
    });
    assert_eq!(sum, pair_quality(links, &truth));
}

#[test]
fn the_pairs_of_a_person_are_one_case() {
    // 100 people in five tables, rows numbered through all; the record of the last table is lost of every fifth.
    let row = |table: u32, person: u32| table * 100 + person;
    let pairs = |person: u32| {
        (0..5).flat_map(move |a| (a + 1..5).map(move |b| (a, b))).map(move |(a, b)| (row(a, person), row(b, person)))
    };
    let truth: Truth = (0..100).flat_map(pairs).collect();
    let kept = |(_, right): &(u32, u32)| *right < 400 || right % 5 > 0;
    let links: Vec<LinkedPair> = (0..100).flat_map(pairs).filter(kept).map(|(l, r)| pair(l, r, 0.9)).collect();
    assert_eq!(units(links.iter().copied(), &truth).len(), 100);
    let recall = pair_quality(links.iter().copied(), &truth).recall();
    let within = by_group(links.iter().copied(), &truth, |_, _| [()])[&()].recall;
    let apart = Interval::wilson(920, 1000);
    assert!(within.low < recall && recall < within.high);
    assert!(within.high - within.low > 1.8 * (apart.high - apart.low), "{within:?} {apart:?}");
    // Drawn by person the interval is as wide as that.
    let drawn = bootstrap(&units(links.iter().copied(), &truth), 500, 1).unwrap().recall;
    let ratio = (drawn.high - drawn.low) / (within.high - within.low);
    assert!((0.8..1.2).contains(&ratio), "{drawn:?} {within:?}");
    assert_eq!(Interval::clustered(&vec![(1, 1); 40]), Interval::wilson(40, 40));
    assert_eq!(Interval::clustered(&[]), Interval::wilson(0, 0));
}

#[test]
fn candidates_by_blocking_keys_are_counted_once_however_many_passes_find_them() {
    let token = |keys: [Option<u8>; 2]| Token {
        blocking: keys.map(|key| key.map(|byte| [byte; 16])).to_vec(),
        ..token(0b1, None)
    };
    let left = [token([Some(1), Some(2)]), token([None, Some(3)]), token([None, None])];
    let right = [token([Some(1), Some(2)]), token([Some(1), None]), token([Some(3), Some(3)])];
    let mut candidates = Candidates { possible: 9, true_pairs: 2, ..Candidates::default() };
    candidates.add_keyed(&left, &right, |left, right| left == right);
    // 0–0 in both passes, 0–1 in the first, 1–2 in the second; of 0–0, 1–1 and 2–2 one is kept.
    assert_eq!((candidates.kept, candidates.true_kept), (3, 1));
}

#[test]
fn a_group_is_judged_by_its_own_pairs() {
    let truth: Truth = [(0, 0), (1, 1), (2, 2)].into_iter().collect();
    let links = [pair(0, 0, 0.9), pair(1, 2, 0.8)];
    let groups = by_group(links, &truth, |left, _| match left {
        0 => vec!["old", "foreign"],
        1 => vec!["old"],
        _ => vec![],
    });
    assert_eq!(groups["old"].quality, quality(1, 1, 1));
    assert_eq!(groups["foreign"].quality, quality(1, 0, 0));
    assert_eq!(groups.len(), 2);
}

#[test]
fn candidates_are_judged_by_what_they_leave_out() {
    let kept = Candidates { possible: 1000, kept: 10, true_kept: 3, true_pairs: 4 };
    assert_eq!((kept.reduction_ratio(), kept.pair_completeness()), (0.99, 0.75));
    let none = Candidates { possible: 0, kept: 0, true_kept: 0, true_pairs: 0 };
    assert_eq!((none.reduction_ratio(), none.pair_completeness()), (0.0, 1.0));
}

fn member(database: u16, record: u32) -> Member {
    Member { database, record }
}

#[test]
fn clusters_are_judged_by_their_pairs_across_databases() {
    // Person 1 is in three databases and one of them missed; person 2 is in two, and a stranger joined.
    let person: HashMap<Member, u64> = [((0, 0), 1), ((1, 0), 1), ((2, 0), 1), ((0, 1), 2), ((1, 1), 2), ((2, 1), 3)]
        .into_iter()
        .map(|((d, r), p)| (member(d, r), p))
        .collect();
    let clusters = [
        Cluster { members: vec![member(0, 0), member(1, 0)] },
        Cluster { members: vec![member(0, 1), member(1, 1), member(2, 1)] },
    ];
    assert_eq!(cluster_quality(&clusters, &person), quality(2, 2, 2));
}

#[test]
fn two_records_of_one_database_are_no_pair() {
    let person: HashMap<Member, u64> = [(member(0, 0), 1), (member(0, 1), 1), (member(1, 0), 1)].into_iter().collect();
    let clusters = [Cluster { members: vec![member(0, 0), member(0, 1), member(1, 0)] }];
    assert_eq!(cluster_quality(&clusters, &person), quality(2, 0, 0));
}

proptest! {
    #[test]
    fn the_curve_equals_assigning_anew_at_every_threshold(
        raw in prop::collection::vec((0u32..8, 0u32..8, 0u8..10, any::<bool>()), 0..40),
        truth in prop::collection::vec((0u32..8, 0u32..8), 0..10),
    ) {
        let pairs: Vec<LinkedPair> = raw
            .iter()
            .map(|&(left, right, score, exact)| LinkedPair { left, right, score: f64::from(score) / 10.0, exact })
            .collect();
        let truth: Truth = truth.into_iter().collect();
        let thresholds = [0.0, 0.35, 0.5, 0.9];
        for point in curve(&pairs, &truth, &thresholds) {
            let accepted: Vec<LinkedPair> = pairs.iter().filter(|p| p.accepted(point.threshold)).copied().collect();
            prop_assert_eq!(point.assigned, pair_quality(one_to_one(&accepted), &truth));
            prop_assert_eq!(point.raw, pair_quality(accepted, &truth));
        }
    }

    #[test]
    fn assignment_links_no_row_twice_and_leaves_no_free_pair(
        raw in prop::collection::vec((0u32..8, 0u32..8, 0u8..10), 0..40),
    ) {
        let pairs: Vec<LinkedPair> = raw.iter().map(|&(l, r, s)| pair(l, r, f64::from(s) / 10.0)).collect();
        let kept = one_to_one(&pairs);
        for p in &pairs {
            prop_assert!(kept.iter().any(|k| k.left == p.left || k.right == p.right));
        }
        for (i, a) in kept.iter().enumerate() {
            for b in &kept[i + 1..] {
                prop_assert!(a.left != b.left && a.right != b.right);
            }
        }
    }
}

fn token(bits: u64, exact: Option<u8>) -> Token {
    Token {
        clk: Clk::from_bytes(&bits.to_le_bytes()).unwrap(),
        presence: 0,
        exact: vec![exact.map(|byte| [byte; 16])],
        blocking: Vec::new(),
    }
}

fn compared(left: &[Token], right: &[Token], threshold: &str, limit: usize) -> Option<Vec<LinkedPair>> {
    let comparison = Comparison::new(left, right).unwrap();
    comparison.pairs(Kernel::detect().unwrap(), threshold.parse::<DiceThreshold>().unwrap(), limit)
}

#[test]
fn a_row_with_an_exact_link_is_not_compared_by_similarity() {
    let left = [token(0b1111, Some(1)), token(0b1111, None)];
    let right = [token(0b0001, Some(1)), token(0b1111, None), token(0b0111, Some(2))];
    let third = crate::dice::score(3, 4, 3);
    // 0–0 by its exact token although 0–1 is identical; so 1 takes 1 and 2 by similarity, and never 0.
    let expected = [exact(0, 0, 0.4), pair(1, 1, 1.0), pair(1, 2, third)];
    assert_eq!(compared(&left, &right, "0.8", 10).unwrap(), expected);
}

#[test]
fn segmented_tokens_are_compared_over_the_segments_that_both_have() {
    let token = |parts: [u64; 2], presence, exact: Option<u8>| Token {
        clk: Clk::from_bytes(&parts.map(u64::to_le_bytes).concat()).unwrap(),
        presence,
        exact: vec![exact.map(|byte| [byte; 16])],
        blocking: Vec::new(),
    };
    let left = [token([0b1111, 0], 0b01, None), token([0b1111, 0], 0b01, Some(1))];
    let right = [token([0b0111, 0xFFFF], 0b11, None), token([0b0011, 0xFFFF], 0b11, Some(1))];
    let kernel = Kernel::detect().unwrap();
    let pairs = |segments| {
        let comparison = Comparison::segmented(&left, &right, segments).unwrap();
        comparison.pairs(kernel, "0.8".parse().unwrap(), 10).unwrap()
    };
    assert_eq!(pairs(2), [exact(1, 1, 2.0 / 3.0), pair(0, 0, 6.0 / 7.0)]);
    assert_eq!(pairs(1), [exact(1, 1, 4.0 / 22.0)]);
}

#[test]
fn too_many_pairs_and_no_rows_are_told_apart() {
    let rows = vec![token(0b11, None); 4];
    assert_eq!(compared(&rows, &rows, "0.5", 15), None);
    assert_eq!(compared(&rows, &rows, "0.5", 16).map(|pairs| pairs.len()), Some(16));
    assert_eq!(compared(&rows, &[], "0.5", 1), Some(vec![]));
    assert_eq!(compared(&[], &[], "0.5", 1), Some(vec![]));
}
