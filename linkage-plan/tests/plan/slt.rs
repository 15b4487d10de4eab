//! Runs `tests/slt/*.slt`: queries with the rows, the plan or the error that they must give. The form is that of
//! sqllogictest, with a record of its own for token tables:
//!
//! ```text
//! table NAME CLK_BYTES [SEGMENTS]
//! CLK (hexadecimal, or - for none) EXACT_A (or -) PLACE
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
//! ```
//!
//! Records end at an empty line, and `#` begins a comment. `UPDATE_SLT=1` writes what came into the files.

use std::fmt::Write;
use std::path::Path;

use arrow::util::display::array_value_to_string;
use linkage_core::dice::Kernel;
use linkage_plan::{LinkSession, PlanOptions};

use crate::support::{PLENTY, Row, runtime, table};

/// What a record asks for.
enum Kind {
    Query { sorted: bool },
    Explain,
    Error,
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
        other => panic!("{other:?} is no record"),
    };
    let border = lines.iter().position(|line| *line == "----").unwrap_or(lines.len());
    let query = lines[head + 1..border].join("\n");
    let found = match kind {
        Kind::Query { sorted } => {
            let mut rows = rows(session, &query);
            if sorted {
                rows.sort();
            }
            rows
        }
        Kind::Explain => {
            let plan = runtime().block_on(session.explain_sql(&query)).unwrap_or_else(|e| panic!("{query}: {e}"));
            let kernel = format!("kernel={}", Kernel::detect().unwrap().name());
            plan.trim_end().replace(&kernel, "kernel=…").lines().map(str::to_owned).collect()
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

fn rows(session: &LinkSession, query: &str) -> Vec<String> {
    let batches = runtime().block_on(session.sql(query)).unwrap_or_else(|e| panic!("{query}: {e}"));
    let mut rows = Vec::new();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let values = batch.columns().iter().map(|column| match column.is_null(row) {
                true => "NULL".to_owned(),
                false => array_value_to_string(column, row).unwrap(),
            });
            rows.push(values.collect::<Vec<_>>().join(" "));
        }
    }
    rows
}

fn read_row(line: &str) -> Row {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [clk, exact, place] = fields.as_slice() else { panic!("`{line}` is no row") };
    let byte = |at: usize| u8::from_str_radix(&clk[2 * at..2 * at + 2], 16).unwrap();
    Row {
        clk: (*clk != "-").then(|| (0..clk.len() / 2).map(byte).collect()),
        exact: [(*exact != "-").then(|| exact.parse().unwrap()), None],
        place: place.parse().unwrap(),
    }
}
