//! The best pairs of each record, and the exact pairs that are not the best: against brute force.

use std::collections::{BTreeMap, BTreeSet};

use linkage_core::dice::similarity;
use linkage_plan::{Candidate, LinkOptions, LinkSession, Strategy};
use proptest::prelude::*;

use crate::support::{Draws, PLENTY, Pairs, Row, drain, naive, pairs, runtime, session, table};

/// Of each group the first `k` pairs, by falling score and then by the rows.
pub fn best(pairs: &Pairs, k: usize, group: impl Fn(&(u32, u32, u64)) -> u32) -> Pairs {
    let mut groups: BTreeMap<u32, Vec<(u32, u32, u64)>> = BTreeMap::new();
    for pair in pairs {
        groups.entry(group(pair)).or_default().push(*pair);
    }
    for found in groups.values_mut() {
        // Scores are above 0, so that their bits are in their order.
        found.sort_by_key(|(left, right, score)| (std::cmp::Reverse(*score), *left, *right));
        found.truncate(k);
    }
    groups.into_values().flatten().collect()
}

fn tables(left: &[Row], right: &[Row], batch: usize, partitions: usize) -> LinkSession {
    session(table(left, 32, batch), table(right, 32, batch), PLENTY, partitions)
}

fn options(threshold: &str, exact: &[&str]) -> LinkOptions {
    LinkOptions::new(threshold.parse().unwrap(), exact.iter().map(|name| (*name).to_owned()).collect())
}

fn keys(candidates: &[Candidate]) -> Pairs {
    let pairs: Pairs = candidates.iter().map(|pair| (pair.left, pair.right, pair.score.to_bits())).collect();
    assert_eq!(pairs.len(), candidates.len(), "a pair came twice");
    pairs
}

const NUMBERED: &str = "SELECT l.row, r.row, dice(l.clk, r.clk) FROM ndb l JOIN dpc r ON dice(l.clk, r.clk) >= 0.6";

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_best_pairs_of_each_row_are_found_whatever_ties_there_are(
        seed in 1_u64..,
        (left, right) in (0_usize..150, 0_usize..200),
        batch in 1_usize..120,
        partitions in 1_usize..4,
        k in 1_usize..4,
    ) {
        let mut draws = Draws(seed);
        let (left, right) = (draws.rows(left, 32), draws.rows(right, 32));
        let session = tables(&left, &right, batch, partitions);
        let tables = session.reserved_bytes();
        let all = naive(&left, &right, |_, _, score| score >= 0.6);
        let place = |pair: &(u32, u32, u64)| left[pair.0 as usize].place as u32;
        let order = "ORDER BY dice(l.clk, r.clk) DESC, l.row, r.row";
        let nested = format!(
            "SELECT a, b, s FROM (SELECT *, row_number() OVER (PARTITION BY a ORDER BY s DESC, b) AS n FROM
             (SELECT l.row a, r.row b, dice(l.clk, r.clk) s FROM ndb l JOIN dpc r ON dice(l.clk, r.clk) >= 0.6)) WHERE n < {}", k + 1
        );
        let qualify = |side: &str| format!("{NUMBERED} QUALIFY row_number() OVER (PARTITION BY {side} {order}) <= {k}");
        let cases = [
            (qualify("l.row"), best(&all, k, |pair| pair.0)),
            (qualify("r.row"), best(&all, k, |pair| pair.1)),
            (qualify("l.place"), best(&all, k, place)),
            (nested, best(&all, k, |pair| pair.0)),
        ];
        runtime().block_on(async {
            for (query, expected) in cases {
                let plan = session.explain_sql(&query).await.unwrap();
                prop_assert!(plan.contains(&format!("best {k} of each right row")), "{}\n{}", query, plan);
                prop_assert!(pairs(&session, &query).await == expected, "{}", query);
            }
            // A window that the join may not know of, because a condition stands between them.
            let between = format!("{NUMBERED} AND l.place < r.place QUALIFY row_number() OVER (PARTITION BY l.row {order}) <= {k}");
            let expected = naive(&left, &right, |a, b, score| score >= 0.6 && a.place < b.place);
            prop_assert!(!session.explain_sql(&between).await.unwrap().contains(" of each right row"));
            prop_assert_eq!(pairs(&session, &between).await, best(&expected, k, |pair| pair.0));
            Ok(())
        })?;
        prop_assert_eq!(session.reserved_bytes(), tables, "all but the tables must have been given back");
    }

    #[test]
    fn a_link_hands_on_the_best_pairs_of_each_left_record_and_every_exact_pair(
        seed in 1_u64..,
        (left, right) in (0_usize..120, 0_usize..120),
        partitions in 1_usize..4,
        k in 1_u32..4,
    ) {
        let mut draws = Draws(seed);
        let (left, right) = (draws.rows(left, 32), draws.rows(right, 32));
        let session = tables(&left, &right, 50, partitions);
        let all = options("0.6", &["a"]);
        let (all, found, plan) = runtime().block_on(async {
            let few = LinkOptions { top_k: Some(k), ..all.clone() };
            let plan = session.explain("ndb", "dpc", &few, false).await.unwrap();
            let found = drain(session.link("ndb", "dpc", &few).await.unwrap()).await.unwrap();
            (drain(session.link("ndb", "dpc", &all).await.unwrap()).await.unwrap(), found, plan)
        });
        prop_assert!(plan.contains(&format!("best {k} of each right row")), "{}", plan);
        let part = |all: &[Candidate], exact| all.iter().copied().filter(|pair| pair.exact == exact).collect::<Vec<_>>();
        prop_assert_eq!(keys(&part(&found, true)), keys(&part(&all, true)));
        prop_assert_eq!(keys(&part(&found, false)), best(&keys(&part(&all, false)), k as usize, |pair| pair.0));
    }

    #[test]
    fn exact_pairs_of_a_record_that_is_more_like_another_are_counted(
        seed in 1_u64..,
        (left, right) in (0_usize..80, 0_usize..100),
        partitions in 1_usize..4,
        exact in prop::sample::select(vec![vec![0], vec![1], vec![0, 1]]),
        keyless in any::<bool>(),
    ) {
        let mut draws = Draws(seed);
        let (left, right) = (draws.rows(left, 32), draws.rows(right, 32));
        let session = tables(&left, &right, 30, partitions);
        let names: Vec<&str> = exact.iter().map(|at| ["a", "b"][*at]).collect();
        let plain = options("0.7", &names);
        let counting = LinkOptions { rivals: true, ..plain.clone() };
        let (expected, found, report) = runtime().block_on(async {
            let stream = match keyless {
                true => session.link("ndb", "dpc", &counting).await.unwrap(),
                false => session.link_by("ndb", "dpc", &counting, Strategy::Exhaustive).await.unwrap(),
            };
            let progress = stream.progress();
            let found = drain(stream).await.unwrap();
            (drain(session.link("ndb", "dpc", &plain).await.unwrap()).await.unwrap(), found, progress.report())
        });
        prop_assert_eq!(keys(&found), keys(&expected), "counting changes no pair");
        let agree = |a: &Row, b: &Row| exact.iter().any(|at| a.exact[*at].is_some() && a.exact[*at] == b.exact[*at]);
        let score = |a: &Row, b: &Row| match (&a.clk, &b.clk) {
            (Some(a), Some(b)) => similarity(a, b),
            _ => 0.0,
        };
        let mut conflicts = 0;
        for a in &left {
            for b in right.iter().filter(|b| agree(a, b)) {
                let beats = |a: &Row, other: &Row, own: f64| !agree(a, other) && score(a, other) >= 0.7 && score(a, other) > own;
                let own = score(a, b);
                let beaten = right.iter().any(|other| beats(a, other, own)) || left.iter().any(|other| beats(other, b, own));
                conflicts += u64::from(beaten);
            }
        }
        prop_assert_eq!(report.exact_with_rival, Some(conflicts));
        prop_assert_eq!(report.dice_pairs, found.iter().filter(|pair| !pair.exact).count() as u64);
        // Of the two tables every pair once.
        prop_assert_eq!(report.compared, (left.len() * right.len()) as u64);
    }
}

