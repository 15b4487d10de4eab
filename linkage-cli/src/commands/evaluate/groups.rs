//! Subgroups: who is linked worse than others.

use std::collections::HashMap;
use std::io::{self, Write};

use anyhow::{Context as _, bail};
use linkage_core::evaluate::{GroupQuality, Interval, LinkedPair, Quality, Truth, by_group};
use serde_json::{Value, json};

use super::report::{measures, range};
use super::results::{About, Measurement};
use super::rows::Rows;

/// Columns that make subgroups when nobody names others.
const USUAL_GROUPS: [&str; 6] = ["age_band", "sex", "foreign", "changed_name", "twin", "errors"];

/// More values than this are no subgroups.
const MOST_GROUPS: usize = 200;

/// Groups with fewer true pairs say nothing for sure.
const FEW: u64 = 10;

/// The subgroups of records, or of pairs where the truth is by pair.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// The columns of the truth, with their names.
    columns: Vec<(usize, String)>,
    /// Column and value.
    names: Vec<(String, String)>,
    numbers: HashMap<(String, String), u16>,
    of_row: HashMap<u32, Vec<u16>>,
    of_pair: HashMap<(u32, u32), Vec<u16>>,
}

/// A subgroup, and the links in it.
#[derive(Debug)]
pub(super) struct Subgroup {
    column: String,
    value: String,
    of: GroupQuality,
}

impl Groups {
    /// No subgroups yet, of the columns that are wanted; of the usual ones where none are.
    pub(super) fn of(rows: &Rows, wanted: &[String]) -> anyhow::Result<Self> {
        let named = |name: &str| Some((rows.column(&[name])?, name.to_owned()));
        let columns = if wanted.is_empty() {
            USUAL_GROUPS.iter().filter_map(|name| named(name)).collect()
        } else {
            let find = |name: &String| {
                named(name).with_context(|| {
                    format!("no column `{name}` for --groups\nhint: its columns are {}", rows.header().join(", "))
                })
            };
            wanted.iter().map(find).collect::<anyhow::Result<_>>()?
        };
        Ok(Self { columns, ..Self::default() })
    }

    /// Takes what the truth says of a record.
    pub(super) fn add_row(&mut self, row: u32, record: &[String]) -> anyhow::Result<()> {
        let groups = self.numbers(record)?;
        self.of_row.entry(row).or_default().extend(groups);
        Ok(())
    }

    /// Takes what the truth says of a pair. A wrong link of one of its records counts against its groups too.
    pub(super) fn add_pair(&mut self, pair: (u32, u32), record: &[String]) -> anyhow::Result<()> {
        if self.columns.is_empty() {
            return Ok(());
        }
        let groups = self.numbers(record)?;
        for row in [pair.0, pair.1] {
            self.of_row.entry(row).or_default().extend(&groups);
        }
        self.of_pair.entry(pair).or_default().extend(groups);
        Ok(())
    }

    /// The groups that the values of a row of the truth make.
    fn numbers(&mut self, record: &[String]) -> anyhow::Result<Vec<u16>> {
        let mut groups = Vec::new();
        for (at, column) in &self.columns {
            // A record may have several errors, and `linkage generate corrupt` says in which column each is: `keyboard:2`.
            let several = column == "errors";
            for value in record[*at].split(|c| several && matches!(c, '+' | ';' | ' ')) {
                let value = if several { value.split(':').next().unwrap_or_default() } else { value };
                if value.is_empty() {
                    continue;
                }
                let name = (column.clone(), value.to_owned());
                let next = self.names.len();
                let number = *self.numbers.entry(name.clone()).or_insert(next as u16);
                if next >= MOST_GROUPS && usize::from(number) == next {
                    bail!("more than {MOST_GROUPS} subgroups\nhint: name columns with few values with --groups");
                }
                if usize::from(number) == next {
                    self.names.push(name);
                }
                groups.push(number);
            }
        }
        Ok(groups)
    }

