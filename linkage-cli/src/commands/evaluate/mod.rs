//! `linkage evaluate`: how good are the links between files whose truth is known?
//!
//! Nothing is sealed or sent: the files are read, normalised and encoded here under a throw-away secret, and every pair
//! is compared. So a methodologist learns what a linkage schema is worth before any custodian uses it.

mod forms;
mod groups;
mod labels;
mod learnt;
mod links;
mod measure;
mod read;
mod report;
mod results;
mod rows;
mod study;
mod suite;
mod thresholds;

#[cfg(test)]
mod hardened_tests;
#[cfg(test)]
mod learnt_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod truth_tests;

use std::collections::HashSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use arrow::array::{ArrayRef, BooleanArray, Float64Array, StringArray, UInt64Array};
use clap::{Args, Subcommand};
use linkage_core::cluster::Member;
use linkage_core::evaluate::LinkedPair;
use measure::Outcome;
use study::Study;

const EXAMPLES: &str = "\
Examples:
  linkage evaluate --left a.csv --right b.csv --schema person-en --truth truth.csv
  linkage evaluate --table ndb=ndb.csv --table dpc=dpc.csv --table kaigo=kaigo.csv \\
      --truth truth.csv --id-column record_id --schema person-ja --groups age_band,sex,foreign
  linkage evaluate --left a.csv --right b.csv --truth febrl \\
      --schema person-en --schema person-en-max-quality --decide threshold,learnt
  linkage evaluate --left a.csv --right b.csv --truth truth.csv --schema person-ja \\
      --decide learnt --gold looked-at.csv
  linkage evaluate links predictions.parquet --truth labels.csv --from 0.9
  linkage evaluate suite study.toml --results study.parquet";

/// The arguments of `linkage evaluate`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, after_help = EXAMPLES)]
pub struct EvaluateArgs {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    own: OwnArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Judge links that somebody else has made, such as Splink
    Links(links::LinksArgs),
    /// Carry out a whole study again, from a file
    Suite(suite::SuiteArgs),
}

#[derive(Debug, Args)]
struct OwnArgs {
    #[command(flatten)]
    study: Study,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
    /// Write the links in Splink's columns: CSV or Parquet by the ending of the name
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the clusters in Splink's columns: CSV or Parquet by the ending of the name
    #[arg(long, value_name = "FILE")]
    clusters: Option<PathBuf>,
    /// Write every measure as a row: Parquet, JSON or CSV by the ending of the name
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
}

/// Measures and prints.
///
/// # Errors
/// When a file cannot be read or does not fit the schema, or too many pairs reach the lowest threshold. Messages name
/// files, rows and columns, never a value.
pub fn run(args: EvaluateArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        Some(Command::Links(args)) => links::run(&args),
        Some(Command::Suite(args)) => suite::run(&args),
        None => run_own(&args.own),
    }
}

fn run_own(args: &OwnArgs) -> anyhow::Result<ExitCode> {
    args.study.check()?;
    let outputs = [&args.output, &args.clusters, &args.results];
    for (index, path) in outputs.iter().enumerate() {
        if path.is_some() && outputs[..index].contains(path) {
            bail!("two outputs would be written to one file\nhint: give each a name of its own");
        }
    }
    if args.study.schema.len() * args.study.decide.len() > 1 && (args.output.is_some() || args.clusters.is_some()) {
        bail!(
            "--output and --clusters are for one schema and one way to decide\nhint: run it again with those that you want"
        );
    }
    results::refuse(args.output.iter().chain(&args.clusters), &results::OF_LINKS)?;
    results::refuse(&args.results, &results::OF_MEASURES)?;
    let outcomes = suite::outcomes(&args.study)?;
    report::warn(&outcomes);
    if let Some(path) = &args.results {
        let measurements: Vec<_> = outcomes.iter().flat_map(|outcome| outcome.measurements(&args.study.name)).collect();
        results::write(path, &measurements)?;
    }
    if let [outcome] = &outcomes[..] {
        args.output.iter().try_for_each(|path| write_links(path, outcome))?;
        args.clusters.iter().try_for_each(|path| write_clusters(path, outcome))?;
    }
    if args.json {
        let documents: Vec<_> = outcomes.iter().map(report::json).collect();
        let mut out = std::io::stdout().lock();
        match &documents[..] {
            [one] => writeln!(out, "{one:#}")?,
            several => writeln!(out, "{:#}", serde_json::Value::from(several.to_vec()))?,
        }
    } else {
        for (index, outcome) in outcomes.iter().enumerate() {
            if index > 0 {
                writeln!(std::io::stdout().lock())?;
            }
            report::table(outcome)?;
        }
        if outcomes.len() > 1 {
            writeln!(std::io::stdout().lock())?;
            report::side_by_side(&outcomes)?;
        }
    }
    Ok(if outcomes.iter().any(Outcome::set_rows_aside) { ExitCode::from(3) } else { ExitCode::SUCCESS })
}