#[test]
fn the_best_of_bands_and_of_many_equal_pairs_are_chosen_by_the_lower_row() {
    // Ten records that are all the same, on both sides.
    let clk: Vec<u8> = (0..32_u8).map(|at| at.wrapping_mul(37)).collect();
    let rows = vec![Row { clk: Some(clk), ..Row::default() }; 10];
    let session = tables(&rows, &rows, 3, 2);
    let options = LinkOptions { top_k: Some(2), ..options("0.9", &[]) };
    runtime().block_on(async {
        for strategy in [Strategy::Exhaustive, Strategy::Lsh { recall: 0.9, seed: 1 }] {
            let stream = session.link_by("ndb", "dpc", &options, strategy.clone()).await.unwrap();
            let found: BTreeSet<_> = drain(stream).await.unwrap().iter().map(|pair| (pair.left, pair.right)).collect();
            let expected: BTreeSet<_> = (0..10).flat_map(|left| [(left, 0), (left, 1)]).collect();
            assert_eq!(found, expected, "{strategy:?}");
        }
    });
}

#[test]
fn explain_says_what_conflicts_were_counted() {
    let mut draws = Draws(71);
    let (left, right) = (draws.rows(80, 32), draws.rows(90, 32));
    let session = tables(&left, &right, 30, 2);
    let counting = LinkOptions { rivals: true, ..options("0.7", &["a"]) };
    runtime().block_on(async {
        let before = session.explain("ndb", "dpc", &counting, false).await.unwrap();
        assert!(before.contains("; matched records are compared with all others, to count conflicts\n"), "{before}");
        assert_eq!(before.matches("DiceJoinExec").count(), 3, "{before}");
        let after = session.explain("ndb", "dpc", &counting, true).await.unwrap();
        assert!(after.lines().nth(1).unwrap().ends_with(" of a record that is more like another one"), "{after}");
        let silent = session.explain("ndb", "dpc", &options("0.7", &["a"]), true).await.unwrap();
        assert!(!silent.contains("more like another"), "{silent}");
    });
}
