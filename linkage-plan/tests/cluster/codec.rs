//! Plans as bytes: what is read back finds the same pairs.

use linkage_plan::codec::PlanForm;
use linkage_plan::{LinkSession, PlanError};

use crate::support::{Draws, PLENTY, pairs_of, runtime, session, table};

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
        shape("self-join", "JOIN ndb r ON dice(l.clk, r.clk) >= 0.9 AND l.row < r.row"),
        shape("limit above", "JOIN dpc r ON dice(l.clk, r.clk) >= 0.8 ORDER BY 1, 2 LIMIT 7"),
        ("exact stage", format!("{SELECT} JOIN dpc r ON l.exact_a = r.exact_a")),
        (
            "both stages",
            format!(
                "SELECT l.row, r.row, dice(l.clk, r.clk) FROM ndb l JOIN dpc r ON l.exact_a = r.exact_a
                 UNION ALL
                 SELECT l.row, r.row, dice(l.clk, r.clk)
                 FROM (SELECT * FROM ndb x LEFT ANTI JOIN dpc y ON x.exact_a = y.exact_a) l
                 JOIN (SELECT * FROM dpc x LEFT ANTI JOIN ndb y ON x.exact_a = y.exact_a) r
                 ON dice(l.clk, r.clk) >= 0.8"
            ),
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
