//! Joins on `dice()` in SQL: planned or declined, they return what brute force returns.

use linkage_plan::PlanError;
use proptest::prelude::*;

use crate::support::{Draws, PLENTY, Pairs, Row, naive, pairs, runtime, session, table};

const SELECT: &str = "SELECT l.row, r.row, dice(l.clk, r.clk) FROM ndb l";

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_dice_join_equals_brute_force(
        seed in 1_u64..,
        clk_bytes in prop::sample::select(vec![8_usize, 24, 128]),
        (left, right) in (0_usize..300, 0_usize..600),
        (left_batch, right_batch) in (1_usize..200, 1_usize..300),
        partitions in 1_usize..5,
        threshold in prop::sample::select(vec!["0.000001", "0.5", "0.7", "0.8", "0.85", "0.9", "1"]),
    ) {
        let mut draws = Draws(seed);
        let (left, right) = (draws.rows(left, clk_bytes), draws.rows(right, clk_bytes));
        let (l, r) = (table(&left, clk_bytes, left_batch), table(&right, clk_bytes, right_batch));
        let session = session(l, r, PLENTY, partitions);
        let tables = session.reserved_bytes();
        let value: f64 = threshold.parse().unwrap();
        let query = format!("{SELECT} JOIN dpc r ON dice(l.clk, r.clk) >= {threshold}");
        let (found, plan) = runtime().block_on(async {
            (pairs(&session, &query).await, session.explain_sql(&query).await.unwrap())
        });
        prop_assert!(plan.contains("DiceJoinExec"), "{}", plan);
        let expected = naive(&left, &right, |_, _, score| score >= value);
        prop_assert!(found == expected, "{} pairs instead of {}", found.len(), expected.len());
        prop_assert_eq!(session.reserved_bytes(), tables, "all but the tables must have been given back");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_in_order_are_found_and_the_others_are_not_compared(
        seed in 1_u64..,
        rows in 0_usize..1500,
        batch in 1_usize..600,
        partitions in 1_usize..4,
        left_first in any::<bool>(),
    ) {
        let mut draws = Draws(seed);
        let rows = draws.rows(rows, 16);
        let session = session(table(&rows, 16, batch), table(&[], 16, 1), PLENTY, partitions);
        let sign = if left_first { '<' } else { '>' };
        let tail = format!("JOIN ndb r ON dice(l.clk, r.clk) >= 0.8 AND l.row {sign} r.row");
        let (found, plan) = runtime().block_on(async {
            let analysed = session.sql(&format!("EXPLAIN ANALYZE SELECT l.row FROM ndb l {tail}")).await.unwrap();
            let plan = arrow::util::display::array_value_to_string(analysed[0].column(1), 0).unwrap();
            (pairs(&session, &format!("{SELECT} {tail}")).await, plan)
        });
        let expected: Pairs = naive(&rows, &rows, |_, _, score| score >= 0.8)
            .into_iter()
            .filter(|pair| if left_first { pair.0 < pair.1 } else { pair.0 > pair.1 })
            .collect();
        prop_assert!(found == expected, "{} pairs instead of {}", found.len(), expected.len());
        prop_assert!(plan.contains(&format!("left.row {sign} right.row")), "{}", plan);
        let n = rows.len() as f64;
        if n > 0.0 {
            // Half of all, and what a tile of 256 left rows and a right batch add at the diagonal.
            let compared = counted(&plan, "pairs_compared=");
            let diagonal = n * (400 + batch) as f64;
            prop_assert!(compared <= n * n / 2.0 * 1.01 + diagonal, "{} of {} compared", compared, n * n);
        }
    }
}

/// A metric in EXPLAIN ANALYZE, such as `pairs_compared=1.25 M`.
fn counted(plan: &str, name: &str) -> f64 {
    let text: String = plan.split(name).nth(1).unwrap().chars().take_while(|c| !",]".contains(*c)).collect();
    let mut words = text.split_whitespace();
    let number: f64 = words.next().unwrap().parse().unwrap();
    number
        * match words.next() {
            Some("K") => 1e3,
            Some("M") => 1e6,
            Some("B") => 1e9,
            _ => 1.0,
        }
}

struct Case {
    name: &'static str,
    query: String,
    planned: bool,
    wanted: fn(&Row, &Row, f64) -> bool,
}

