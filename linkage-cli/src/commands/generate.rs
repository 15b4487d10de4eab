//! `linkage generate`: people who do not exist, what databases would hold of them, and errors in a table of one's own.
//!
//! A thin shell over `linkage-datasets`. Nothing is overwritten, and nothing has its name before it is whole.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use linkage_datasets::{
    ColumnKind, CorruptModel, CorruptOptions, DAYS, DatasetError, Date, ExtractManifest, ExtractOptions, Model,
    PopulationModel, REFERENCE_DATE, corrupt_csv, write_extracts, write_population,
};
use serde_json::{Value, json};

use sweep::Sweep;

mod sweep;

const EXAMPLES: &str = "\
Examples:
  linkage generate population -o people.csv --people 1000000 --seed 7
  linkage generate extracts -o study --people 200000 --database ndb --database denkaru
  linkage generate extracts -o sweep --people 50000 --sweep kana_typo=0,0.01,0.05
  linkage generate corrupt mine.csv -o damaged.csv --truth truth.csv --id-column id \\
      --column surname=latin --column given_name=latin --column date_of_birth=date \\
      --swap surname,given_name
  linkage generate model > model.toml";

/// The arguments of `linkage generate`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct GenerateArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write a population as one CSV file
    Population(PopulationArgs),
    /// Write what each database holds of a population, in its custodian's format, and the truth
    Extracts(ExtractsArgs),
    /// Write a damaged copy of a CSV file, and the truth
    Corrupt(CorruptArgs),
    /// Print the model with every rate, as TOML, to begin one's own with
    Model,
}

