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

/// Also masks how many pairs were given up early: it depends on how long the steps took.
fn masked(text: &str) -> String {
    let text = match (text.find(" compared, "), text.find(" given up early")) {
        (Some(from), Some(to)) => format!("{} compared, …{}", &text[..from], &text[to..]),
        _ => text.to_owned(),
    };
    let kernel = Kernel::detect().unwrap().name();
    text.replace(&format!("kernel={kernel}"), "kernel=…").replace(&format!("kernel {kernel}"), "kernel …")
}

fn check(query: &str, expected: Expect) {
    let plan = runtime().block_on(tables().explain_sql(query)).unwrap();
    expected.assert_eq(&masked(&plan));
}

#[test]
fn a_join_on_dice_is_a_dice_join_that_reads_no_more_than_it_needs() {
    check(
        "SELECT l.row, r.row, dice(l.clk, r.clk) FROM ndb l JOIN dpc r ON dice(l.clk, r.clk) >= 0.85",
        expect![[r#"
        DiceJoinExec: dice(clk, clk) >= 0.85, kernel=…, output=[row, row, dice(l.clk,r.clk)]
          CoalescePartitionsExec
            DataSourceExec: partitions=2, partition_sizes=[2, 2]
          DataSourceExec: partitions=2, partition_sizes=[4, 4]
    "#]],
    );
}

#[test]
fn other_conditions_are_a_filter_above() {
    check(
        "SELECT l.row, r.row FROM ndb l JOIN dpc r ON dice(l.clk, r.clk) > 0.85 AND l.place < r.place",
        expect![[r#"
            FilterExec: place@2 > place@0 AND __dice_score@4 > 0.85, projection=[row@1, row@3]
              DiceJoinExec: dice(clk, clk) >= 0.85, kernel=…, output=[place, row, place, row, __dice_score]
                CoalescePartitionsExec
                  DataSourceExec: partitions=2, partition_sizes=[2, 2]
                DataSourceExec: partitions=2, partition_sizes=[4, 4]
        "#]],
    );
}

#[test]
fn an_equality_beside_it_is_a_dice_join_within_blocks() {
    check(
        "SELECT l.row, r.row FROM ndb l JOIN dpc r ON dice(l.clk, r.clk) >= 0.85 AND l.exact_a = r.exact_a",
        expect![[r#"
            BlockedDiceJoinExec: dice(clk, clk) >= 0.85, left.exact_a = right.exact_a, kernel=…, output=[row, row]
              RepartitionExec: partitioning=Hash([exact_a@1], 2), input_partitions=2
                DataSourceExec: partitions=2, partition_sizes=[2, 2]
              RepartitionExec: partitioning=Hash([exact_a@1], 2), input_partitions=2
                DataSourceExec: partitions=2, partition_sizes=[4, 4]
        "#]],
    );
}

#[test]
fn a_link_shows_both_stages() {
    let options = LinkOptions::new("0.85".parse().unwrap(), vec!["a".into(), "b".into()]);
    let text = runtime().block_on(tables().explain("ndb", "dpc", &options, false)).unwrap();
    expect![[r#"
        Link ndb with dpc: dice(clk, clk) >= 0.85, kernel …
        Exact stage: hash join on exact_a, exact_b
        Dice stage: all pairs of the rows that the exact stage did not match
        UnionExec
          ProjectionExec: expr=[left_row@0 as left_row, right_row@1 as right_row, score@2 as score, true as exact]
            AggregateExec: mode=FinalPartitioned, gby=[left_row@0 as left_row, right_row@1 as right_row, score@2 as score], aggr=[]
              RepartitionExec: partitioning=Hash([left_row@0, right_row@1, score@2], 2), input_partitions=4
                AggregateExec: mode=Partial, gby=[left_row@0 as left_row, right_row@1 as right_row, score@2 as score], aggr=[]
                  UnionExec
                    ProjectionExec: expr=[row@0 as left_row, row@1 as right_row, dice(clk@2, clk@3) as score]
                      HashJoinExec: mode=CollectLeft, join_type=Inner, on=[(exact_a@1, exact_a@1)], projection=[row@2, row@5, clk@0, clk@3]
                        CoalescePartitionsExec
                          DataSourceExec: partitions=2, partition_sizes=[2, 2]
                        DataSourceExec: partitions=2, partition_sizes=[4, 4]
                    ProjectionExec: expr=[row@0 as left_row, row@1 as right_row, dice(clk@2, clk@3) as score]
                      HashJoinExec: mode=CollectLeft, join_type=Inner, on=[(exact_b@1, exact_b@1)], projection=[row@2, row@5, clk@0, clk@3]
                        CoalescePartitionsExec
                          DataSourceExec: partitions=2, partition_sizes=[2, 2]
                        DataSourceExec: partitions=2, partition_sizes=[4, 4]
          ProjectionExec: expr=[row@0 as left_row, row@1 as right_row, __dice_score@2 as score, false as exact]
            DiceJoinExec: dice(clk, clk) >= 0.85, kernel=…, output=[row, row, __dice_score]
              CoalescePartitionsExec
                HashJoinExec: mode=CollectLeft, join_type=LeftAnti, on=[(exact_b@1, exact_b@0)], projection=[clk@0, row@2]
                  CoalescePartitionsExec
                    HashJoinExec: mode=CollectLeft, join_type=RightAnti, on=[(exact_a@0, exact_a@1)], projection=[clk@0, exact_b@2, row@3]
                      CoalescePartitionsExec
                        DataSourceExec: partitions=2, partition_sizes=[4, 4]
                      DataSourceExec: partitions=2, partition_sizes=[2, 2]
                  DataSourceExec: partitions=2, partition_sizes=[4, 4]
              HashJoinExec: mode=CollectLeft, join_type=RightAnti, on=[(exact_b@0, exact_b@1)], projection=[clk@0, row@2]
                CoalescePartitionsExec
                  DataSourceExec: partitions=2, partition_sizes=[2, 2]
                HashJoinExec: mode=CollectLeft, join_type=RightAnti, on=[(exact_a@0, exact_a@1)], projection=[clk@0, exact_b@2, row@3]
                  CoalescePartitionsExec
                    DataSourceExec: partitions=2, partition_sizes=[2, 2]
                  DataSourceExec: partitions=2, partition_sizes=[4, 4]
    "#]].assert_eq(&masked(&text));
}

#[test]
fn a_link_that_was_run_shows_the_counts_of_both_stages_and_no_token() {
    let options = LinkOptions::new("0.85".parse().unwrap(), vec!["a".into()]);
    let text = runtime().block_on(tables().explain("ndb", "dpc", &options, true)).unwrap();
    let head: Vec<&str> = text.lines().take(3).collect();
    expect![[r#"
        Link ndb with dpc: dice(clk, clk) >= 0.85, kernel …
        Exact stage: hash join on exact_a: 12115 pairs, 11972 of them below the threshold
        Dice stage: 6033 pairs of 518535 compared, … given up early"#]]
    .assert_eq(&masked(&head.join("\n")));
    let line = text.lines().find(|line| line.contains("DiceJoinExec")).unwrap();
    for metric in [
        "output_rows=",
        "elapsed_compute=",
        "build_batches=",
        "build_rows=",
        "build_bytes=",
        "build_time=",
        "probe_batches=",
        "probe_rows=",
        "probe_time=",
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