/// Chances have seven digits, so none is nearer to 1 than this.
const SUREST: f64 = 1.0 - 1.0 / 16_777_216.0;

/// One row per linked pair. It holds record ids: treat it as you treat the extracts.
fn write_links(path: &Path, outcome: &Outcome) -> anyhow::Result<()> {
    let encoded = &outcome.encoded;
    let table = |row| encoded.names[encoded.locate(row).0].as_str();
    let id = |row| {
        let (table, row) = encoded.locate(row);
        encoded.tables[table].id(row)
    };
    let text = |of: &dyn Fn(usize) -> String| -> ArrayRef {
        Arc::new((0..outcome.links.len()).map(|index| Some(of(index))).collect::<StringArray>())
    };
    let links = &outcome.links;
    let scores: Float64Array = links.iter().map(|link| (!link.score.is_nan()).then_some(link.score)).collect();
    let exact: BooleanArray = links.iter().map(|link| Some(link.exact)).collect();
    let mut columns = Vec::new();
    if outcome.learnt.is_some() {
        // As in Splink a weight includes the prior: p = 2^w / (1 + 2^w).
        let weight = |chance: f64| (chance.min(SUREST) / (1.0 - chance.min(SUREST))).log2();
        let weights: Float64Array = outcome.chances.iter().map(|chance| chance.map(weight)).collect();
        let chances: Float64Array = outcome.chances.iter().copied().collect();
        columns.push(("match_weight", Arc::new(weights) as ArrayRef));
        columns.push(("match_probability", Arc::new(chances) as ArrayRef));
    }
    columns.extend([
        ("source_dataset_l", text(&|index| table(links[index].left).to_owned())),
        ("unique_id_l", text(&|index| id(links[index].left).to_owned())),
        ("source_dataset_r", text(&|index| table(links[index].right).to_owned())),
        ("unique_id_r", text(&|index| id(links[index].right).to_owned())),
        ("dice", Arc::new(scores) as ArrayRef),
    ]);
    if !outcome.schema.hardening().is_empty() {
        columns.push(("dice_before_hardening", Arc::new(estimates_before_hardening(outcome)) as ArrayRef));
    }
    columns.push(("exact", Arc::new(exact) as ArrayRef));
    results::write_columns(path, columns)
}

/// What the similarity of each link that has one is likely to have been before hardening.
fn estimates_before_hardening(outcome: &Outcome) -> Float64Array {
    let (model, bits) = (outcome.schema.hardening_model(), outcome.schema.clk_bits());
    let words = |row| {
        let (table, row) = outcome.encoded.locate(row);
        outcome.encoded.tables[table].tokens[row as usize].clk.words()
    };
    let estimate = |link: &LinkedPair| {
        let differing = words(link.left).iter().zip(words(link.right)).map(|(a, b)| (a ^ b).count_ones()).sum();
        (!link.score.is_nan()).then(|| model.estimate_before(differing, bits))
    };
    outcome.links.iter().map(estimate).collect()
}

/// One row per record; a record that is linked to nothing is a cluster of its own, as in Splink.
fn write_clusters(path: &Path, outcome: &Outcome) -> anyhow::Result<()> {
    let encoded = &outcome.encoded;
    let mut members: Vec<(u64, Member)> = Vec::new();
    for (number, cluster) in (0..).zip(&outcome.clusters) {
        members.extend(cluster.members.iter().map(|member| (number, *member)));
    }
    let linked: HashSet<Member> = members.iter().map(|(_, member)| *member).collect();
    let all = (0u16..)
        .zip(&encoded.tables)
        .flat_map(|(database, table)| (0..table.tokens.len() as u32).map(move |record| Member { database, record }));
    let alone = all.filter(|member| !linked.contains(member));
    members.extend((outcome.clusters.len() as u64..).zip(alone));
    let numbers: UInt64Array = members.iter().map(|(number, _)| Some(*number)).collect();
    let table = |member: &Member| encoded.names[usize::from(member.database)].as_str();
    let id = |member: &Member| encoded.tables[usize::from(member.database)].id(member.record);
    let tables: StringArray = members.iter().map(|(_, member)| Some(table(member))).collect();
    let ids: StringArray = members.iter().map(|(_, member)| Some(id(member))).collect();
    let columns = vec![
        ("cluster_id", Arc::new(numbers) as ArrayRef),
        ("source_dataset", Arc::new(tables) as ArrayRef),
        ("unique_id", Arc::new(ids) as ArrayRef),
    ];
    results::write_columns(path, columns)
}
