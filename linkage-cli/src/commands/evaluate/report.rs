//! Figures out: a table for people, JSON for scripts, and warnings on stderr.

use std::io::{self, Write};

use linkage_core::evaluate::{CurvePoint, LinkedPair, Quality, best};
use linkage_core::schema::LinkageSchema;
use serde_json::{Value, json};

use super::read::{KnownTruth, Table};

/// What the figures are about.
pub(super) struct Notes<'a> {
    pub(super) left: &'a Table,
    pub(super) right: &'a Table,
    pub(super) truth: &'a KnownTruth,
    pub(super) schema: &'a LinkageSchema,
    pub(super) pairs: &'a [LinkedPair],
}

impl Notes<'_> {
    /// Says on stderr what was left out.
    pub(super) fn warn(&self) {
        let mut lines = Vec::new();
        for (side, table) in [("left", self.left), ("right", self.right)] {
            if table.malformed_rows > 0 {
                lines.push(format!(
                    "{side}: {} rows set aside, their number of columns is not the header's",
                    table.malformed_rows
                ));
            }
            for ((field, rule), count) in &table.broken {
                lines.push(format!("{side}, field `{field}`: {count} values break `{rule}`"));
            }
        }
        if self.truth.absent > 0 {
            lines.push(format!(
                "truth: {} pairs left out, they name a record that is not in the files",
                self.truth.absent
            ));
        }
        let mut stderr = io::stderr().lock();
        for line in lines {
            // Nothing can be done about a closed stderr.
            let _ = writeln!(stderr, "warning: {line}");
        }
    }

    fn exact_pairs(&self) -> usize {
        self.pairs.iter().filter(|pair| pair.exact).count()
    }

    fn own_threshold(&self) -> f64 {
        self.schema.threshold().as_f64()
    }
}

pub(super) fn table(notes: &Notes<'_>, points: &[CurvePoint]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{} × {} records, {} true pairs, schema {}, {} pairs by exact token",
        notes.left.tokens.len(),
        notes.right.tokens.len(),
        notes.truth.pairs.len(),
        notes.schema.name(),
        notes.exact_pairs(),
    )?;
    writeln!(out)?;
    writeln!(out, "           all pairs above                       one-to-one")?;
    writeln!(out, "threshold  precision  recall    F1      F*       precision  recall    F1      F*")?;
    let best = best(points).map(|point| point.threshold);
    for point in points {
        let mut marks = Vec::new();
        if Some(point.threshold) == best {
            marks.push("best");
        }
        if point.threshold == notes.own_threshold() {
            marks.push("schema");
        }
        let line = format!(
            "{:<9}  {}    {}  {}",
            format!("{:.6}", point.threshold).trim_end_matches('0'),
            cells(&point.raw),
            cells(&point.assigned),
            marks.join(", ")
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn cells(quality: &Quality) -> String {
    format!("{:>9.4}  {:.4}  {:.4}  {:.4}", quality.precision(), quality.recall(), quality.f1(), quality.f_star())
}

pub(super) fn json(notes: &Notes<'_>, points: &[CurvePoint]) -> io::Result<()> {
    let point = |point: &CurvePoint| json!({ "threshold": point.threshold, "raw": measures(&point.raw), "one_to_one": measures(&point.assigned) });
    let own = points.iter().find(|point| point.threshold == notes.own_threshold());
    let document = json!({
        "schema": notes.schema.name(),
        "schema_digest": notes.schema.digest().to_string(),
        "left_records": notes.left.tokens.len(),
        "right_records": notes.right.tokens.len(),
        "set_aside_rows": notes.left.malformed_rows + notes.right.malformed_rows,
        "true_pairs": notes.truth.pairs.len(),
        "absent_true_pairs": notes.truth.absent,
        "exact_pairs": notes.exact_pairs(),
        "curve": points.iter().map(point).collect::<Vec<_>>(),
        "best": best(points).map(point),
        "schema_threshold": own.map(point),
    });
    writeln!(io::stdout().lock(), "{document:#}")
}

fn measures(quality: &Quality) -> Value {
    json!({
        "true_positives": quality.true_positives,
        "false_positives": quality.false_positives,
        "false_negatives": quality.false_negatives,
        "precision": quality.precision(),
        "recall": quality.recall(),
        "f1": quality.f1(),
        "f_star": quality.f_star(),
    })
}
