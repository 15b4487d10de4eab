//! `custodian report`: what an extract is like, for the site's own eyes and for whoever it may pass it on to.

use std::path::PathBuf;

use anyhow::anyhow;
use linkage_core::secret::LinkageSecret;
use zeroize::Zeroizing;

use crate::cli::Done;
use crate::figure::SMALL_CELL;
use crate::intake::InputArgs;
use crate::output;
use crate::refs::SiteKey;
use crate::report::survey::Survey;
use crate::report::{Hiding, Report, html, text};

const EXAMPLES: &str = "\
Examples:
  custodian report --schema person-ja --mapping mapping.toml patients.csv
  custodian report --schema person-ja --id-column id --html report.html \\
      --secret linkage.secret people.csv";

/// Report on an extract: fill rates, uniqueness, every alteration by class, every broken rule
///
/// Counts from 1 to 9 are hidden, and no value is ever shown. Nothing leaves the site.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Write the report as an HTML page that needs nothing from outside
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Replace the page if it is there already
    #[arg(long, requires = "html")]
    force: bool,
    /// How many row numbers to list per rule, at most 100; 0 for a report that is passed on
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=100))]
    rows: u8,
    /// Hide counts below this; not less than 10
    #[arg(long, value_name = "N", default_value_t = SMALL_CELL, value_parser = clap::value_parser!(u64).range(SMALL_CELL..=1_000_000))]
    small_cell: u64,
    /// The linkage secret: then the density of the CLKs is shown too
    #[arg(long, value_name = "FILE")]
    secret: Option<PathBuf>,
    #[command(flatten)]
    input: InputArgs,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Done> {
    let schema = args.input.load_schema()?;
    if let Some(page) = &args.html {
        let reads = || Ok(args.input.read_files()?.into_iter().chain(args.secret.clone()).collect());
        output::refuse_output(page, args.force, reads)?;
    }
    let no_randomness = |error| anyhow!("the operating system gave no randomness: {error}");
    let secret = match &args.secret {
        Some(path) => LinkageSecret::load(path)?,
        None => LinkageSecret::generate(getrandom::fill).map_err(no_randomness)?,
    };
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(key.as_mut_slice()).map_err(no_randomness)?;
    let database = "report".parse().map_err(|error| anyhow!("{error}"))?;
    let refs = SiteKey::generate().refs(&database);
    let mut survey = Survey::new(&schema, key);
    let intake = args.input.run_surveyed(&schema, &secret, &refs, &std::env::temp_dir(), &mut survey)?;
    let hiding = Hiding { limit: args.small_cell };
    if let Some(opt_out) = intake.opt_out {
        opt_out.lines(args.small_cell).iter().for_each(|line| output::talk(line));
    }
    let report = Report::new(&schema, &intake, &survey, hiding, usize::from(args.rows), args.secret.is_some());
    if let Some(page) = &args.html {
        output::write_whole(page, &html(&report), args.force)?;
        output::talk(&format!("wrote `{}`", page.display()));
    }
    if args.json {
        output::data(&report.json())?;
    } else if args.html.is_none() {
        output::data(&text(&report))?;
    }
    Ok(if intake.findings.set_aside_rows() > 0 { Done::RowsSetAside } else { Done::Clean })
}
