//! `linkage evaluate links`: how good are links that somebody else has made?

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use linkage_core::evaluate::{LinkedPair, bootstrap, pair_quality, units};
use serde_json::json;

use super::labels::{Labels, Records};
use super::report::{self, cells, intervals, measures};
use super::results::{self, About};
use super::rows::Rows;
use super::study::NamedFile;

const EXAMPLES: &str = "\
Examples:
  linkage evaluate links predictions.parquet --truth labels.csv --from 0.9
  linkage evaluate links clusters.csv --truth truth.csv --json
  linkage evaluate links --crosswalk ndb=ndb/crosswalk.csv --crosswalk dpc=dpc/crosswalk.csv --truth study/truth.csv";

/// The arguments of `linkage evaluate links`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct LinksArgs {
    /// Links as Splink writes them, CSV or Parquet: by pair (unique_id_l, unique_id_r, match_probability), or by cluster
    /// (cluster_id, source_dataset, unique_id)
    #[arg(value_name = "FILE", required_unless_present = "crosswalk", conflicts_with = "crosswalk")]
    links: Option<PathBuf>,
    /// What `custodian receive` wrote, by the name that the truth has for the database; repeatable, instead of FILE
    #[arg(long, value_name = "NAME=CSV", conflicts_with = "from")]
    crosswalk: Vec<NamedFile>,
    /// The truth: by pair or by person, in Splink's columns too
    #[arg(long, value_name = "FILE")]
    truth: PathBuf,
    /// Links by pair below this match_probability are none
    #[arg(long, value_name = "P")]
    from: Option<f64>,
    /// Draws for the 95 % intervals; 0 for none
    #[arg(long, value_name = "N", default_value_t = 200)]
    bootstrap: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write every measure as a row: Parquet, JSON or CSV by the ending of the name
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
}

/// Records by name of table and id, numbered as they come.
#[derive(Default)]
struct Known(HashMap<(String, String), u32>);

impl Records for Known {
    fn row(&mut self, table: Option<&str>, side: usize, id: &str) -> Option<u32> {
        let table = table.unwrap_or(["left", "right"][side.min(1)]).to_owned();
        let next = self.0.len() as u32;
        Some(*self.0.entry((table, id.to_owned())).or_insert(next))
    }
}

pub(super) fn run(args: &LinksArgs) -> anyhow::Result<ExitCode> {
    results::refuse(&args.results)?;
    let mut known = Known::default();
    let labels = Labels::read(&args.truth, &mut known, &[])?;
    let links = match &args.links {
        Some(path) => {
            let rows = Rows::read(path)?;
            read_links(&rows, args.from, &mut known).with_context(|| format!("{}", path.display()))?
        }
        None => read_crosswalks(&args.crosswalk, &mut known)?,
    };
    let quality = pair_quality(links.iter().copied(), &labels.truth);
    let spread = bootstrap(&units(links.iter().copied(), &labels.truth), args.bootstrap, 1);
    if let Some(path) = &args.results {
        let about = About { study: "links", schema: "", decision: "given" };
        results::write(path, &about.quality("links", args.from, &quality, spread.as_ref()))?;
    }
    if args.json {
        let document = json!({ "links": links.len(), "true_pairs": labels.truth.len(), "quality": measures(&quality),
            "intervals": spread.as_ref().map(intervals) });
        report::line(&format!("{document:#}"))?;
    } else {
        report::line(&format!("{} links, {} true pairs", links.len(), labels.truth.len()))?;
        report::line("precision  recall    F1      F*")?;
        report::line(&cells(&quality))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The links that crosswalks of several databases make together.
fn read_crosswalks(files: &[NamedFile], known: &mut Known) -> anyhow::Result<Vec<LinkedPair>> {
    let mut clusters: BTreeMap<String, Vec<(Option<&str>, u32)>> = BTreeMap::new();
    for NamedFile { name, path } in files {
        let rows = Rows::read(path)?;
        let hint = "hint: give what `custodian receive` wrote: record ids and linkage keys";
        let key =
            rows.column(&["linkage_key"]).with_context(|| format!("{}: no linkage keys\n{hint}", path.display()))?;
        // The ids stand before it, under the name that the custodian's own table has for them.
        let id = usize::from(key == 0);
        let in_truth = known.0.len();
        for record in rows.iter() {
            let row = known.row(Some(name), 0, record.get(id).map_or("", String::as_str));
            clusters.entry(record[key].clone()).or_default().extend(row.map(|row| (Some(name.as_str()), row)));
        }
        if rows.iter().next().is_some() && known.0.len() == in_truth + rows.iter().count() {
            bail!(
                "{}: the truth has none of its records\nhint: has the database the name {name:?} in the truth?",
                path.display()
            );
        }
    }
    Ok(clusters.values().flat_map(|members| pairs(members)).collect())
}

/// Every pair of a cluster's records; within one table there is nothing to link, unless there is only one.
fn pairs(members: &[(Option<&str>, u32)]) -> Vec<LinkedPair> {
    let mut links = Vec::new();
    for (index, (table, a)) in members.iter().enumerate() {
        let others = members[index + 1..].iter().filter(|(other, _)| other != table || table.is_none());
        links.extend(others.map(|(_, b)| link(*a, *b)));
    }
    links
}

fn link(a: u32, b: u32) -> LinkedPair {
    LinkedPair { left: a.min(b), right: a.max(b), score: 1.0, exact: false }
}

fn read_links(rows: &Rows, from: Option<f64>, known: &mut Known) -> anyhow::Result<Vec<LinkedPair>> {
    let mut links = Vec::new();
    let pair = (rows.column(&["unique_id_l", "left_id"]), rows.column(&["unique_id_r", "right_id"]));
    if let (Some(left), Some(right)) = pair {
        let tables = [rows.column(&["source_dataset_l"]), rows.column(&["source_dataset_r"])];
        let probability = rows.column(&["match_probability"]);
        if from.is_some() && probability.is_none() {
            bail!("no column `match_probability`\nhint: leave out --from, then every row is a link");
        }
        for record in rows.iter() {
            if let (Some(from), Some(column)) = (from, probability)
                && record[column].parse::<f64>().context("a match_probability is not a number")? < from
            {
                continue;
            }
            let table = |side: usize| tables[side].map(|column| record[column].as_str());
            let rows = [known.row(table(0), 0, &record[left]), known.row(table(1), 1, &record[right])];
            links.extend(rows[0].zip(rows[1]).map(|(a, b)| link(a, b)));
        }
        return Ok(links);
    }
    let cluster = rows.column(&["cluster_id", "linkage_key"]).zip(rows.column(&["unique_id", "record_id"]));
    let Some((cluster, id)) = cluster else {
        bail!(
            "neither pairs nor clusters\nhint: columns are unique_id_l, unique_id_r; or cluster_id, source_dataset, unique_id"
        );
    };
    let table = rows.column(&["source_dataset", "database"]);
    let mut clusters: HashMap<&str, Vec<(Option<&str>, u32)>> = HashMap::new();
    for record in rows.iter() {
        let table = table.map(|column| record[column].as_str());
        if let Some(row) = known.row(table, 0, &record[id]) {
            clusters.entry(&record[cluster]).or_default().push((table, row));
        }
    }
    Ok(clusters.values().flat_map(|members| pairs(members)).collect())
}
