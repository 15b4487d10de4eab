//! Segmented CLKs: scored over the segments that both rows have, in SQL, in every link, and against brute force.

use std::collections::{BTreeMap, BTreeSet};

use linkage_core::dice::{segment_presence, segmented_similarity};
use linkage_plan::{LinkOptions, LinkSession, PlanError, Strategy};
use proptest::prelude::*;

use crate::support::{Draws, PLENTY, Pairs, Row, drain, pairs, runtime, session, table};

const CLK_BYTES: usize = 64;
const SEGMENTS: u32 = 4;

/// Records of which some lack segments.
fn rows(draws: &mut Draws, count: usize) -> Vec<Row> {
    let mut rows = draws.rows(count, CLK_BYTES);
    for row in &mut rows {
        let pattern = if draws.below(2) == 0 { 0b1111 } else { [0b0111, 0b1011, 0b0101, 0][draws.below(4) as usize] };
        for (segment, bits) in row.clk.iter_mut().flat_map(|clk| clk.chunks_mut(CLK_BYTES / 4).enumerate()) {
            if pattern & 1 << segment == 0 {
                bits.fill(0);
            }
        }
    }
    rows
}

/// Masked, bit by bit in the oracle of linkage-core's own tests.
fn score(a: &Row, b: &Row) -> Option<f64> {
    let (a, b) = (a.clk.as_ref()?, b.clk.as_ref()?);
    let presence = |clk: &[u8]| segment_presence(clk, SEGMENTS as usize);
    Some(segmented_similarity((a, presence(a)), (b, presence(b)), SEGMENTS as usize))
}

fn naive(left: &[Row], right: &[Row], wanted: impl Fn(u32, u32, f64) -> bool) -> Pairs {
    let mut pairs = Pairs::new();
    for (l, a) in (0..).zip(left) {
        for (r, b) in (0..).zip(right) {
            pairs.extend(score(a, b).filter(|score| wanted(l, r, *score)).map(|score| (l, r, score.to_bits())));
        }
    }
    pairs
}

fn tables(left: &[Row], right: &[Row], batch: usize, partitions: usize) -> LinkSession {
    let table = |rows| table(rows, CLK_BYTES, batch).with_segments(SEGMENTS).unwrap();
    session(table(left), table(right), PLENTY, partitions)
}

fn options(threshold: &str, exact: &[&str]) -> LinkOptions {
    let exact_tokens = exact.iter().map(|name| (*name).to_owned()).collect();
    LinkOptions::new(threshold.parse().unwrap(), exact_tokens)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn segmented_clks_are_scored_over_the_segments_that_both_rows_have(
        seed in 1_u64..,
        (left, right) in (0_usize..300, 0_usize..500),
        batch in 1_usize..300,
        partitions in 1_usize..4,
        threshold in prop::sample::select(vec!["0.5", "0.8", "0.9", "1"]),
    ) {
        let mut draws = Draws(seed);
        let (left, right) = (rows(&mut draws, left), rows(&mut draws, right));
        let session = tables(&left, &right, batch, partitions);
        let held = session.reserved_bytes();
        let value: f64 = threshold.parse().unwrap();
        let select = "SELECT l.row, r.row, dice(l.clk, r.clk) FROM ndb l";
        let join = format!("{select} JOIN dpc r ON dice(l.clk, r.clk) >= {threshold}");
        let plain = format!("{select} CROSS JOIN dpc r WHERE dice(l.clk, r.clk) * 2 >= {threshold} * 2");
        let ordered = format!("{select} JOIN ndb r ON dice(l.clk, r.clk) >= {threshold} AND l.row > r.row");
        runtime().block_on(async {
            let plan = session.explain_sql(&join).await.unwrap();
            prop_assert!(plan.contains("dice(clk, clk) over 4 segments >= "), "{}", plan);
            let expected = naive(&left, &right, |_, _, score| score >= value);
            prop_assert_eq!(pairs(&session, &join).await, expected.clone());
            prop_assert!(session.explain_sql(&plain).await.unwrap().contains("no Dice join"));
            prop_assert_eq!(pairs(&session, &plain).await, expected);
            prop_assert!(session.explain_sql(&ordered).await.unwrap().contains("left.row > right.row"));
            prop_assert_eq!(pairs(&session, &ordered).await, naive(&left, &left, |l, r, score| score >= value && l > r));
            Ok(())
        })?;
        prop_assert_eq!(session.reserved_bytes(), held, "all but the tables must have been given back");
    }

    #[test]
    fn both_stages_of_a_link_score_them_so(
        seed in 1_u64..,
        (left, right) in (0_usize..120, 0_usize..150),
        partitions in 1_usize..4,
    ) {
        let mut draws = Draws(seed);
        let (left, right) = (rows(&mut draws, left), rows(&mut draws, right));
        let session = tables(&left, &right, 40, partitions);
        let found = runtime().block_on(async {
            drain(session.link("ndb", "dpc", &options("0.8", &["a"])).await.unwrap()).await.unwrap()
        });
        let agrees = |a: &Row, b: &Row| a.exact[0].is_some() && a.exact[0] == b.exact[0];
        let mut expected = BTreeMap::new();
        for (l, a) in (0..).zip(&left) {
            for (r, b) in (0..).zip(&right) {
                let score = score(a, b).unwrap_or(0.0);
                let rest = !right.iter().any(|b| agrees(a, b)) && !left.iter().any(|a| agrees(a, b));
                if agrees(a, b) || (rest && score >= 0.8) {
                    expected.insert((l, r), (score.to_bits(), agrees(a, b)));
                }
            }
        }
        let pairs: BTreeMap<_, _> = found.iter().map(|c| ((c.left, c.right), (c.score.to_bits(), c.exact))).collect();
        prop_assert_eq!(pairs.len(), found.len(), "a pair came twice");
        prop_assert_eq!(pairs, expected);
    }
}

