//! Figures out: tables for people, JSON for scripts, and warnings on stderr.

use std::io::{self, Write};

use linkage_core::classify::{Decision, Estimate};
use linkage_core::evaluate::{Candidates, FEWEST_UNITS, Interval, Quality, Spread};
use serde_json::{Value, json};

use super::groups;
use super::labels::Labels;
use super::learnt::Gold;
use super::measure::{Outcome, Point};

/// Says on stderr what was left out.
pub(super) fn warn(outcomes: &[Outcome]) {
    warnings(outcomes).iter().for_each(|line| talk(&format!("warning: {line}")));
    // The truth is one for all of them.
    outcomes.iter().take(1).for_each(|outcome| warn_of_truth(&outcome.labels, outcome.without_label));
}

/// What is wrong with the tables, each thing once: schemas read most columns alike, and some read more than others.
pub(super) fn warnings(outcomes: &[Outcome]) -> Vec<String> {
    let mut lines = Vec::new();
    for Outcome { encoded, .. } in outcomes {
        for (name, table) in encoded.names.iter().zip(&encoded.tables) {
            let malformed = (table.malformed_rows > 0).then(|| {
                format!("{name}: {} rows set aside, their number of columns is not the header's", table.malformed_rows)
            });
            let broken = table.broken.iter();
            let broken = broken.map(|((field, rule), n)| format!("{name}, field `{field}`: {n} values break `{rule}`"));
            for line in malformed.into_iter().chain(broken) {
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
        }
    }
    lines
}

/// Says on stderr what the truth does not tell.
pub(super) fn warn_of_truth(labels: &Labels, links_without_label: usize) {
    let counts = [
        (labels.absent, "entries left out, they name a record that is not in the files"),
        (labels.within, "pairs left out, they are within one table"),
        (labels.nameless, "records belong to no person, each is taken for one of its own"),
        (labels.unnamed, "records of the files are not in it, each is taken for a person of its own"),
        (links_without_label as u64, "links have no label, they are not judged"),
    ];
    for (count, what) in counts.iter().filter(|(count, _)| *count > 0) {
        talk(&format!("warning: truth: {count} {what}"));
    }
    if labels.unpaired > 0 {
        talk(&format!("note: truth: {} records of the files are in no pair of it", labels.unpaired));
    }
    if labels.without_wrong_pairs() {
        talk(
            "warning: truth: every label is a match, so no link can be wrong\nhint: leave the column clerical_match_score out if the pairs are all there are",
        );
    }
}

/// A line on stderr.
pub(super) fn talk(line: &str) {
    // Nothing can be done about a closed stderr.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// A line on stdout.
pub(super) fn line(line: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
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
    let Candidates { kept, possible, .. } = outcome.candidates;
    let (ratio, complete) = (outcome.candidates.reduction_ratio(), outcome.candidates.pair_completeness());
    match kept == possible {
        true => writeln!(out, "candidates: all {possible} pairs")?,
        false => writeln!(
            out,
            "candidates: {kept} of {possible} pairs, reduction ratio {ratio:.6}, pair completeness {complete:.4}"
        )?,
    }
    if let Some(keyed) = &outcome.keyed {
        let (precision, recall, f1) = (keyed.precision(), keyed.recall(), keyed.f1());
        writeln!(
            out,
            "links among the candidates: precision {precision:.4}, recall {recall:.4}, F1 {f1:.4}; what follows is of all pairs"
        )?;
    }
    writeln!(out)?;
    if !outcome.points.is_empty() {
        curve(outcome, &mut out)?;
    }
    if let Some(learnt) = &outcome.learnt {
        writeln!(out)?;
        estimates(learnt, &outcome.quality, &mut out)?;
    }
    if let Some(Gold { labels, correction: said }) = &outcome.gold {
        writeln!(
            out,
            "gold sample: {} of {labels} labelled pairs are candidates, {} of them matches",
            said.pairs, said.matches
        )?;
        let interval = range(&Interval { low: said.threshold.low, high: said.threshold.high });
        writeln!(
            out,
            "it makes one half of a chance of {:.4} (95 %: {interval}), and the others follow",
            said.threshold.value
        )?;
    }
    if let Some(spread) = spread(outcome.draws, outcome.spread.as_ref()) {
        writeln!(out, "\n{spread}")?;
    }
    groups::table(&outcome.groups, &outcome.quality, &mut out)
}

/// The intervals of links, or that there are none because too few people are in them; nothing where nobody wants any.
pub(super) fn spread(draws: u32, spread: Option<&Spread>) -> Option<String> {
    let text = match spread {
        Some(Spread { precision, recall, f1, .. }) => {
            format!("precision {}, recall {}, F1 {}", range(precision), range(recall), range(f1))
        }
        None => format!("too few people for intervals, there must be {FEWEST_UNITS}"),
    };
    (draws > 0).then(|| format!("95 % of the links: {text}"))
}

fn curve(outcome: &Outcome, out: &mut impl Write) -> io::Result<()> {
    let linked = if outcome.encoded.tables.len() == 2 { "one-to-one" } else { "clusters" };
    writeln!(out, "           all pairs above                       {linked}")?;
    let over = if outcome.learnt.is_some() { "chance" } else { "threshold" };
    writeln!(out, "{over:<9}  precision  recall    F1      F*       precision  recall    F1      F*")?;
    let best = outcome.best().map(|point| point.threshold);
    for point in &outcome.points {
        let marks = [(best, "best"), (outcome.threshold(), "schema")];
        let marks = marks.iter().filter(|(at, _)| *at == Some(point.threshold)).map(|(_, mark)| *mark);
        let marks = marks.collect::<Vec<_>>().join(", ");
        let (raw, linked) = (cells(&point.raw), cells(&point.linked));
        writeln!(out, "{}", format!("{:<9}  {raw}    {linked}  {marks}", trimmed(point.threshold)).trim_end())?;
    }
    Ok(())
}

/// What the tokens alone let expect, beside what is so.
fn estimates(learnt: &Decision, quality: &Quality, out: &mut impl Write) -> io::Result<()> {
    let of = &learnt.estimates;
    writeln!(out, "learnt without truth: linked from a chance of {:.3}", learnt.cut)?;
    writeln!(out, "           expected  95 %              is")?;
    let is = [quality.precision(), quality.recall(), quality.f1()];
    for ((name, estimate), is) in [("precision", of.precision), ("recall", of.recall), ("F1", of.f1)].iter().zip(is) {
        let interval = range(&Interval { low: estimate.low, high: estimate.high });
        writeln!(out, "{name:<9}  {:.4}    {interval}  {is:.4}", estimate.value)?;
    }
    writeln!(out, "clusters split by repair: {}; pairs for review: {}", learnt.split, learnt.review.total())?;
    if learnt.too_large > 0 {
        writeln!(out, "clusters too large for repair, which go to review: {}", learnt.too_large)?;
    }
    if of.warning {
        writeln!(out, "warning: two estimates of precision contradict each other; look at a sample of links")?;
    }
    if of.recall_unknown {
        writeln!(
            out,
            "warning: recall is hardly known without truth, for matches may be no more alike than strangers are"
        )?;
    }
    Ok(())
}

/// Several schemas on the same data, side by side.
pub(super) fn side_by_side(outcomes: &[Outcome]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "schema                      links by   precision  recall    F1      F*      F1, 95 %          best in hindsight"
    )?;
    for outcome in outcomes {
        let none = if outcome.draws > 0 { "too few" } else { "" };
        let interval = outcome.spread.as_ref().map_or(none.to_owned(), |spread| range(&spread.f1));
        let (by, cells) = (outcome.threshold().map_or("learnt".to_owned(), trimmed), cells(&outcome.quality));
        let hindsight = outcome.best().map(|best| format!("{:.4} at {}", best.linked.f1(), trimmed(best.threshold)));
        let line = format!("{:<26}  {by:<9}  {cells}  {interval:<16}  ", outcome.schema.name());
        writeln!(out, "{}", format!("{line}{}", hindsight.unwrap_or_default()).trim_end())?;
    }
    Ok(())
}

pub(super) fn trimmed(threshold: f64) -> String {
    format!("{threshold:.6}").trim_end_matches('0').to_owned()
}

pub(super) fn range(interval: &Interval) -> String {
    format!("{:.4} to {:.4}", interval.low, interval.high)
}

pub(super) fn cells(quality: &Quality) -> String {
    format!("{:>9.4}  {:.4}  {:.4}  {:.4}", quality.precision(), quality.recall(), quality.f1(), quality.f_star())
}

/// One outcome as JSON.
pub(super) fn json(outcome: &Outcome) -> Value {
    let point = |point: &Point| json!({ "threshold": point.threshold, "raw": measures(&point.raw), "linked": measures(&point.linked) });
    let tables: Vec<Value> = outcome
        .encoded
        .names
        .iter()
        .zip(&outcome.encoded.tables)
        .map(|(name, table)| json!({ "name": name, "records": table.tokens.len(), "set_aside_rows": table.malformed_rows }))
        .collect();
    json!({
        "schema": outcome.schema.name(),
        "schema_digest": outcome.schema.digest(),
        "tables": tables,
        "true_pairs": outcome.labels.truth.len(),
        "absent_truth_entries": outcome.labels.absent,
        "records_not_in_truth": outcome.labels.unnamed + outcome.labels.unpaired,
        "links_without_label": outcome.without_label,
        "candidates": outcome.candidates.kept,
        "exact_pairs": outcome.exact_pairs,
        "reduction_ratio": outcome.candidates.reduction_ratio(),
        "pair_completeness": outcome.candidates.pair_completeness(),
        "curve_over": if outcome.learnt.is_some() { "chance" } else { "similarity" },
        "curve": outcome.points.iter().map(point).collect::<Vec<_>>(),
        "best": outcome.best().map(point),
        "decision": outcome.decide.name(),
        "threshold": outcome.threshold(),
        "links": measures(&outcome.quality),
        "links_among_candidates": outcome.keyed.as_ref().map(measures),
        "estimates": outcome.learnt.as_ref().map(estimates_json),
        "gold": outcome.gold.as_ref().map(gold_json),
        "intervals": outcome.spread.as_ref().map(intervals),
        "groups": groups::json(&outcome.groups, &outcome.quality),
    })
}

fn estimates_json(learnt: &Decision) -> Value {
    let of = &learnt.estimates;
    json!({ "from_chance": learnt.cut, "precision": one(&of.precision), "recall": one(&of.recall), "f1": one(&of.f1),
        "matches": one(&of.matches), "warning": of.warning,
        "recall_unknown": of.recall_unknown, "review_pairs": learnt.review.total(), "split_clusters": learnt.split })
}

fn one(estimate: &Estimate) -> Value {
    json!({ "value": estimate.value, "low": estimate.low, "high": estimate.high })
}

fn gold_json(gold: &Gold) -> Value {
    let said = &gold.correction;
    json!({ "labels": gold.labels, "pairs": said.pairs, "matches": said.matches, "half": one(&said.threshold) })
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