fn cases() -> Vec<Case> {
    let case = |name, tail: &str, planned, wanted| Case { name, query: format!("{SELECT} {tail}"), planned, wanted };
    vec![
        case("plain", "JOIN dpc r ON dice(l.clk, r.clk) >= 0.85", true, |_, _, s| s >= 0.85),
        case("mirrored", "JOIN dpc r ON 0.85 <= dice(r.clk, l.clk)", true, |_, _, s| s >= 0.85),
        case("strict", "JOIN dpc r ON dice(l.clk, r.clk) > 0.8", true, |_, _, s| s > 0.8),
        case("where", ", dpc r WHERE dice(l.clk, r.clk) >= 0.8", true, |_, _, s| s >= 0.8),
        case("integer", "JOIN dpc r ON dice(l.clk, r.clk) >= 1", true, |_, _, s| s >= 1.0),
        case("between", "JOIN dpc r ON dice(l.clk, r.clk) BETWEEN 0.8 AND 0.9", true, |_, _, s| {
            (0.8..=0.9).contains(&s)
        }),
        case("residual", "JOIN dpc r ON dice(l.clk, r.clk) >= 0.8 AND l.place + r.place > 4", true, |a, b, s| {
            s >= 0.8 && a.place + b.place > 4
        }),
        case("inequality", "JOIN dpc r ON dice(l.clk, r.clk) >= 0.8 AND l.place < r.place", true, |a, b, s| {
            s >= 0.8 && a.place < b.place
        }),
        case(
            "one side",
            "JOIN dpc r ON dice(l.clk, r.clk) >= 0.8 WHERE l.place < 2 AND r.place <> 3",
            true,
            |a, b, s| s >= 0.8 && a.place < 2 && b.place != 3,
        ),
        case("equality", "JOIN dpc r ON dice(l.clk, r.clk) >= 0.8 AND l.place = r.place", true, |a, b, s| {
            s >= 0.8 && a.place == b.place
        }),
        case("where equal", ", dpc r WHERE dice(l.clk, r.clk) > 0.8 AND r.place = l.place", true, |a, b, s| {
            s > 0.8 && a.place == b.place
        }),
        case(
            "equality and order",
            "JOIN dpc r ON dice(l.clk, r.clk) >= 0.8 AND l.exact_a = r.exact_a AND l.place < r.place",
            true,
            |a, b, s| s >= 0.8 && a.exact[0].is_some() && a.exact[0] == b.exact[0] && a.place < b.place,
        ),
        case(
            "equal expressions",
            "JOIN dpc r ON dice(l.clk, r.clk) >= 0.8 AND l.place = r.place + 1",
            false,
            |a, b, s| s >= 0.8 && a.place == b.place + 1,
        ),
        case(
            "null equals null",
            "JOIN dpc r ON dice(l.clk, r.clk) >= 0.8 AND l.exact_a IS NOT DISTINCT FROM r.exact_a",
            false,
            |a, b, s| s >= 0.8 && a.exact[0] == b.exact[0],
        ),
        case(
            "or",
            "JOIN dpc r ON (dice(l.clk, r.clk) >= 0.9 OR l.place > r.place) WHERE dice(l.clk, r.clk) IS NOT NULL",
            false,
            |a, b, s| s >= 0.9 || a.place > b.place,
        ),
        case("upper bound", "JOIN dpc r ON dice(l.clk, r.clk) < 0.2", false, |_, _, s| s < 0.2),
        case("zero", "JOIN dpc r ON dice(l.clk, r.clk) >= 0", false, |_, _, s| s >= 0.0),
        case("above one", "JOIN dpc r ON dice(l.clk, r.clk) >= 1.5", false, |_, _, _| false),
        case("seven decimals", "JOIN dpc r ON dice(l.clk, r.clk) >= 0.8123457", false, |_, _, s| s >= 0.812_345_7),
        case("expression", "JOIN dpc r ON dice(l.clk, r.clk) * 2 >= 1.7", false, |_, _, s| s * 2.0 >= 1.7),
    ]
}

#[test]
fn every_form_of_the_join_equals_brute_force_and_is_planned_or_declined_with_a_reason() {
    let mut draws = Draws(5);
    let (left, right) = (draws.rows(150, 128), draws.rows(250, 128));
    let session = session(table(&left, 128, 64), table(&right, 128, 100), PLENTY, 2);
    runtime().block_on(async {
        for case in cases() {
            let expected = naive(&left, &right, case.wanted);
            let found = pairs(&session, &case.query).await;
            assert!(found == expected, "{}: {} pairs instead of {}", case.name, found.len(), expected.len());
            let plan = session.explain_sql(&case.query).await.unwrap();
            assert_eq!(plan.contains("DiceJoinExec"), case.planned, "{}: {plan}", case.name);
            assert_eq!(plan.contains("no Dice join: "), !case.planned, "{}: {plan}", case.name);
            // The score is read where the call was written, not computed again.
            assert_eq!(plan.contains("dice(clk@"), !case.planned, "{}: {plan}", case.name);
        }
    });
}

