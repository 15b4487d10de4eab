//! The truth, in any of the forms in which people have it.
//!
//! As pairs (`left_id, right_id`, or Splink's `unique_id_l, unique_id_r`, with `source_dataset_l, source_dataset_r` and
//! `clerical_match_score` where they are), as persons (`database, record_id, person`, as `linkage generate` writes them, or
//! Splink's `source_dataset, unique_id, cluster_id`), or in the ids of FEBRL.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context as _, bail};
use linkage_core::evaluate::Truth;

use super::rows::Rows;

/// Columns that make subgroups when nobody names others.
const USUAL_GROUPS: [&str; 6] = ["age_band", "sex", "foreign", "changed_name", "twin", "errors"];

/// More values than this are no subgroups.
const MOST_GROUPS: usize = 200;

/// Whether a clerical score says that a pair is a match.
const MATCH_FROM: f64 = 0.5;

/// Finds the row of a record: by the name of its table, where the truth says it, and its id. Rows count through all tables.
pub(super) trait Records {
    /// The row of a record, when it is there. Without a name, `side` says which table: 0 the left, 1 the right.
    fn row(&mut self, table: Option<&str>, side: usize, id: &str) -> Option<u32>;
}

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Labels {
    pub(super) truth: Truth,
    /// Pairs or records that name a record which is not there.
    pub(super) absent: u64,
    pub(super) groups: Groups,
}

/// The subgroups of each row.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// Column and value.
    names: Vec<(String, String)>,
    of_row: HashMap<u32, Vec<u16>>,
}

impl Groups {
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub(super) fn name(&self, group: u16) -> &(String, String) {
        &self.names[usize::from(group)]
    }

    /// The groups of either record of a pair, each once.
    pub(super) fn of_pair(&self, left: u32, right: u32) -> Vec<u16> {
        let of = |row| self.of_row.get(&row).into_iter().flatten().copied();
        let mut groups: Vec<u16> = of(left).chain(of(right)).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }
}

impl Labels {
    /// Reads a file of one of the forms. `groups` names the columns that make subgroups; empty, the usual ones do.
    pub(super) fn read(path: &Path, records: &mut dyn Records, groups: &[String]) -> anyhow::Result<Self> {
        let rows = Rows::read(path)?;
        let labels = if let Some(columns) = PersonColumns::find(&rows) {
            Self::persons(&rows, columns, records, groups)
        } else if let Some(columns) = PairColumns::find(&rows) {
            if !groups.is_empty() {
                bail!(
                    "{}: subgroups need truth by person: database, record_id, person and more columns",
                    path.display()
                );
            }
            Self::pairs(&rows, columns, records)
        } else {
            bail!(
                "{}: not a truth that is known here\nhint: columns are left_id, right_id; or database, record_id, person; \
                 or Splink's unique_id_l, unique_id_r; or source_dataset, unique_id, cluster_id",
                path.display()
            )
        };
        let labels = labels.with_context(|| format!("{}", path.display()))?;
        if labels.truth.is_empty() {
            bail!(
                "{}: no true pair has both its records in the files ({} name a record that is not there)\n\
                 hint: do the tables have the names of the truth, and is --id-column the column that the truth speaks of?",
                path.display(),
                labels.absent
            );
        }
        Ok(labels)
    }

    fn pairs(rows: &Rows, columns: PairColumns, records: &mut dyn Records) -> anyhow::Result<Self> {
        let (mut pairs, mut absent) = (Vec::new(), 0);
        for record in rows.iter() {
            if let Some(score) = columns.score {
                let score: f64 = record[score].parse().context("a clerical_match_score is not a number")?;
                if score < MATCH_FROM {
                    continue;
                }
            }
            let mut row = |side: usize| {
                let table = columns.tables[side].map(|column| record[column].as_str());
                records.row(table, side, &record[columns.ids[side]])
            };
            match (row(0), row(1)) {
                (Some(left), Some(right)) => pairs.push((left.min(right), left.max(right))),
                _ => absent += 1,
            }
        }
        Ok(Self { truth: pairs.into_iter().collect(), absent, groups: Groups::default() })
    }

    fn persons(
        rows: &Rows,
        columns: PersonColumns,
        records: &mut dyn Records,
        wanted: &[String],
    ) -> anyhow::Result<Self> {
        let grouped = group_columns(rows, wanted)?;
        let mut people: BTreeMap<&str, Vec<(&str, u32)>> = BTreeMap::new();
        let (mut labels, mut numbers) = (Self::default(), HashMap::new());
        for record in rows.iter() {
            let table = record[columns.table].as_str();
            let Some(row) = records.row(Some(table), 0, &record[columns.id]) else {
                labels.absent += 1;
                continue;
            };
            people.entry(&record[columns.person]).or_default().push((table, row));
            for &column in &grouped {
                // A record may have several errors.
                let several = rows.header()[column] == "errors";
                let values = record[column].split(|c| several && matches!(c, '+' | ';' | ' '));
                for value in values.filter(|value| !value.is_empty()) {
                    let name = (rows.header()[column].clone(), value.to_owned());
                    let next = numbers.len();
                    let number = *numbers.entry(name.clone()).or_insert(next);
                    if number >= MOST_GROUPS {
                        bail!("more than {MOST_GROUPS} subgroups\nhint: name columns with few values with --groups");
                    }
                    if number == labels.groups.names.len() {
                        labels.groups.names.push(name);
                    }
                    labels.groups.of_row.entry(row).or_default().push(number as u16);
                }
            }
        }
        let mut pairs = Vec::new();
        for records in people.values() {
            for (index, (table, row)) in records.iter().enumerate() {
                let others = records[index + 1..].iter().filter(|(other, _)| other != table);
                pairs.extend(others.map(|(_, other)| (*row.min(other), *row.max(other))));
            }
        }
        labels.truth = pairs.into_iter().collect();
        Ok(labels)
    }
}

fn group_columns(rows: &Rows, wanted: &[String]) -> anyhow::Result<Vec<usize>> {
    if wanted.is_empty() {
        return Ok(USUAL_GROUPS.iter().filter_map(|name| rows.column(&[name])).collect());
    }
    let find = |name: &String| rows.column(&[name]).with_context(|| format!("no column `{name}` for --groups"));
    wanted.iter().map(find).collect()
}

/// Where the columns of truth by pair are.
struct PairColumns {
    ids: [usize; 2],
    tables: [Option<usize>; 2],
    score: Option<usize>,
}

impl PairColumns {
    fn find(rows: &Rows) -> Option<Self> {
        let ids = [rows.column(&["left_id", "unique_id_l"])?, rows.column(&["right_id", "unique_id_r"])?];
        let tables = [rows.column(&["source_dataset_l"]), rows.column(&["source_dataset_r"])];
        Some(Self { ids, tables, score: rows.column(&["clerical_match_score"]) })
    }
}

/// Where the columns of truth by person are.
struct PersonColumns {
    table: usize,
    id: usize,
    person: usize,
}

impl PersonColumns {
    fn find(rows: &Rows) -> Option<Self> {
        Some(Self {
            table: rows.column(&["database", "source_dataset"])?,
            id: rows.column(&["record_id", "unique_id"])?,
            person: rows.column(&["person", "cluster_id"])?,
        })
    }
}
