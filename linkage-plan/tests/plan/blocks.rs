//! The Dice join within blocks: equalities beside `dice()`, against brute force.

use arrow::util::display::array_value_to_string;
use linkage_core::dice::{segment_presence, segmented_similarity};
use linkage_plan::PlanError;
use proptest::prelude::*;

use crate::support::{Draws, LONG, PLENTY, Pairs, Row, naive, pairs, runtime, session, table};

const SELECT: &str = "SELECT l.row, r.row, dice(l.clk, r.clk) FROM ndb l";

/// Columns that two rows may agree in.
const COLUMNS: [&str; 3] = ["place", "exact_a", "exact_b"];

fn agree(a: &Row, b: &Row, column: &str) -> bool {
    let exact = |at: usize| a.exact[at].is_some() && a.exact[at] == b.exact[at];
    match column {
        "place" => a.place == b.place,
        "exact_a" => exact(0),
        _ => exact(1),
    }
}

fn join(columns: &[&str], threshold: &str) -> String {
    let equal: Vec<String> = columns.iter().map(|column| format!("l.{column} = r.{column}")).collect();
    format!("{SELECT} JOIN dpc r ON {} AND dice(l.clk, r.clk) >= {threshold}", equal.join(" AND "))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_dice_join_within_blocks_equals_brute_force_and_null_equals_nothing(
        seed in 1_u64..,
        (left, right) in (0_usize..400, 0_usize..600),
        (left_batch, right_batch) in (1_usize..300, 1_usize..300),
        partitions in 1_usize..5,
        columns in prop::sample::subsequence(COLUMNS.to_vec(), 1..=3),
        segments in prop::sample::select(vec![1_u32, 4]),
        threshold in prop::sample::select(vec!["0.5", "0.8", "1"]),
    ) {
        let mut draws = Draws(seed);
        let (mut left, mut right) = (draws.rows(left, 64), draws.rows(right, 64));
        if segments > 1 {
            for row in left.iter_mut().chain(&mut right).step_by(3) {
                row.clk.iter_mut().for_each(|clk| clk[16..32].fill(0));
            }
        }
        let of = |rows: &[Row], batch| table(rows, 64, batch).with_segments(segments).unwrap();
        let session = session(of(&left, left_batch), of(&right, right_batch), PLENTY, partitions);
        let tables = session.reserved_bytes();
        let query = join(&columns, threshold);
        let (found, plan) = runtime().block_on(async {
            (pairs(&session, &query).await, session.explain_sql(&query).await.unwrap())
        });
        prop_assert!(plan.contains("BlockedDiceJoinExec"), "{}", plan);
        let least: f64 = threshold.parse().unwrap();
        let mut expected = Pairs::new();
        for (l, a) in (0..).zip(&left) {
            for (r, b) in (0..).zip(&right) {
                let (Some(x), Some(y)) = (&a.clk, &b.clk) else { continue };
                let has = |clk: &[u8]| segment_presence(clk, segments as usize);
                let score = segmented_similarity((x, has(x)), (y, has(y)), segments as usize);
                if score >= least && columns.iter().all(|column| agree(a, b, column)) {
                    expected.insert((l, r, score.to_bits()));
                }
            }
        }
        prop_assert!(found == expected, "{} pairs instead of {}", found.len(), expected.len());
        prop_assert_eq!(session.reserved_bytes(), tables, "all but the tables must have been given back");
    }
}

/// Rows of few places, so that blocks are larger than what is searched at a time.
fn crowded(count: usize) -> Vec<Row> {
    let mut draws = Draws(61);
    (0..count).map(|at| Row { clk: Some(draws.clk(128)), place: i32::from(at % 4 == 0), ..Row::default() }).collect()
}

#[test]
fn large_blocks_are_compared_whole_and_counted() {
    let (left, right) = (crowded(3000), crowded(4000));
    let session = session(table(&left, 128, 800), table(&right, 128, 900), PLENTY, 2);
    let query = join(&["place"], "0.9");
    runtime().block_on(async {
        let expected = naive(&left, &right, |a, b, score| a.place == b.place && score >= 0.9);
        assert!(pairs(&session, &query).await == expected);
        let analysed = session.sql(&format!("EXPLAIN ANALYZE {query}")).await.unwrap();
        let plan = array_value_to_string(analysed[0].column(1), 0).unwrap();
        // 2250 · 3000 and 750 · 1000 pairs. The largest block is the largest one of all partitions, and not the sum of theirs.
        for part in ["pairs_compared=7.50 M", "blocks=2", "largest_block_rows=2.25 K", "left.place = right.place"] {
            assert!(plan.contains(part), "{part}: {plan}");
        }
    });
}

#[test]
fn a_left_side_that_does_not_fit_is_refused_with_what_it_needs() {
    let rows = crowded(20_000);
    let tables = table(&rows, 128, 4096).bytes() + table(&rows[..500], 128, 500).bytes();
    let session = session(table(&rows, 128, 4096), table(&rows[..500], 128, 500), tables + (2 << 20), 1);
    let refused = runtime().block_on(session.sql(&join(&["place"], "1"))).unwrap_err();
    let PlanError::Memory { rows, needed_bytes, .. } = refused else { panic!("{refused}") };
    assert!(rows == 20_000 && needed_bytes > 20_000 * 128, "{needed_bytes} bytes");
    assert_eq!(session.reserved_bytes(), tables);
}

#[test]
fn dropping_the_stream_of_one_huge_block_stops_it() {
    let mut draws = Draws(62);
    // One key for all: in 1.6·10¹¹ comparisons lies more time than is waited for.
    let clk = |draws: &mut Draws| (0..16).flat_map(|_| draws.below(1 << 53).to_le_bytes()).collect();
    let rows: Vec<Row> = (0..400_000).map(|_| Row { clk: Some(clk(&mut draws)), ..Row::default() }).collect();
    let session = session(table(&rows, 128, 8192), table(&rows, 128, 8192), PLENTY, 2);
    let tables = session.reserved_bytes();
    runtime().block_on(async {
        let query = join(&["place"], "0.8");
        // A query that is given up is dropped, and its streams with it.
        let given_up = tokio::time::timeout(std::time::Duration::from_secs(1), session.sql(&query)).await;
        assert!(given_up.is_err(), "it was done before it was dropped");
        let dropped = std::time::Instant::now();
        while session.reserved_bytes() > tables {
            assert!(dropped.elapsed() < LONG, "memory is held long after the query was dropped");
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    });
}
