//! Plans as bytes: what is read back finds the same pairs.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, FixedSizeBinaryBuilder, Float64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use linkage_plan::codec::PlanForm;
use linkage_plan::{LinkOptions, LinkSession, PlanError, Strategy, TokenTable};

use crate::support::{Draws, PLENTY, Pairs, Row, drain, pairs_of, runtime, session, table};

fn tables() -> LinkSession {
    let mut draws = Draws(17);
    let (left, right) = (draws.rows(90, 64), draws.rows(150, 64));
    session(table(&left, 64, 40), table(&right, 64, 40), PLENTY, 2)
}

const SELECT: &str = "SELECT l.row, r.row, dice(l.clk, r.clk) FROM ndb l";

/// Every shape of plan that this crate makes, the plain function and both stages of a link among them.
fn shapes() -> Vec<(&'static str, String)> {
    let shape = |name, tail: &str| (name, format!("{SELECT} {tail}"));
    vec![
        shape("Dice join", "JOIN dpc r ON dice(l.clk, r.clk) >= 0.85"),
        shape("strict, mirrored", "JOIN dpc r ON 0.85 < dice(r.clk, l.clk)"),
        shape("residual filter", "JOIN dpc r ON dice(l.clk, r.clk) >= 0.8 AND l.place + r.place > 4"),
        shape("equality", "JOIN dpc r ON dice(l.clk, r.clk) >= 0.8 AND l.place = r.place"),
        shape("declined", "JOIN dpc r ON dice(l.clk, r.clk) * 2 >= 1.7"),
        shape(
            "several keys",
            "JOIN dpc r ON dice(l.clk, r.clk) >= 0.6 AND l.place = r.place AND l.exact_a = r.exact_a",
        ),
        shape(
            "best pairs",
            "JOIN dpc r ON dice(l.clk, r.clk) >= 0.8
             QUALIFY row_number() OVER (PARTITION BY l.row ORDER BY dice(l.clk, r.clk) DESC, r.row) <= 2",
        ),
        shape("self-join", "JOIN ndb r ON dice(l.clk, r.clk) >= 0.9 AND l.row < r.row"),
        shape("limit above", "JOIN dpc r ON dice(l.clk, r.clk) >= 0.8 ORDER BY 1, 2 LIMIT 7"),
        ("exact stage", format!("{SELECT} JOIN dpc r ON l.exact_a = r.exact_a")),
        (
            "both stages",
            "SELECT l.row, r.row, dice(l.clk, r.clk) FROM ndb l JOIN dpc r ON l.exact_a = r.exact_a
                 UNION ALL
                 SELECT l.row, r.row, dice(l.clk, r.clk)
                 FROM (SELECT * FROM ndb x LEFT ANTI JOIN dpc y ON x.exact_a = y.exact_a) l
                 JOIN (SELECT * FROM dpc x LEFT ANTI JOIN ndb y ON x.exact_a = y.exact_a) r
                 ON dice(l.clk, r.clk) >= 0.8"
                .into(),
        ),
    ]
}

#[test]
fn a_plan_that_was_written_and_read_finds_the_same_pairs() {
    let tables = tables();
    runtime().block_on(async {
        for (name, query) in shapes() {
            let expected = pairs_of(&tables.sql(&query).await.unwrap());
            assert!(!expected.is_empty(), "{name} shows nothing");
            for form in [PlanForm::Logical, PlanForm::Physical] {
                let bytes = tables.plan_to_bytes(&query, form).await.unwrap_or_else(|e| panic!("{name} {form:?}: {e}"));
                let found = tables.run_plan(&bytes).await.unwrap_or_else(|e| panic!("{name} {form:?}: {e}"));
                assert_eq!(pairs_of(&found), expected, "{name} {form:?}");
            }
        }
    });
}

/// Tokens with a blocking key, of CLKs of so many segments.
fn keyed_tables(segments: u32) -> LinkSession {
    let mut draws = Draws(18);
    let mut of = |rows: usize| {
        let rows = draws.rows(rows, 64);
        TokenTable::try_new(vec![with_blocks(&rows)]).unwrap().with_segments(segments).unwrap()
    };
    session(of(300), of(400), PLENTY, 2)
}

fn with_blocks(rows: &[Row]) -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("clk", DataType::FixedSizeBinary(64), true),
        Field::new("exact_a", DataType::FixedSizeBinary(16), true),
        Field::new("block_place", DataType::FixedSizeBinary(16), true),
    ]);
    let mut columns = [64, 16, 16].map(FixedSizeBinaryBuilder::new);
    for row in rows {
        let exact = row.exact[0].map(|value| vec![value; 16]);
        for (column, value) in columns.iter_mut().zip([row.clk.clone(), exact, Some(vec![row.place as u8; 16])]) {
            match value {
                Some(value) => column.append_value(value).unwrap(),
                None => column.append_null(),
            }
        }
    }
    let columns = columns.map(|mut column| Arc::new(column.finish()) as ArrayRef);
    RecordBatch::try_new(Arc::new(schema), columns.to_vec()).unwrap()
}

