//! Runs `tests/slt/*.slt`: queries with the rows, the plan or the error that they must give. The form is that of
//! sqllogictest, with a record of its own for token tables:
//!
//! ```text
//! table NAME CLK_BYTES [SEGMENTS]
//! CLK (hexadecimal, or - for none) EXACT_A (or -) PLACE [BLOCK_NAME (or -)]
//!
//! query [rowsort]
//! SQL …
//! ----
//! ROW …
//!
//! explain
//! SQL …
//! ----
//! PLAN … (the kernel's name is masked)
//!
//! error
//! SQL …
//! ----
//! WORDS OF THE MESSAGE
//!
//! link
//! LEFT RIGHT THRESHOLD all-pairs|bands=RECALL|keyed|auto=RECALL [exact=NAME] [best=COUNT]
//! ----
//! LEFT_ROW RIGHT_ROW SCORE exact|similar …, sorted
//!
//! explain link
//! (as link)
//! ----
//! PLAN …
//! ```
//!
//! Records end at an empty line, and `#` begins a comment. `UPDATE_SLT=1` writes what came into the files.

use std::fmt::Write;
use std::path::Path;

use linkage_core::dice::Kernel;
use linkage_plan::{LinkOptions, LinkSession, PlanOptions, Strategy};

use crate::support::{PLENTY, Row, drain, runtime, table, texts};

/// What a record asks for.
enum Kind {
    Query { sorted: bool },
    Explain,
    Error,
    Link,
    ExplainLink,
}

#[test]
fn every_file_gives_what_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let session = LinkSession::new(PlanOptions { memory_bytes: PLENTY, partitions: 2 }).unwrap();
        let records: Vec<String> = text.trim_end().split("\n\n").map(|record| run(&session, record)).collect();
        let found = records.join("\n\n") + "\n";
        if std::env::var_os("UPDATE_SLT").is_some() {
            std::fs::write(&file, found).unwrap();
        } else {
            assert!(found == text, "{} gives\n{found}", file.display());
        }
    }
}

/// The record with what came in the place of what was expected.
fn run(session: &LinkSession, record: &str) -> String {
    let lines: Vec<&str> = record.lines().collect();
    let Some(head) = lines.iter().position(|line| !line.starts_with('#') && !line.is_empty()) else {
        return record.to_owned();
    };
    let words: Vec<&str> = lines[head].split_whitespace().collect();
    let kind = match words.as_slice() {
        ["table", name, clk_bytes, segments @ ..] => {
            let rows: Vec<Row> = lines[head + 1..].iter().map(|line| read_row(line)).collect();
            let segments = segments.first().map_or(1, |segments| segments.parse().unwrap());
            let table = table(&rows, clk_bytes.parse().unwrap(), 3).with_segments(segments).unwrap();
            session.register(name, table).unwrap();
            return record.to_owned();
        }
        ["query"] => Kind::Query { sorted: false },
        ["query", "rowsort"] => Kind::Query { sorted: true },
        ["explain"] => Kind::Explain,
        ["error"] => Kind::Error,
        ["link"] => Kind::Link,
        ["explain", "link"] => Kind::ExplainLink,
        other => panic!("{other:?} is no record"),
    };
    let border = lines.iter().position(|line| *line == "----").unwrap_or(lines.len());
    let query = lines[head + 1..border].join("\n");
    let found = match kind {
        Kind::Query { sorted } => {
            let found = runtime().block_on(session.sql(&query));
            let mut rows = texts(&found.unwrap_or_else(|e| panic!("{query}: {e}")));
            if sorted {
                rows.sort();
            }
            rows
        }
        Kind::Explain => {
            let plan = runtime().block_on(session.explain_sql(&query)).unwrap_or_else(|e| panic!("{query}: {e}"));
            masked(&plan)
        }
        Kind::Link => {
            let ([left, right], options, strategy) = link(&query);
            let found = runtime().block_on(async {
                drain(session.link_by(left, right, &options, strategy).await.unwrap()).await.unwrap()
            });
            let kind = |exact| if exact { "exact" } else { "similar" };
            let rows = found.iter().map(|c| format!("{} {} {:?} {}", c.left, c.right, c.score, kind(c.exact)));
            let mut rows: Vec<String> = rows.collect();
            rows.sort();
            rows
        }
        Kind::ExplainLink => {
            let ([left, right], options, strategy) = link(&query);
            let plan = runtime().block_on(session.explain_by(left, right, &options, strategy, false));
            masked(&plan.unwrap_or_else(|e| panic!("{query}: {e}")))
        }
        Kind::Error => {
            let error = runtime().block_on(session.sql(&query)).unwrap_err().to_string();
            let expected = lines[(border + 1).min(lines.len())..].join("\n");
            vec![if !expected.is_empty() && error.contains(&expected) { expected } else { error }]
        }
    };
    let mut out = lines[..border].join("\n");
    out.push_str("\n----");
    for line in found {
        let _ = write!(out, "\n{line}");
    }
    out
}

/// The lines of a plan, without the kernel's name.
fn masked(plan: &str) -> Vec<String> {
    let kernel = Kernel::detect().unwrap().name();
    let plan = plan.replace(&format!("kernel={kernel}"), "kernel=…").replace(&format!("kernel {kernel}"), "kernel …");
    plan.trim_end().lines().map(str::to_owned).collect()
}

/// What a line asks for: two tables, how they are linked, and by which strategy.
fn link(line: &str) -> ([&str; 2], LinkOptions, Strategy) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [left, right, threshold, strategy, rest @ ..] = words.as_slice() else { panic!("`{line}` is no link") };
    let mut options = LinkOptions::new(threshold.parse().unwrap(), vec![]);
    for word in rest {
        match word.split_once('=') {
            Some(("exact", name)) => options.exact_tokens.push(name.to_owned()),
            Some(("best", count)) => options.top_k = Some(count.parse().unwrap()),
            _ => panic!("`{word}` asks for nothing"),
        }
    }
    let strategy = match strategy.split_once('=').unwrap_or((strategy, "")) {
        ("all-pairs", _) => Strategy::Exhaustive,
        ("bands", recall) => Strategy::Lsh { recall: recall.parse().unwrap(), seed: 1 },
        ("keyed", _) => Strategy::Keyed { keys: vec![], seed: 1 },
        ("auto", recall) => Strategy::Auto { recall: recall.parse().unwrap(), seed: 1 },
        _ => panic!("`{strategy}` is no strategy"),
    };
    ([left, right], options, strategy)
}

fn read_row(line: &str) -> Row {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [clk, exact, place, block @ ..] = fields.as_slice() else { panic!("`{line}` is no row") };
    let key = |text: &str| (text != "-").then(|| text.parse().unwrap());
    let byte = |at: usize| u8::from_str_radix(&clk[2 * at..2 * at + 2], 16).unwrap();
    Row {
        clk: (*clk != "-").then(|| (0..clk.len() / 2).map(byte).collect()),
        exact: [key(exact), None],
        place: place.parse().unwrap(),
        block: block.first().and_then(|block| key(block)),
    }
}
