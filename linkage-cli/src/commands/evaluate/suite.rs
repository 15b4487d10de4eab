//! `linkage evaluate suite`: a whole study again, from one file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use linkage_core::schema::LinkageSchema;
use serde::Deserialize;

use super::measure::Outcome;
use super::rows::open;
use super::study::Study;
use super::{report, results};

const EXAMPLES: &str = "\
Examples:
  linkage evaluate suite study.toml --results study.parquet

study.toml:
  [[study]]
  name = \"febrl4-half\"
  left = \"half/a.csv\"
  right = \"half/b.csv\"
  truth = \"half/truth.csv\"
  schema = [\"person-en\", \"person-en-max-quality\"]

Keys are the options of `linkage evaluate`, with underscores; paths lie beside the file.";

/// The arguments of `linkage evaluate suite`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SuiteArgs {
    /// The suite: TOML with a list of studies
    #[arg(value_name = "SUITE.toml")]
    suite: PathBuf,
    /// Write every measure of every study as a row: Parquet, JSON or CSV by the ending of the name
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Suite {
    study: Vec<Study>,
}

pub(super) fn run(args: &SuiteArgs) -> anyhow::Result<ExitCode> {
    results::refuse(&args.results, &results::OF_MEASURES)?;
    let context = || format!("{}", args.suite.display());
    let text = open(&args.suite).and_then(|file| Ok(std::io::read_to_string(file)?)).with_context(context)?;
    let suite: Suite = toml::from_str(&text).map_err(|error| {
        let said = error.to_string();
        anyhow!("{}: {}\nhint: `linkage evaluate suite --help` shows one", args.suite.display(), said.trim_end())
    })?;
    if suite.study.is_empty() {
        bail!("{}: there is no [[study]] in it", args.suite.display());
    }
    let folder = args.suite.parent().unwrap_or(Path::new(""));
    let studies: Vec<Study> = suite.study.into_iter().map(|study| study.within(folder)).collect();
    for (index, study) in studies.iter().enumerate() {
        let context = || format!("{}: study {}", args.suite.display(), index + 1);
        study.check().with_context(context)?;
        if let Some(first) = studies[..index].iter().position(|other| other.name == study.name) {
            bail!(
                "{}: it has the name of study {}\nhint: rows of the results are told apart by it",
                context(),
                first + 1
            );
        }
    }
    let (mut measurements, mut set_aside) = (Vec::new(), false);
    for (number, study) in studies.iter().enumerate() {
        report::talk(&format!("study {}: {}", number + 1, study.name));
        let outcomes = outcomes(study).with_context(|| format!("study {:?}", study.name))?;
        report::warn(&outcomes);
        set_aside |= outcomes.iter().any(Outcome::set_rows_aside);
        outcomes.iter().for_each(|outcome| measurements.extend(outcome.measurements(&study.name)));
        report::line(&format!("\n{}", study.name))?;
        report::side_by_side(&outcomes)?;
    }
    if let Some(path) = &args.results {
        results::write(path, &measurements)?;
    }
    Ok(if set_aside { ExitCode::from(3) } else { ExitCode::SUCCESS })
}

/// One outcome for each schema of a study and each way to choose links.
pub(super) fn outcomes(study: &Study) -> anyhow::Result<Vec<Outcome>> {
    let schemas = study.schema.iter().map(|schema| Ok(LinkageSchema::load(schema)?));
    let schemas: Vec<LinkageSchema> = schemas.collect::<anyhow::Result<_>>()?;
    let ways = schemas.iter().flat_map(|schema| study.decide.iter().map(move |decide| (schema.clone(), *decide)));
    ways.map(|(schema, decide)| Outcome::measure(study, schema, decide)).collect()
}
