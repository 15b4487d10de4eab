//! Figures out: tables for people, JSON for scripts, and warnings on stderr.

use std::io::{self, Write};

use linkage_core::evaluate::{Interval, Quality, Spread};
use serde_json::{Value, json};

use super::measure::{Outcome, Point};

/// Groups with fewer true pairs say nothing for sure.
const FEW: u64 = 10;

/// Says on stderr what was left out.
pub(super) fn warn(outcome: &Outcome) {
    let mut lines = Vec::new();
    for (name, table) in outcome.encoded.names.iter().zip(&outcome.encoded.tables) {
        if table.malformed_rows > 0 {
            let rows = table.malformed_rows;
            lines.push(format!("{name}: {rows} rows set aside, their number of columns is not the header's"));
        }
        for ((field, rule), count) in &table.broken {
            lines.push(format!("{name}, field `{field}`: {count} values break `{rule}`"));
        }
    }
    if outcome.labels.absent > 0 {
        let absent = outcome.labels.absent;
        lines.push(format!("truth: {absent} entries left out, they name a record that is not in the files"));
    }
    let mut stderr = io::stderr().lock();
    for line in lines {
        // Nothing can be done about a closed stderr.
        let _ = writeln!(stderr, "warning: {line}");
    }
}

pub(super) fn table(outcome: &Outcome) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let sizes: Vec<String> = outcome.encoded.tables.iter().map(|table| table.tokens.len().to_string()).collect();
    writeln!(
        out,
        "{} records, {} true pairs, schema {}, {} pairs by exact token",
        sizes.join(" × "),
        outcome.labels.truth.len(),
        outcome.schema.name(),
        outcome.exact_pairs,
    )?;
    let lowest = outcome.points.first().map_or(0.0, |point| point.threshold);
    writeln!(
        out,
        "candidates from {}: reduction ratio {:.6}, pair completeness {:.4}",
        trimmed(lowest),
        outcome.candidates.reduction_ratio(),
        outcome.candidates.pair_completeness(),
    )?;
    let linked = if outcome.encoded.tables.len() == 2 { "one-to-one" } else { "clusters" };
    writeln!(out)?;
    writeln!(out, "           all pairs above                       {linked}")?;
    writeln!(out, "threshold  precision  recall    F1      F*       precision  recall    F1      F*")?;
    for point in &outcome.points {
        let mut marks = Vec::new();
        if point.threshold == outcome.best().threshold {
            marks.push("best");
        }
        if point.threshold == outcome.own().threshold {
            marks.push("schema");
        }
        let (raw, linked) = (cells(&point.raw), cells(&point.linked));
        let line = format!("{:<9}  {raw}    {linked}  {}", trimmed(point.threshold), marks.join(", "));
        writeln!(out, "{}", line.trim_end())?;
    }
    if let Some(spread) = &outcome.spread {
        let Spread { precision, recall, f1, .. } = spread;
        writeln!(out)?;
        writeln!(
            out,
            "95 % at the schema's threshold: precision {}, recall {}, F1 {}",
            range(precision),
            range(recall),
            range(f1)
        )?;
    }
    groups(outcome, &mut out)
}

fn groups(outcome: &Outcome, out: &mut impl Write) -> io::Result<()> {
    if outcome.groups.is_empty() {
        return Ok(());
    }
    let overall = outcome.own().linked.recall();
    writeln!(out)?;
    writeln!(out, "subgroup                        true pairs  recall   95 %             gap      precision")?;
    for (column, value, quality) in &outcome.groups {
        let pairs = quality.true_positives + quality.false_negatives;
        let name = format!("{column}={value}");
        if pairs < FEW {
            writeln!(out, "{name:<30}  {:>10}  too few", format!("<{FEW}"))?;
            continue;
        }
        let (recall, interval) = (quality.recall(), Interval::wilson(quality.true_positives, pairs));
        let gap = recall - overall;
        // Worse than all for sure, not by chance.
        let mark = if interval.high < overall { "  ←" } else { "" };
        let precision = quality.precision();
        let range = range(&interval);
        writeln!(out, "{name:<30}  {pairs:>10}  {recall:.4}  {range:<16} {gap:>+8.4}  {precision:.4}{mark}")?;
    }
    Ok(())
}

/// Several schemas on the same data, side by side.
pub(super) fn side_by_side(outcomes: &[Outcome]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "schema                      threshold  precision  recall    F1      F*      F1, 95 %          best in hindsight")?;
    for outcome in outcomes {
        let (own, best) = (outcome.own(), outcome.best());
        let interval = outcome.spread.as_ref().map_or(String::new(), |spread| range(&spread.f1));
        let (threshold, cells) = (trimmed(own.threshold), cells(&own.linked));
        let hindsight = format!("{:.4} at {}", best.linked.f1(), trimmed(best.threshold));
        writeln!(out, "{:<26}  {threshold:<9}  {cells}  {interval:<16}  {hindsight}", outcome.schema.name())?;
    }
    Ok(())
}

fn trimmed(threshold: f64) -> String {
    format!("{threshold:.6}").trim_end_matches('0').to_owned()
}

fn range(interval: &Interval) -> String {
    format!("{:.4} to {:.4}", interval.low, interval.high)
}

pub(super) fn cells(quality: &Quality) -> String {
    format!("{:>9.4}  {:.4}  {:.4}  {:.4}", quality.precision(), quality.recall(), quality.f1(), quality.f_star())
}

/// One outcome as JSON.
pub(super) fn json(outcome: &Outcome) -> Value {
    let point = |point: &Point| json!({ "threshold": point.threshold, "raw": measures(&point.raw), "one_to_one": measures(&point.linked) });
    let tables: Vec<Value> = outcome
        .encoded
        .names
        .iter()
        .zip(&outcome.encoded.tables)
        .map(|(name, table)| json!({ "name": name, "records": table.tokens.len(), "set_aside_rows": table.malformed_rows }))
        .collect();
    let groups: Vec<Value> = outcome
        .groups
        .iter()
        .map(|(column, value, quality)| json!({ "column": column, "value": value, "quality": measures(quality) }))
        .collect();
    json!({
        "schema": outcome.schema.name(),
        "schema_digest": outcome.schema.digest(),
        "tables": tables,
        "true_pairs": outcome.labels.truth.len(),
        "absent_truth_entries": outcome.labels.absent,
        "exact_pairs": outcome.exact_pairs,
        "reduction_ratio": outcome.candidates.reduction_ratio(),
        "pair_completeness": outcome.candidates.pair_completeness(),
        "curve": outcome.points.iter().map(point).collect::<Vec<_>>(),
        "best": point(outcome.best()),
        "schema_threshold": point(outcome.own()),
        "intervals": outcome.spread.as_ref().map(intervals),
        "groups": groups,
    })
}

pub(super) fn intervals(spread: &Spread) -> Value {
    let ends = |interval: &Interval| json!([interval.low, interval.high]);
    json!({ "precision": ends(&spread.precision), "recall": ends(&spread.recall), "f1": ends(&spread.f1), "f_star": ends(&spread.f_star) })
}

pub(super) fn measures(quality: &Quality) -> Value {
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
