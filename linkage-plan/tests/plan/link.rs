//! The two-stage link against a naive reference.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use linkage_core::dice::{DiceThreshold, similarity};
use linkage_plan::{Candidate, LinkOptions, PlanError};
use proptest::prelude::*;

use crate::support::{Draws, LONG, PLENTY, Row, drain, runtime, session, table};

fn options(threshold: &str, exact: &[&str]) -> LinkOptions {
    LinkOptions::new(threshold.parse().unwrap(), exact.iter().map(|name| (*name).to_owned()).collect())
}

/// Pair → (score, exact).
type Found = BTreeMap<(u32, u32), (u64, bool)>;

fn found(candidates: Vec<Candidate>) -> Found {
    let mut found = Found::new();
    for Candidate { left, right, score, exact } in candidates {
        assert!(found.insert((left, right), (score.to_bits(), exact)).is_none(), "a pair came twice");
    }
    found
}

fn reference(left: &[Row], right: &[Row], threshold: DiceThreshold, exact: &[usize]) -> Found {
    let agrees = |a: &Row, b: &Row| exact.iter().any(|at| a.exact[*at].is_some() && a.exact[*at] == b.exact[*at]);
    let score = |a: &Row, b: &Row| match (&a.clk, &b.clk) {
        (Some(a), Some(b)) => similarity(a, b),
        _ => 0.0,
    };
    let mut found = Found::new();
    for (l, a) in left.iter().enumerate() {
        for (r, b) in right.iter().enumerate() {
            let pair = (l as u32, r as u32);
            if agrees(a, b) {
                found.insert(pair, (score(a, b).to_bits(), true));
            } else if score(a, b) >= threshold.as_f64()
                && !right.iter().any(|other| agrees(a, other))
                && !left.iter().any(|other| agrees(other, b))
            {
                found.insert(pair, (score(a, b).to_bits(), false));
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn linking_in_two_stages_equals_the_naive_reference(
        seed in 1_u64..,
        (left, right) in (0_usize..90, 0_usize..120),
        (left_batch, right_batch) in (1_usize..60, 1_usize..60),
        partitions in 1_usize..4,
        threshold in prop::sample::select(vec!["0.6", "0.8", "0.9"]),
        exact in prop::sample::select(vec![vec![], vec![0], vec![1], vec![0, 1]]),
    ) {
        let mut draws = Draws(seed);
        let (left, right) = (draws.rows(left, 64), draws.rows(right, 64));
        let names: Vec<&str> = exact.iter().map(|at| ["a", "b"][*at]).collect();
        let options = options(threshold, &names);
        let session = session(table(&left, 64, left_batch), table(&right, 64, right_batch), PLENTY, partitions);
        let (candidates, report) = runtime().block_on(async {
            let stream = session.link("ndb", "dpc", &options).await.unwrap();
            let progress = stream.progress();
            (drain(stream).await.unwrap(), progress.report())
        });
        let exact_pairs = candidates.iter().filter(|candidate| candidate.exact).count() as u64;
        prop_assert_eq!(report.exact_pairs, exact_pairs);
        prop_assert_eq!(report.dice_pairs, candidates.len() as u64 - exact_pairs);
        prop_assert!(report.compared <= (left.len() * right.len()) as u64);
        prop_assert_eq!(found(candidates), reference(&left, &right, options.threshold, &exact));
    }
}

#[test]
fn a_record_matched_exactly_is_not_compared_again() {
    let mut draws = Draws(3);
    let mut rows = draws.rows(100, 128);
    for (at, row) in rows.iter_mut().enumerate() {
        row.exact = [(at < 40).then_some(at as u8), None];
    }
    let session = session(table(&rows, 128, 30), table(&rows, 128, 30), PLENTY, 2);
    let report = runtime().block_on(async {
        let stream = session.link("ndb", "dpc", &options("0.9", &["a"])).await.unwrap();
        let progress = stream.progress();
        drain(stream).await.unwrap();
        progress.report()
    });
    assert_eq!((report.exact_pairs, report.compared), (40, 60 * 60));
}

#[test]
fn what_cannot_be_linked_is_said_with_a_hint() {
    let mut draws = Draws(4);
    let session = session(table(&draws.rows(5, 64), 64, 9), table(&draws.rows(5, 128), 128, 9), PLENTY, 1);
    session.register("kaigo", table(&draws.rows(5, 64), 64, 9)).unwrap();
    runtime().block_on(async {
        for (left, right, exact, problem) in [
            ("ndb", "jisedai", &[][..], "there is no table `jisedai`"),
            ("ndb", "ndb", &[], "they are one table"),
            ("ndb", "dpc", &[], "their CLKs differ in length"),
            ("ndb", "kaigo", &["a", "insurer"], "`exact_insurer`"),
        ] {
            let error = session.link(left, right, &options("0.8", exact)).await.unwrap_err();
            assert!(matches!(&error, PlanError::Link { .. }), "{error:?}");
            assert!(error.to_string().contains(problem) && error.to_string().contains("\nhint: "), "{error}");
        }
    });
}

#[test]
fn dropping_the_stream_cancels_and_gives_all_memory_back() {
    let mut draws = Draws(8);
    // Distinct random CLKs: minutes of work at any rate, and one pair early on to wait for.
    let rows: Vec<Row> = (0..60_000)
        .map(|_| Row { clk: Some((0..128).map(|_| draws.below(256) as u8).collect()), ..Row::default() })
        .collect();
    let session = session(table(&rows, 128, 8192), table(&rows, 128, 8192), PLENTY, 2);
    let tables = session.reserved_bytes();
    runtime().block_on(async {
        let mut stream = session.link("ndb", "dpc", &options("0.8", &[])).await.unwrap();
        let progress = stream.progress();
        assert!(!stream.next().await.unwrap().unwrap().is_empty());
        assert!(session.reserved_bytes() > tables);
        drop(stream);
        let dropped = Instant::now();
        while session.reserved_bytes() > tables {
            assert!(dropped.elapsed() < LONG, "memory is held long after the stream was dropped");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let compared = progress.report().compared;
        assert!(compared < 60_000 * 60_000, "it was done before it was cancelled");
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(progress.report().compared, compared, "it went on comparing");
    });
}

#[test]
fn an_empty_table_links_to_nothing() {
    let mut draws = Draws(2);
    let session = session(table(&[], 64, 9), table(&draws.rows(20, 64), 64, 9), PLENTY, 2);
    runtime().block_on(async {
        for (left, right) in [("ndb", "dpc"), ("dpc", "ndb")] {
            let stream = session.link(left, right, &options("0.8", &["a", "b"])).await.unwrap();
            assert_eq!(drain(stream).await.unwrap(), []);
        }
    });
}
