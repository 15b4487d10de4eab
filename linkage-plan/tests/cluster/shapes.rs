//! Queries that rank, count, limit or nest Dice joins, over whole and segmented CLKs and over nothing: on workers and here.

use std::sync::Arc;

use linkage_plan::TokenTable;
use linkage_plan::cluster::{Cluster, ClusterOptions, ClusterSession};
use object_store::ObjectStore;
use object_store::memory::InMemory;

use crate::support::{Draws, PLENTY, Row, runtime, session, table, texts};
use crate::{Plain, small_units, urls, worker};

const JOIN: &str = "FROM ndb l JOIN dpc r ON dice(l.clk, r.clk) >= 0.8";

/// Rows of which some lack a segment of four.
fn rows(seed: u64, count: usize) -> Vec<Row> {
    let mut rows = Draws(seed).rows(count, 64);
    for (at, row) in rows.iter_mut().enumerate() {
        row.clk.iter_mut().filter(|_| at % 3 == 0).for_each(|clk| clk[16 * (at % 4)..][..16].fill(0));
    }
    rows
}

/// Runs the queries here and on two workers, by units of some rows and of all, and compares the rows.
fn compare(left: &[Row], right: &[Row], segments: u32, queries: &[String], shows: impl Fn(&[String]) -> bool) {
    let of = |rows: &[Row]| -> TokenTable { table(rows, 64, 200).with_segments(segments).unwrap() };
    runtime().block_on(async {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let (one, two) = (worker(&objects, None), worker(&objects, None));
        for unit_rows in [150, 100_000] {
            let options = ClusterOptions { unit_rows, ..small_units() };
            let cluster = Cluster::new(&urls(&[one.0, two.0]), Plain, Arc::clone(&objects), options).unwrap();
            let here = session(of(left), of(right), PLENTY, 2);
            let there = ClusterSession::new(&cluster, &here).await.unwrap();
            there.register("ndb", &of(left)).await.unwrap();
            there.register("dpc", &of(right)).await.unwrap();
            for query in queries {
                let mut expected = texts(&here.sql(query).await.unwrap());
                let found = there.sql(query).await.unwrap_or_else(|error| panic!("{query}: {error}"));
                let mut found = texts(&found);
                expected.sort();
                found.sort();
                assert!(found == expected, "{query}, {segments} segments: {} of {} rows", found.len(), expected.len());
                assert!(shows(&expected), "{query} gives {expected:?}");
            }
        }
    });
}

fn ranked(side: &str, rank: &str, most: u32) -> String {
    let order = "dice(l.clk, r.clk) DESC";
    let order = if rank == "rank" { order.to_owned() } else { format!("{order}, l.row, r.row") };
    format!(
        "SELECT l.row, r.row, dice(l.clk, r.clk) {JOIN} QUALIFY {rank}() OVER (PARTITION BY {side} ORDER BY {order}) <= {most}"
    )
}

/// Queries of which each gives rows.
fn shapes() -> Vec<String> {
    let own = "FROM ndb l JOIN ndb r ON dice(l.clk, r.clk) >= 0.85 AND l.row";
    vec![
        ranked("l.row", "row_number", 2),
        ranked("r.row", "row_number", 1),
        ranked("l.place", "row_number", 3),
        ranked("l.row", "rank", 1),
        format!("SELECT count(*), count(DISTINCT l.row), min(dice(l.clk, r.clk)), max(dice(l.clk, r.clk)) {JOIN}"),
        format!("SELECT l.place, r.place, count(*) {JOIN} GROUP BY l.place, r.place HAVING count(*) > 3"),
        format!("SELECT l.row, count(*) {JOIN} AND l.place = r.place GROUP BY l.row"),
        format!("SELECT l.row, r.row, dice(l.clk, r.clk) AS s {JOIN} ORDER BY s DESC, l.row, r.row LIMIT 7"),
        format!("SELECT count(*) FROM (SELECT l.row {JOIN} LIMIT 7)"),
        format!("SELECT a, b FROM (SELECT l.row a, r.row b, dice(l.clk, r.clk) s {JOIN}) WHERE s < 0.95 AND a + b > 40"),
        format!("SELECT l.clk, r.place + 1 {JOIN} WHERE l.row < 60 AND r.exact_a IS NOT NULL"),
        format!("SELECT DISTINCT l.place {JOIN}"),
        format!("SELECT l.row, r.row, dice(l.clk, r.clk) {own} < r.row"),
        format!("SELECT l.row, r.row, dice(l.clk, r.clk) {own} > r.row"),
        format!("SELECT l.row, r.row, dice(l.clk, r.clk) {own} <> r.row"),
        format!("SELECT count(*) {own} < r.row"),
        // The rows of one Dice join in another.
        format!(
            "SELECT a.row, c.row, dice(a.clk, c.clk) FROM ndb a JOIN (SELECT r.row, r.clk {JOIN} AND l.row < 30 GROUP BY r.row, r.clk) c
             ON dice(a.clk, c.clk) >= 0.9"
        ),
        format!("SELECT l.row, r.row, 1 {JOIN} UNION ALL SELECT l.row, r.row, 2 {own} < r.row"),
    ]
}

#[test]
fn queries_above_and_below_a_dice_join_find_on_workers_what_they_find_here() {
    for segments in [1, 4] {
        compare(&rows(41, 260), &rows(43, 500), segments, &shapes(), |rows| !rows.is_empty());
    }
}

#[test]
fn an_empty_table_gives_on_workers_what_it_gives_here() {
    let some = rows(41, 200);
    for (left, right) in [(&some[..], &[][..]), (&[], &some), (&[], &[])] {
        let pairs: Vec<String> = shapes().into_iter().filter(|query| !query.contains("ndb r")).collect();
        // Counts of nothing are a row.
        compare(left, right, 1, &pairs, |rows| rows.is_empty() || rows.len() == 1 && rows[0].starts_with('0'));
    }
}
