//! The custodians' crosswalks against truth. Only the demo can do this: nobody else ever sees all of them together.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use linkage_core::cluster::{Cluster, Member};
use linkage_core::evaluate::cluster_quality;

use super::summary::QualitySummary;

/// Compares the linkage keys in `crosswalks` (database, file) with the persons in `truth`.
///
/// # Errors
/// When a file cannot be read or lacks a column.
pub fn against_truth<'a>(
    truth: &Path,
    crosswalks: impl Iterator<Item = (&'a str, PathBuf)>,
) -> anyhow::Result<QualitySummary> {
    let crosswalks: Vec<_> = crosswalks.collect();
    let database_index: HashMap<&str, u16> = crosswalks.iter().zip(0u16..).map(|((name, _), i)| (*name, i)).collect();

    // Records are numbered as truth lists them.
    let mut person = HashMap::new();
    let mut record_index: HashMap<(u16, String), u32> = HashMap::new();
    for (row, number) in columns(truth, ["database", "record_id", "person"])?.into_iter().zip(0u32..) {
        let [database, record_id, owner] = row;
        let database =
            *database_index.get(database.as_str()).context("truth names a database that is not in the demo")?;
        let owner = owner.parse::<u64>().context("truth has a person that is not a number")?;
        person.insert(Member { database, record: number }, owner);
        record_index.insert((database, record_id), number);
    }

    let mut by_key: HashMap<String, Vec<Member>> = HashMap::new();
    for ((_, file), database) in crosswalks.iter().zip(0u16..) {
        for [record_id, key] in crosswalk(file)? {
            let record =
                *record_index.get(&(database, record_id)).context("a crosswalk has a record that truth lacks")?;
            by_key.entry(key).or_default().push(Member { database, record });
        }
    }
    let clusters: Vec<_> = by_key.into_values().map(|members| Cluster { members }).collect();
    let quality = cluster_quality(&clusters, &person);
    Ok(QualitySummary {
        links: quality.true_positives + quality.false_positives,
        right: quality.true_positives,
        true_pairs: quality.true_positives + quality.false_negatives,
        precision: quality.precision(),
        recall: quality.recall(),
        f1: quality.f1(),
    })
}

/// Record ids and linkage keys; the first column has the name that the custodian's own table has for its ids.
fn crosswalk(file: &Path) -> anyhow::Result<Vec<[String; 2]>> {
    let mut reader = csv::Reader::from_path(file).with_context(|| format!("cannot read {}", file.display()))?;
    let name = reader.headers()?.get(0).unwrap_or_default().to_owned();
    columns(file, [&name, "linkage_key"])
}

/// The named columns of a CSV file, row by row.
fn columns<const N: usize>(file: &Path, names: [&str; N]) -> anyhow::Result<Vec<[String; N]>> {
    let mut reader = csv::Reader::from_path(file).with_context(|| format!("cannot read {}", file.display()))?;
    let header = reader.headers()?.clone();
    let mut places = [0; N];
    for (place, name) in places.iter_mut().zip(names) {
        let found = header.iter().position(|column| column == name);
        *place = found.with_context(|| format!("{} has no column `{name}`", file.display()))?;
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record?;
        rows.push(places.map(|place| record.get(place).unwrap_or_default().to_owned()));
    }
    Ok(rows)
}
