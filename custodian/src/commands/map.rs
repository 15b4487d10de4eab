//! `custodian map`: propose which column of an extract is which field.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use linkage_core::schema::LinkageSchema;
use linkage_core::source::Encoding;
use serde_json::json;

use crate::cli::Done;
use crate::guess::{SAMPLE_BYTES, Sample, propose};
#[cfg(feature = "parquet")]
use crate::inputs::Format;
use crate::inputs::parse_encoding;
use crate::looks;
use crate::output::{self, at};

const EXAMPLES: &str = "\
Examples:
  custodian map --guess patients.csv --schema person-ja -o mapping.toml
  custodian check --schema person-ja --mapping mapping.toml patients.csv
  custodian tokenise --schema person-ja --mapping mapping.toml … (once it says confirmed = true)";

/// Propose a mapping file from the names of the columns and from what their values look like
///
/// Each guess has its confidence and reason. The mapping must be read and confirmed by a person before `tokenise`
/// takes it. No value of the extract is shown or written.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The extract to look at; - for stdin
    #[arg(long, value_name = "IN")]
    guess: PathBuf,
    /// The linkage schema: the name of a shipped one or the path of a file
    #[arg(long, value_name = "NAME|FILE")]
    schema: String,
    /// How the extract is encoded [default: guessed, for you to confirm]
    #[arg(long, value_parser = parse_encoding)]
    encoding: Option<Encoding>,
    /// The mapping file to write [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print the confidence of each guess as JSON on stdout
    #[arg(long, requires = "output")]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Done> {
    let schema = LinkageSchema::load(&args.schema)?;
    if let Some(path) = &args.output
        && path.try_exists().map_err(|error| at(path, error))?
    {
        return Err(at(path, "there is a file of this name\nhint: choose another one"));
    }
    let Some(sample) = sample(args)? else {
        return Err(at(&args.guess, "there is no row in it\nhint: give a CSV or Parquet file"));
    };
    let proposal = propose(&sample, &schema);
    let Some(path) = &args.output else {
        output::data(&proposal.text)?;
        return Ok(Done::Clean);
    };
    output::write_whole(path, &proposal.text, false)?;
    for (field, confidence) in &proposal.fields {
        let confidence = confidence.map_or("no column found", |confidence| confidence.name());
        output::talk(&format!("{field}: {confidence}"));
    }
    output::talk(&format!("wrote `{}`: read it, correct it, then set confirmed = true", path.display()));
    if args.json {
        let fields = proposal.fields.iter().map(|(field, confidence)| {
            json!({ "field": field, "confidence": confidence.map(|confidence| confidence.name()) })
        });
        output::data(&format!("{:#}\n", json!({ "output": path, "fields": fields.collect::<Vec<_>>() })))?;
    }
    Ok(Done::Clean)
}

/// The first rows of the extract; `None` when there is none.
fn sample(args: &Args) -> anyhow::Result<Option<Sample>> {
    let failed = |error: io::Error| at(&args.guess, error);
    let mut start = Vec::new();
    let stdin = args.guess == Path::new("-");
    let file = if stdin { None } else { Some(File::open(&args.guess).map_err(failed)?) };
    let extract: Box<dyn Read + '_> = match &file {
        None => Box::new(io::stdin()),
        Some(file) => Box::new(file),
    };
    extract.take(SAMPLE_BYTES as u64).read_to_end(&mut start).map_err(failed)?;
    match (looks::format_of_start(&start), file) {
        (None, _) => Ok(Sample::read(&start, args.encoding)),
        #[cfg(feature = "parquet")]
        (Some(Format::Parquet), Some(file)) if args.encoding.is_none() => {
            Sample::read_parquet(&file).map_err(|error| at(&args.guess, error))
        }
        #[cfg(feature = "parquet")]
        (Some(Format::Parquet), _) => Err(at(
            &args.guess,
            "Parquet is read from a file, and is UTF-8\nhint: name the file, and leave --encoding out",
        )),
        (Some(format), _) => {
            let format = looks::name(format);
            Err(at(
                &args.guess,
                format!(
                    "it begins like a file of `--format {format}`, whose columns have fixed names\n\
                     hint: it needs no mapping; try `custodian check --format {format}`"
                ),
            ))
        }
    }
}