#[test]
fn a_link_by_any_strategy_that_was_written_and_read_finds_the_same_pairs() {
    let keyed = Strategy::Keyed { keys: vec![], seed: 4 };
    let cases = [
        (1, Strategy::Exhaustive, "DiceJoinExec"),
        (1, Strategy::Lsh { recall: 0.9, seed: 4 }, "LshJoinExec"),
        (1, keyed.clone(), "KeyedJoinExec"),
        (4, Strategy::Exhaustive, "over 4 segments"),
        (4, keyed, "BloomSemiExec"),
    ];
    runtime().block_on(async {
        for (segments, strategy, operator) in cases {
            let tables = keyed_tables(segments);
            for top_k in [None, Some(1)] {
                let options = LinkOptions { top_k, ..LinkOptions::new("0.9".parse().unwrap(), vec!["a".into()]) };
                let plan = tables.explain_by("ndb", "dpc", &options, strategy.clone(), false).await.unwrap();
                assert!(plan.contains(operator), "{plan}");
                let stream = tables.link_by("ndb", "dpc", &options, strategy.clone()).await.unwrap();
                let expected: Pairs = drain(stream)
                    .await
                    .unwrap()
                    .iter()
                    .map(|pair| (pair.left, pair.right, pair.score.to_bits()))
                    .collect();
                assert!(!expected.is_empty(), "{strategy:?} shows nothing");
                for form in [PlanForm::Logical, PlanForm::Physical] {
                    let written = tables.link_to_bytes("ndb", "dpc", &options, strategy.clone(), form).await;
                    let bytes = written.unwrap_or_else(|e| panic!("{strategy:?} {form:?}: {e}"));
                    let found = tables.run_plan(&bytes).await.unwrap_or_else(|e| panic!("{strategy:?} {form:?}: {e}"));
                    assert_eq!(pairs_or_zero(&found), expected, "{strategy:?} {form:?}");
                }
            }
        }
    });
}

/// As `pairs_of`, where a pair without a score, which an exact token joined, has the score 0.
fn pairs_or_zero(batches: &[RecordBatch]) -> Pairs {
    let scored = batches.iter().map(|batch| {
        let scores: Float64Array =
            batch.column(2).as_primitive::<Float64Type>().iter().map(|score| Some(score.unwrap_or(0.0))).collect();
        let columns = vec![Arc::clone(batch.column(0)), Arc::clone(batch.column(1)), Arc::new(scores) as ArrayRef];
        RecordBatch::try_from_iter(["left", "right", "score"].into_iter().zip(columns)).unwrap()
    });
    pairs_of(&scored.collect::<Vec<_>>())
}

#[test]
fn a_physical_plan_runs_where_there_are_no_tables_and_a_logical_one_says_which_are_missing() {
    let here = tables();
    let elsewhere = LinkSession::new(linkage_plan::PlanOptions { memory_bytes: PLENTY, partitions: 3 }).unwrap();
    let query = format!("{SELECT} JOIN dpc r ON dice(l.clk, r.clk) >= 0.85");
    runtime().block_on(async {
        let physical = here.plan_to_bytes(&query, PlanForm::Physical).await.unwrap();
        let found = elsewhere.run_plan(&physical).await.unwrap();
        assert_eq!(pairs_of(&found), pairs_of(&here.sql(&query).await.unwrap()));

        let logical = here.plan_to_bytes(&query, PlanForm::Logical).await.unwrap();
        let error = elsewhere.run_plan(&logical).await.unwrap_err();
        assert!(error.to_string().contains("ndb`, which is not registered"), "{error}");
    });
}

#[test]
fn a_logical_plan_carries_no_row() {
    let tables = tables();
    let query = format!("{SELECT} JOIN dpc r ON dice(l.clk, r.clk) >= 0.85");
    runtime().block_on(async {
        let bytes = tables.plan_to_bytes(&query, PlanForm::Logical).await.unwrap();
        assert!(bytes.len() < 4096, "{} bytes", bytes.len());
    });
}

#[test]
fn damaged_bytes_are_refused_and_never_a_panic() {
    let tables = tables();
    let query = format!("{SELECT} JOIN dpc r ON dice(l.clk, r.clk) >= 1 WHERE l.row < 3 AND r.row < 3");
    runtime().block_on(async {
        for bytes in [&b""[..], b"linkage-plan/2 physical\n", b"linkage-plan/1 physical\n\xFF\xFF"] {
            assert!(matches!(tables.run_plan(bytes).await, Err(PlanError::Query { .. } | PlanError::Execution { .. })));
        }
        let bytes = tables.plan_to_bytes(&query, PlanForm::Logical).await.unwrap();
        for at in (0..bytes.len()).step_by(7) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x55;
            // A flipped bit may still be a plan, such as one with another alias. It must not bring the program down.
            let _ = tables.run_plan(&damaged).await;
            let _ = tables.run_plan(&bytes[..at]).await;
        }
    });
}