#[test]
fn other_operators_go_above_and_below_it() {
    let mut draws = Draws(9);
    let (left, right) = (draws.rows(120, 64), draws.rows(150, 64));
    let session = session(table(&left, 64, 50), table(&right, 64, 50), PLENTY, 2);
    let join = "FROM ndb l JOIN dpc r ON dice(l.clk, r.clk) >= 0.8";
    runtime().block_on(async {
        let all = naive(&left, &right, |_, _, score| score >= 0.8);
        let count = session.sql(&format!("SELECT count(*), max(dice(l.clk, r.clk)) {join}")).await.unwrap();
        let counted = arrow::util::display::array_value_to_string(count[0].column(0), 0).unwrap();
        assert_eq!(counted, all.len().to_string());

        let sub = format!("SELECT a, b, s FROM (SELECT l.row a, r.row b, dice(l.clk, r.clk) s {join}) WHERE s < 0.95");
        let expected: Pairs = all.iter().copied().filter(|pair| f64::from_bits(pair.2) < 0.95).collect();
        assert_eq!(pairs(&session, &sub).await, expected);

        let limited = format!("SELECT l.row, r.row, dice(l.clk, r.clk) {join} LIMIT 7");
        assert_eq!(pairs(&session, &limited).await.len(), 7);

        let with_clk = format!("SELECT l.clk, r.clk, l.place {join}");
        assert_eq!(session.sql(&with_clk).await.unwrap().iter().map(|b| b.num_rows()).sum::<usize>(), all.len());

        // The output of one Dice join under another, and a table with itself.
        let nested = "SELECT a.row, c.row, dice(a.clk, c.clk) FROM ndb a
            JOIN (SELECT r.row, r.clk FROM ndb l JOIN dpc r ON dice(l.clk, r.clk) >= 1 WHERE l.row < 30) c
            ON dice(a.clk, c.clk) >= 0.9 GROUP BY 1, 2, 3";
        let ones = naive(&left[..30], &right, |_, _, score| score >= 1.0);
        let expected: Pairs = naive(&left, &right, |_, _, score| score >= 0.9)
            .into_iter()
            .filter(|pair| ones.iter().any(|one| one.1 == pair.1))
            .collect();
        assert_eq!(pairs(&session, nested).await, expected);
        let own = "SELECT a.row, b.row, dice(a.clk, b.clk) FROM ndb a JOIN ndb b ON dice(a.clk, b.clk) >= 0.9";
        assert_eq!(pairs(&session, own).await, naive(&left, &left, |_, _, score| score >= 0.9));
    });
}

#[test]
fn outer_and_semi_joins_are_left_to_the_plain_function() {
    let mut draws = Draws(11);
    let (left, right) = (draws.rows(60, 16), draws.rows(70, 16));
    let session = session(table(&left, 16, 50), table(&right, 16, 50), PLENTY, 2);
    let matched = naive(&left, &right, |_, _, score| score >= 0.9);
    let with_partner = (0..60).filter(|row| matched.iter().any(|pair| pair.0 == *row)).count();
    runtime().block_on(async {
        for (kind, rows) in [("LEFT", matched.len() + 60 - with_partner), ("LEFT SEMI", with_partner)] {
            let query = format!("SELECT l.row FROM ndb l {kind} JOIN dpc r ON dice(l.clk, r.clk) >= 0.9");
            let found: usize = session.sql(&query).await.unwrap().iter().map(|batch| batch.num_rows()).sum();
            assert_eq!(found, rows, "{kind}");
            let plan = session.explain_sql(&query).await.unwrap();
            assert!(plan.contains("no Dice join: the join is not an inner join"), "{plan}");
        }
    });
}

#[test]
fn clks_of_different_lengths_are_refused_and_so_is_all_but_a_query() {
    let mut draws = Draws(13);
    let session = session(table(&draws.rows(3, 16), 16, 9), table(&draws.rows(3, 24), 24, 9), PLENTY, 1);
    runtime().block_on(async {
        let lengths = session.sql(&format!("{SELECT} JOIN dpc r ON dice(l.clk, r.clk) >= 0.8")).await.unwrap_err();
        assert!(matches!(&lengths, PlanError::Query { .. }), "{lengths:?}");
        assert!(lengths.to_string().contains("16 and 24 bytes"), "{lengths}");
        for other in ["CREATE TABLE t AS SELECT 1", "DROP TABLE ndb", "SET datafusion.execution.batch_size = 1"] {
            assert!(session.sql(other).await.is_err(), "{other}");
        }
    });
}