#[test]
fn more_rows_than_a_block_holds_are_all_compared() {
    let mut draws = Draws(51);
    // Two blocks and a part of a third, of which a few rows have a partner.
    let left: Vec<Row> = (0..150_000)
        .map(|at| {
            let mut clk = vec![0; CLK_BYTES];
            for bits in clk.chunks_mut(CLK_BYTES / 4).skip(usize::from(at % 3 == 0)) {
                bits.fill_with(|| draws.below(256) as u8);
            }
            Row { clk: Some(clk), ..Row::default() }
        })
        .collect();
    let chosen = [0, 1, 65_535, 65_536, 99_999, 131_071, 131_072, 149_999];
    let right: Vec<Row> = chosen.iter().map(|at| left[*at].clone()).collect();
    let session = tables(&left, &right, 8192, 2);
    let query = "SELECT l.row, r.row, dice(l.clk, r.clk) FROM ndb l JOIN dpc r ON dice(l.clk, r.clk) >= 1";
    let found = runtime().block_on(pairs(&session, query));
    let expected: Pairs = (0..).zip(chosen).map(|(right, left)| (left as u32, right, 1.0_f64.to_bits())).collect();
    assert_eq!(found, expected);
}

#[test]
fn bands_are_refused_over_segments_and_the_planner_compares_all_pairs() {
    let mut draws = Draws(44);
    let (left, right) = (rows(&mut draws, 40), rows(&mut draws, 50));
    let session = tables(&left, &right, 9, 2);
    runtime().block_on(async {
        let lsh = Strategy::Lsh { recall: 0.9, seed: 1 };
        let refused = session.link_by("ndb", "dpc", &options("0.8", &[]), lsh).await.unwrap_err();
        assert!(matches!(refused, PlanError::Link { .. }), "{refused}");
        assert!(refused.to_string().contains("these have 4 segments\nhint: "), "{refused}");

        let auto = Strategy::Auto { recall: 0.9, seed: 1 };
        let text = session.explain_by("ndb", "dpc", &options("0.8", &[]), auto.clone(), false).await.unwrap();
        assert!(text.contains("exhaustive, because bands do not go with CLKs of 4 segments"), "{text}");
        let found = drain(session.link_by("ndb", "dpc", &options("0.8", &[]), auto).await.unwrap()).await.unwrap();
        let found: BTreeSet<_> = found.iter().map(|c| (c.left, c.right, c.score.to_bits())).collect();
        assert_eq!(found, naive(&left, &right, |_, _, score| score >= 0.8));
    });
}

#[test]
fn segments_that_do_not_divide_a_clk_or_differ_are_refused() {
    let rows = rows(&mut Draws(45), 5);
    for segments in [0, 3, 16] {
        let refused = table(&rows, CLK_BYTES, 9).with_segments(segments).unwrap_err();
        assert!(matches!(refused, PlanError::Table { .. }), "{refused}");
    }
    let two = table(&rows, CLK_BYTES, 9).with_segments(4).unwrap().with_segments(2).unwrap();
    assert_eq!(two.segments(), 2);
    let session = session(table(&rows, CLK_BYTES, 9).with_segments(4).unwrap(), two, PLENTY, 1);
    let refused = runtime().block_on(session.link("ndb", "dpc", &options("0.8", &[]))).unwrap_err();
    assert!(refused.to_string().contains("differ in the number of segments"), "{refused}");
}
