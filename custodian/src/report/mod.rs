//! The report on an extract: how full, how unique, how much altered, and what is wrong, by count and never by value.
//!
//! What is counted is in [`survey`]; here small counts are hidden, once, before anything is rendered.

mod html;
mod sketch;
pub(crate) mod survey;
mod text;

use linkage_core::normalise::Change;
use linkage_core::schema::LinkageSchema;
use serde_json::{Value, json};

use crate::figure::{Figure, grouped, hidden, remainder};
use crate::intake::Intake;
use sketch::Distinct;
use survey::{FieldCounts, Survey};

pub(crate) use html::html;
pub(crate) use text::text;

/// Counts from 1 to one less than the limit are not shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hiding {
    pub(crate) limit: u64,
}

impl Hiding {
    fn is_small(self, count: u64) -> bool {
        (1..self.limit).contains(&count)
    }

    fn count(self, count: u64) -> Figure {
        hidden(count, self.limit)
    }

    /// A share in whole per cent and in words; a small rest is hidden as a small count is.
    fn share(self, part: u64, of: u64) -> Share {
        let percent = (part * 100).checked_div(of).unwrap_or(0);
        if self.is_small(part) {
            Share { percent: 0, figure: Figure::Words(format!("<{} rows", self.limit)) }
        } else if part > 0 && self.is_small(of.saturating_sub(part)) {
            Share { percent: 100, figure: Figure::Words(format!("all but <{} rows", self.limit)) }
        } else {
            Share { percent, figure: Figure::Percent(percent) }
        }
    }

    /// A number of values is no number of people. It is hidden with the rows that have them where these are few, for they may
    /// all differ, and rounded down where it would tell how few rows lack or share one.
    fn distinct(self, found: &Distinct, rows: u64) -> Figure {
        if self.is_small(found.rows) {
            return self.count(found.rows);
        }
        let few = self.is_small(found.rows - found.values) || self.is_small(rows.saturating_sub(found.rows));
        let rounded = found.values / self.limit * self.limit;
        match (few, found.estimated) {
            (false, false) => Figure::Count(found.values),
            (false, true) => Figure::Words(format!("about {}", grouped(found.values))),
            (true, false) => Figure::Words(format!("at least {}", grouped(rounded))),
            (true, true) => Figure::Words(format!("about at least {}", grouped(rounded))),
        }
    }
}

/// A share that may be shown.
pub(crate) struct Share {
    /// How long a bar of it is, of 100.
    percent: u64,
    figure: Figure,
}

/// All that may be shown.
pub(crate) struct Report {
    schema: String,
    digest: String,
    limit: u64,
    /// Label and figure.
    totals: Vec<(&'static str, Figure)>,
    fields: Vec<FieldRow>,
    combinations: Vec<CombinationRow>,
    exact: Vec<(String, Share)>,
    /// Field, class, values, characters.
    changes: Vec<(String, Change, Figure, Figure)>,
    findings: Vec<String>,
    findings_json: Value,
    opt_out_json: Value,
    density: Option<Density>,
}

struct FieldRow {
    name: String,
    filled: Share,
    altered: Share,
    distinct: Figure,
    unique: Share,
}

struct CombinationRow {
    fields: String,
    rows: Share,
    distinct: Figure,
    unique: Share,
}

/// How full the CLKs are: the mean, and the share of the rows per step of two per cent.
struct Density {
    mean_percent: f64,
    steps: Vec<(u64, Share)>,
}

/// Per cent of set bits that one bar of the histogram covers.
const DENSITY_STEP: u64 = 2;

impl Report {
    /// Puts together what may be shown of an extract. Density is shown when it was asked for.
    pub(crate) fn new(
        schema: &LinkageSchema,
        intake: &Intake<'_>,
        survey: &Survey,
        hiding: Hiding,
        listed_rows: usize,
        with_density: bool,
    ) -> Self {
        let findings = &intake.findings;
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name()).collect();
        let distinct: Vec<Distinct> = survey.sketches.iter().map(sketch::Sketch::distinct).collect();
        let same_values = match distinct.last() {
            Some(all) if all.estimated => Figure::Words(format!("about {}", hiding.count(all.repeated))),
            all => hiding.count(all.map_or(0, |all| all.repeated)),
        };
        let duplicate_ids = findings.duplicate_ids();
        let mut totals = vec![
            ("rows read", hiding.count(findings.rows)),
            ("to write", remainder(intake.records, &findings.taken(), hiding.limit)),
            ("set aside", hiding.count(findings.set_aside_rows())),
            ("opted out", hiding.count(findings.opted_out)),
            ("merged into a newer row", hiding.count(findings.superseded)),
            ("repeated record ids", hiding.count(duplicate_ids)),
            ("rows with the values of another", same_values),
        ];
        if let Some(opt_out) = intake.opt_out {
            totals.insert(4, ("opted-out ids found", Figure::Words(opt_out.found_of_listed(hiding.limit))));
        }
        let fields = names.iter().zip(&survey.fields).zip(&findings.present).zip(&distinct);
        let fields = fields.map(|(((name, counts), present), distinct)| FieldRow {
            name: (*name).to_owned(),
            filled: hiding.share(*present, findings.rows),
            altered: hiding.share(counts.altered, *present),
            distinct: hiding.distinct(distinct, findings.rows),
            unique: hiding.share(distinct.unique, distinct.rows),
        });
        let combined = survey.plan.combinations.iter().zip(&distinct).skip(names.len());
        let combinations = combined.map(|(combination, distinct)| CombinationRow {
            fields: combination.fields.iter().map(|&field| names[field]).collect::<Vec<_>>().join(" + "),
            rows: hiding.share(distinct.rows, survey.rows),
            distinct: hiding.distinct(distinct, findings.rows),
            unique: hiding.share(distinct.unique, distinct.rows),
        });
        let exact = schema.exact_tokens().iter().zip(&survey.exact);
        let changes = names.iter().zip(&survey.fields).flat_map(|(name, counts)| changes_of(name, counts, hiding));
        Self {
            schema: schema.name().to_owned(),
            digest: schema.digest().to_string(),
            limit: hiding.limit,
            totals,
            fields: fields.collect(),
            combinations: combinations.collect(),
            exact: exact.map(|(token, count)| (token.name().to_owned(), hiding.share(*count, survey.rows))).collect(),
            changes: changes.collect(),
            findings: findings.lines(&names, listed_rows, hiding.limit),
            findings_json: findings.json(&names, listed_rows, hiding.limit),
            opt_out_json: intake.opt_out.map(|opt_out| opt_out.json(hiding.limit)).into(),
            density: with_density.then(|| Density::new(survey, schema.clk_bits(), hiding)),
        }
    }