#[derive(Debug, Args)]
struct People {
    /// Number of people
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    people: u64,
    /// The same seed gives the same bytes
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Rates of the population, of errors and of habits: TOML or JSON; what it leaves out has its default
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Number of threads; all cores by default. The result does not depend on it
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Print JSON instead of a text; of a sweep a list, one object per dataset
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct PopulationArgs {
    /// The CSV file to write
    #[arg(short, long, value_name = "CSV")]
    output: PathBuf,
    /// The day as of which people are seen
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    as_of: Option<Date>,
    #[command(flatten)]
    people: People,
}

#[derive(Debug, Args)]
struct ExtractsArgs {
    /// The folder to write: extracts, truth.csv and manifest.json; with --sweep one such folder per rate, called DIR-NAME-RATE
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Only this database; repeatable
    #[arg(long, value_name = "NAME")]
    database: Vec<String>,
    /// Set a rate of the model; repeatable. NAME is a rate such as kana_typo, databases.ndb.kana_typo or
    /// databases.jisedai.insured
    #[arg(long, value_name = "NAME=RATE", value_parser = rate)]
    set: Vec<(String, f64)>,
    /// Write one dataset per rate; of the same people, but for some rates of the population
    #[arg(long, value_name = "NAME=RATE,RATE…")]
    sweep: Option<Sweep>,
    #[command(flatten)]
    people: People,
}

#[derive(Debug, Args)]
struct CorruptArgs {
    /// The CSV file to damage; it is only read
    input: PathBuf,
    /// The damaged copy
    #[arg(short, long, value_name = "CSV")]
    output: PathBuf,
    /// The truth: left_id (of the input), right_id (of the copy), errors
    #[arg(long, value_name = "CSV")]
    truth: PathBuf,
    /// The column that identifies a row: not empty, never twice, and never damaged
    #[arg(long, value_name = "COLUMN", default_value = "record_id")]
    id_column: String,
    /// What a column holds: latin, kana, kanji, date, digits or sex; repeatable. Other columns stay as they are
    #[arg(long, value_name = "COLUMN=KIND", required = true)]
    column: Vec<String>,
    /// Two columns whose values may be swapped; repeatable
    #[arg(long, value_name = "COLUMN,COLUMN", value_parser = pair)]
    swap: Vec<(String, String)>,
    /// How often what happens: TOML or JSON; what it leaves out has its default
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Set a rate of the model, such as keyboard=0.05; repeatable
    #[arg(long, value_name = "NAME=RATE", value_parser = rate)]
    set: Vec<(String, f64)>,
    /// The encoding of the input: utf-8 or cp932
    #[arg(long, value_name = "NAME", default_value = "utf-8", value_parser = ["utf-8", "cp932"])]
    encoding: String,
    /// The same seed gives the same bytes
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Print a JSON object instead of a text
    #[arg(long)]
    json: bool,
}

fn day(text: &str) -> Result<Date, String> {
    let day = Date::parse(text).filter(|day| DAYS.contains(day));
    day.ok_or_else(|| format!("write YYYY-MM-DD, from {} to {}", DAYS.start(), DAYS.end()))
}

fn rate(text: &str) -> Result<(String, f64), String> {
    let parsed = text.split_once('=').and_then(|(name, rate)| Some((name.to_owned(), rate.parse().ok()?)));
    parsed.ok_or_else(|| "write NAME=RATE, with a number from 0 to 1".into())
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once(',') {
        Some((a, b)) if !a.is_empty() && !b.is_empty() => Ok((a.to_owned(), b.to_owned())),
        _ => Err("write COLUMN,COLUMN".into()),
    }
}

/// Makes and writes.
///
/// # Errors
/// When a model or an input cannot be read, or an output exists or cannot be written. Messages hold no value of a row.
pub fn run(args: GenerateArgs) -> anyhow::Result<ExitCode> {
    match args.what {
        What::Population(args) => population(args),
        What::Extracts(args) => extracts(args),
        What::Corrupt(args) => corrupt(args),
        What::Model => say(&Model::default().to_toml()?),
    }
}

fn population(args: PopulationArgs) -> anyhow::Result<ExitCode> {
    let People { people, seed, threads, json, .. } = args.people;
    let model = args.people.model()?;
    if (Model { population: PopulationModel::default(), ..model.clone() }) != Model::default() {
        use std::io::Write as _;
        // Nothing can be done about a closed stderr.
        let _ = writeln!(std::io::stderr(), "note: a population has no errors: of the model [population] alone counts");
    }
    let day = args.as_of.unwrap_or(REFERENCE_DATE);
    let bar = progress(people, "people", json);
    let rows = write_population(&args.output, (people, seed), &model.population, day, cores(threads), &mut |done| {
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    match json {
        true => say(&format!("{}\n", json!({"people": people, "seed": seed, "rows": rows, "file": args.output}))),
        false => say(&format!("{rows} people in {}\n", args.output.display())),
    }
}

fn extracts(args: ExtractsArgs) -> anyhow::Result<ExitCode> {
    let People { people, seed, threads, json, .. } = args.people;
    let mut model = args.people.model()?;
    for (name, rate) in &args.set {
        model.set(name, *rate)?;
    }
    let options = ExtractOptions { people, seed, model, databases: args.database, threads: cores(threads) };
    let (points, rounds) = match &args.sweep {
        Some(sweep) => (sweep.points(&args.output, &options.model)?, sweep.rates.len() as u64),
        None => (vec![(args.output.clone(), options.model.clone())], 1),
    };
    let bar = progress(people * rounds, "people", json);
    let mut manifests = Vec::new();
    for (folder, model) in points {
        let options = ExtractOptions { model, ..options.clone() };
        let before = manifests.len() as u64 * people;
        let manifest = write_extracts(&folder, &options, &mut |done| bar.set_position(before + done));
        manifests.push((folder, manifest?));
    }
    bar.finish_and_clear();
    if json {
        return say(&format!("{}\n", document(&manifests, args.sweep.is_some())));
    }
    let mut text = String::new();
    for (folder, manifest) in &manifests {
        text += &format!("{}: {people} people, truth in {}\n", folder.display(), manifest.truth);
        for database in &manifest.databases {
            text += &format!("  {:<10}{:>12} records  {}\n", database.name, database.records, database.files.join(" "));
        }
    }
    say(&text)
}

/// What was written, as one document: a list of datasets when it is a sweep.
fn document(manifests: &[(PathBuf, ExtractManifest)], is_sweep: bool) -> Value {
    let dataset = |(folder, manifest): &(PathBuf, ExtractManifest)| {
        let databases: Vec<_> = manifest
            .databases
            .iter()
            .map(|d| json!({"database": d.name, "files": d.files, "read_with": d.read_with, "records": d.records}))
            .collect();
        json!({"folder": folder, "people": manifest.people, "seed": manifest.seed, "databases": databases, "truth": manifest.truth})
    };
    match manifests {
        [one] if !is_sweep => dataset(one),
        several => several.iter().map(dataset).collect(),
    }
}

fn corrupt(args: CorruptArgs) -> anyhow::Result<ExitCode> {
    let mut model = match &args.model {
        Some(path) => CorruptModel::parse(&read(path)?)?,
        None => CorruptModel::default(),
    };
    for (name, rate) in &args.set {
        anyhow::ensure!(model.set(name, *rate), "no rate is called `{name}`\nhint: there are {}", names(&model));
    }
    let options = CorruptOptions {
        columns: args.column.iter().map(|text| ColumnKind::parse(text)).collect::<Result<_, _>>()?,
        swaps: args.swap,
        id_column: args.id_column,
        cp932: args.encoding == "cp932",
        model,
        seed: args.seed,
    };
    let bar = if args.json { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    let report = corrupt_csv(&args.input, &args.output, &args.truth, &options, &mut |rows| bar.set_position(rows))?;
    bar.finish_and_clear();
    match args.json {
        true => say(&format!("{}\n", serde_json::to_string(&report)?)),
        false => say(&format!(
            "{} rows, {} written, {} of them damaged\n",
            report.rows, report.written_rows, report.damaged_rows
        )),
    }
}

fn names(model: &CorruptModel) -> String {
    model.all().into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(", ")
}

impl People {
    fn model(&self) -> anyhow::Result<Model> {
        match &self.model {
            Some(path) => Ok(Model::parse(&read(path)?)?),
            None => Ok(Model::default()),
        }
    }
}

fn read(path: &Path) -> Result<String, DatasetError> {
    fs::read_to_string(path).map_err(|cause| DatasetError::Read { path: path.to_owned(), cause })
}

fn cores(threads: Option<usize>) -> usize {
    threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// A bar on stderr, when that is a terminal.
fn progress(total: u64, what: &'static str, hidden: bool) -> ProgressBar {
    if hidden {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg} {eta}") {
        bar.set_style(style);
    }
    bar.with_message(what)
}

fn say(text: &str) -> anyhow::Result<ExitCode> {
    use std::io::Write as _;
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
