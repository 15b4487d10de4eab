//! What a person reads in EXPLAIN. The kernel's name depends on the CPU and is masked.

use expect_test::{Expect, expect};
use linkage_core::dice::Kernel;
use linkage_plan::{LinkOptions, LinkSession};

use crate::support::{Draws, PLENTY, runtime, session, table};

fn tables() -> LinkSession {
    let mut draws = Draws(31);
    let (left, right) = (draws.rows(1000, 128), draws.rows(2000, 128));
    session(table(&left, 128, 500), table(&right, 128, 500), PLENTY, 2)
}

fn masked(text: &str) -> String {
    let kernel = Kernel::detect().unwrap().name();
    text.replace(&format!("kernel={kernel}"), "kernel=…").replace(&format!("kernel {kernel}"), "kernel …")
}

fn check(query: &str, expected: Expect) {
    let plan = runtime().block_on(tables().explain_sql(query)).unwrap();
    expected.assert_eq(&masked(&plan));
}

#[test]
fn a_join_on_dice_is_a_dice_join_that_reads_no_more_than_it_needs() {
    check("SELECT l.row, r.row, dice(l.clk, r.clk) FROM ndb l JOIN dpc r ON dice(l.clk, r.clk) >= 0.85", expect![[""]]);
}

#[test]
fn other_conditions_are_a_filter_above() {
    check(
        "SELECT l.row, r.row FROM ndb l JOIN dpc r ON dice(l.clk, r.clk) > 0.85 AND l.place < r.place",
        expect![[""]],
    );
}

#[test]
fn an_equality_beside_it_is_datafusions_own_join() {
    check(
        "SELECT l.row, r.row FROM ndb l JOIN dpc r ON dice(l.clk, r.clk) >= 0.85 AND l.exact_a = r.exact_a",
        expect![[""]],
    );
}

#[test]
fn a_link_shows_both_stages() {
    let options = LinkOptions { threshold: "0.85".parse().unwrap(), exact_tokens: vec!["a".into(), "b".into()] };
    let text = runtime().block_on(tables().explain("ndb", "dpc", &options, false)).unwrap();
    expect![[""]].assert_eq(&masked(&text));
}

#[test]
fn a_link_that_was_run_shows_the_counts_of_both_stages_and_no_token() {
    let options = LinkOptions { threshold: "0.85".parse().unwrap(), exact_tokens: vec!["a".into()] };
    let text = runtime().block_on(tables().explain("ndb", "dpc", &options, true)).unwrap();
    let head: Vec<&str> = text.lines().take(3).collect();
    expect![[""]].assert_eq(&masked(&head.join("\n")));
    let line = text.lines().find(|line| line.contains("DiceJoinExec")).unwrap();
    for metric in [
        "output_rows=",
        "elapsed_compute=",
        "build_rows=",
        "build_bytes=",
        "build_time=",
        "probe_rows=",
        "pairs_compared=",
        "pairs_kept=",
        "early_aborts=",
    ] {
        assert!(line.contains(metric), "{metric}: {line}");
    }
    assert!(!text.contains("DynamicFilter"), "a dynamic filter would print exact tokens: {text}");
}

#[test]
fn sql_explain_analyze_shows_the_metrics() {
    let query = "EXPLAIN ANALYZE SELECT l.row FROM ndb l JOIN dpc r ON dice(l.clk, r.clk) >= 0.85";
    let batches = runtime().block_on(tables().sql(query)).unwrap();
    let text = arrow::util::display::array_value_to_string(batches[0].column(1), 0).unwrap();
    assert!(text.contains("DiceJoinExec") && text.contains("pairs_compared=2.00 M"), "{text}");
}