    /// The report for a script.
    pub(crate) fn json(&self) -> String {
        let share = |share: &Share| share.figure.json();
        let report = json!({
            "schema": self.schema,
            "schema_digest": self.digest,
            "small_cell": self.limit,
            "totals": self.totals.iter().map(|(label, count)| (label.replace(' ', "_"), count.json())).collect::<serde_json::Map<_, _>>(),
            "fields": self.fields.iter().map(|field| json!({
                "field": field.name, "filled_percent": share(&field.filled), "altered_percent": share(&field.altered),
                "distinct": field.distinct.json(), "unique_percent": share(&field.unique),
            })).collect::<Vec<_>>(),
            "combinations": self.combinations.iter().map(|row| json!({
                "fields": row.fields, "rows_percent": share(&row.rows), "distinct": row.distinct.json(), "unique_percent": share(&row.unique),
            })).collect::<Vec<_>>(),
            "exact_tokens": self.exact.iter().map(|(name, covered)| json!({ "name": name, "covered_percent": share(covered) })).collect::<Vec<_>>(),
            "changes": self.changes.iter().map(|(field, change, values, characters)| json!({
                "field": field, "change": change.code(), "values": values.json(), "count": characters.json(),
            })).collect::<Vec<_>>(),
            "findings": self.findings_json,
            "opt_out": self.opt_out_json,
            "clk_density": self.density.as_ref().map(|density| json!({
                "mean_percent": density.mean_percent,
                "rows": density.steps.iter().map(|(from, rows)| json!({ "from_percent": from, "rows_percent": share(rows) })).collect::<Vec<_>>(),
            })),
        });
        format!("{report:#}\n")
    }
}

fn changes_of(name: &str, counts: &FieldCounts, hiding: Hiding) -> Vec<(String, Change, Figure, Figure)> {
    let made = Change::ALL.into_iter().filter(|&change| counts.values.count(change) > 0);
    let row = |change| {
        let (values, characters) = (counts.values.count(change), counts.characters.count(change));
        // The characters of few values would tell their number.
        let characters = if hiding.is_small(values) { Figure::Words("-".to_owned()) } else { hiding.count(characters) };
        (name.to_owned(), change, hiding.count(values), characters)
    };
    made.map(row).collect()
}

impl Density {
    fn new(survey: &Survey, clk_bits: usize, hiding: Hiding) -> Self {
        let bits = clk_bits.max(1) as u64;
        let set: u64 = (0..).zip(&survey.ones).map(|(ones, rows): (u64, _)| ones * rows).sum();
        let mean = set as f64 * 100.0 / (survey.rows.max(1) * bits) as f64;
        let mut steps = vec![0; (100 / DENSITY_STEP + 1) as usize];
        for (ones, rows) in (0..).zip(&survey.ones) {
            let ones: u64 = ones;
            steps[(ones * 100 / bits / DENSITY_STEP) as usize] += rows;
        }
        let filled = (0..).zip(steps).filter(|(_, rows)| *rows > 0);
        let steps = filled.map(|(step, rows): (u64, u64)| (step * DENSITY_STEP, hiding.share(rows, survey.rows)));
        Self { mean_percent: (mean * 10.0).round() / 10.0, steps: steps.collect() }
    }
}