    /// The quality of links in every subgroup, by the order of the columns and by value.
    pub(super) fn measure(&self, links: impl IntoIterator<Item = LinkedPair>, truth: &Truth) -> Vec<Subgroup> {
        if self.names.is_empty() {
            return Vec::new();
        }
        let measured = by_group(links, truth, |left, right| self.of_either(left, right));
        let subgroup = |(group, of): (u16, GroupQuality)| {
            let (column, value) = self.names[usize::from(group)].clone();
            Subgroup { column, value, of }
        };
        let mut subgroups: Vec<Subgroup> = measured.into_iter().map(subgroup).collect();
        let place = |name: &str| self.columns.iter().position(|(_, column)| column == name);
        subgroups.sort_by(|a, b| (place(&a.column), &a.value).cmp(&(place(&b.column), &b.value)));
        subgroups
    }

    /// The groups of a pair that the truth knows as one, otherwise those of either record, each once.
    fn of_either(&self, left: u32, right: u32) -> Vec<u16> {
        let of = |row| self.of_row.get(&row).into_iter().flatten().copied();
        let own = self.of_pair.get(&(left, right)).cloned();
        let mut groups: Vec<u16> = own.unwrap_or_else(|| of(left).chain(of(right)).collect());
        groups.sort_unstable();
        groups.dedup();
        groups
    }
}

impl Subgroup {
    fn name(&self) -> String {
        format!("{}={}", self.column, self.value)
    }

    fn true_pairs(&self) -> u64 {
        self.of.quality.true_positives + self.of.quality.false_negatives
    }
}

/// Prints the recall of every subgroup beside that of all.
pub(super) fn table(groups: &[Subgroup], overall: &Quality, out: &mut impl Write) -> io::Result<()> {
    if groups.is_empty() {
        return Ok(());
    }
    let overall = overall.recall();
    writeln!(out)?;
    writeln!(out, "subgroup                        true pairs  recall   95 %             gap      precision")?;
    for group in groups {
        let (name, pairs, interval) = (group.name(), group.true_pairs(), &group.of.recall);
        if pairs < FEW {
            writeln!(out, "{name:<30}  {:>10}  too few", format!("<{FEW}"))?;
            continue;
        }
        let recall = group.of.quality.recall();
        let gap = recall - overall;
        // Worse than all for sure, not by chance.
        let mark = if interval.high < overall { "  ←" } else { "" };
        let precision = group.of.quality.precision();
        let range = range(interval);
        writeln!(out, "{name:<30}  {pairs:>10}  {recall:.4}  {range:<16} {gap:>+8.4}  {precision:.4}{mark}")?;
    }
    Ok(())
}

/// Subgroups as JSON.
pub(super) fn json(groups: &[Subgroup], overall: &Quality) -> Vec<Value> {
    let one = |group: &Subgroup| {
        let (quality, Interval { low, high }) = (&group.of.quality, group.of.recall);
        let few = group.true_pairs() < FEW;
        json!({ "column": group.column, "value": group.value, "quality": measures(quality), "recall_interval": [low, high],
            "gap": quality.recall() - overall.recall(), "worse": !few && high < overall.recall(), "too_few": few })
    };
    groups.iter().map(one).collect()
}

/// Subgroups as rows of results.
pub(super) fn measurements(groups: &[Subgroup], about: &About<'_>, threshold: Option<f64>) -> Vec<Measurement> {
    let of = |group: &Subgroup| {
        let (name, recall) = (group.name(), group.of.recall);
        let measures = about.quality("group", threshold, &group.of.quality, None).into_iter();
        let with_interval = move |one: Measurement| {
            let recall = (one.measure == "recall").then_some(recall);
            let (low, high) = (recall.map(|recall| recall.low), recall.map(|recall| recall.high));
            Measurement { group: Some(name.clone()), low, high, ..one }
        };
        measures.map(with_interval).collect::<Vec<_>>()
    };
    groups.iter().flat_map(of).collect()
}
