//! `linkage demo`: the main job, for real, on one machine.
//!
//! A review committee, a linkage unit, the data custodians (five, or those of a study), two projects and an auditor each get a folder of their own
//! and run the real programs as processes of their own: nobody's memory holds another's secret. The linkage
//! service listens on loopback with mutual TLS. Only the population is made up.

mod act;
mod extracts;
mod party;
mod quality;
mod summary;

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use linkage_service::config::Candidates;

use act::Stage;

const EXAMPLES: &str = "\
Examples:
  linkage demo                          20,000 people; everything is deleted at the end
  linkage demo --people 2000 --json     a small one, for a script
  linkage demo --candidates bands       pairs that agree in a band of bits, with their certificate
  linkage demo --extracts study         what `linkage generate extracts -o study` wrote
  linkage demo --keep demo              keep every party's folder, to look around in and go on from";

/// Options of `linkage demo`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DemoArgs {
    /// Size of the made-up population
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(200..=1_000_000))]
    people: u64,
    /// Seed of the made-up population: the same seed gives the same people
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Link these extracts, which `linkage generate extracts` wrote, instead of CSV files of its own
    #[arg(long, value_name = "DIR", conflicts_with_all = ["people", "seed"])]
    extracts: Option<PathBuf>,
    /// Let the run learn from its tokens what a match is, instead of taking the schema's threshold
    #[arg(long)]
    learnt: bool,
    /// Which pairs of records the run compares: all-pairs, bands (with a certified recall), keyed (by blocking keys) or auto
    #[arg(long, default_value = "all-pairs")]
    candidates: Candidates,
    /// The recall that bands are asked for
    #[arg(long, default_value_t = 0.99)]
    recall: f64,
    /// Work in this new folder and keep it
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Print the result as one JSON object, and no command lines
    #[arg(long)]
    json: bool,
}

/// Runs the demo and prints its table.
///
/// # Errors
/// When any of the command lines does not end as it should, or the folder to keep already has something in it.
pub fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let folder = match &args.keep {
        None => None,
        Some(keep) => Some(empty_folder(keep)?),
    };
    // Kept alive until the end: dropping it deletes the stage.
    let temporary = match folder {
        Some(_) => None,
        None => {
            Some(tempfile::Builder::new().prefix("linkage-demo-").tempdir().context("cannot make a temporary folder")?)
        }
    };
    let folder = folder.unwrap_or_else(|| temporary.as_ref().map(|t| t.path().to_owned()).unwrap_or_default());

    let summary = Stage::set(&folder, &args)?.play()?;
    let mut stdout = std::io::stdout().lock();
    if args.json {
        writeln!(stdout, "{}", serde_json::to_string_pretty(&summary)?)?;
    } else {
        summary.print(&mut stdout, std::io::stdout().is_terminal())?;
        if let Some(keep) = &args.keep {
            writeln!(stdout, "\nKept in {}: one folder per party.", keep.display())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn empty_folder(folder: &PathBuf) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    if std::fs::read_dir(folder)?.next().is_some() {
        bail!("{} is not empty\nhint: give a new folder; a demo never writes over an earlier one", folder.display());
    }
    Ok(folder.canonicalize()?)
}
