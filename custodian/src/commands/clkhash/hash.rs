//! `custodian clkhash hash`: from a CSV file to the CLKs that clkhash makes of it.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::bail;
use linkage_core::clkhash::{BrokenRule, ClkJsonWriter, ClkhashEncoder, ClkhashSchema};
use rayon::iter::ParallelIterator;
use rayon::slice::ParallelSlice;
use serde_json::json;

use super::{load_schema, load_secret};
use crate::cli::Done;
use crate::figure::grouped;
use crate::output::{self, WholeFile, at, rate, refuse_output};
use crate::rows::TextRows;

/// Rows that are read before they are encoded, and rows per piece of parallel work.
const BATCH_ROWS: usize = 32_768;
const PIECE_ROWS: usize = 4096;

/// Values named one by one before the rest is only counted.
const MOST_NAMED: usize = 5;

/// Make CLKs from a CSV file, bit for bit as clkhash 0.18 does
///
/// The header must have the schema's identifiers in their order. A value that breaks the schema's rules stops the whole
/// file, as it does in clkhash: CLKs have no ids, so that leaving out a row would shift all that follow.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The clkhash linkage schema, version 3
    #[arg(long, value_name = "FILE")]
    clkhash_schema: PathBuf,
    /// The secret that the parties share: a file with one line, which only you can read
    #[arg(long, value_name = "FILE")]
    secret: PathBuf,
    /// Replace the output if it is there already
    #[arg(long)]
    force: bool,
    /// Print the summary as JSON on stdout
    #[arg(long)]
    json: bool,
    /// The file of CLKs to write: {"clks": [base64, …]}
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The extract: CSV in UTF-8 with a header
    #[arg(value_name = "IN.csv")]
    input: PathBuf,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Done> {
    let started = Instant::now();
    let schema = load_schema(&args.clkhash_schema)?;
    let secret = load_secret(&args.secret)?;
    // Made once here, so that a secret or schema that cannot be used is refused before any work is done.
    ClkhashEncoder::new(&schema, &secret)?;
    let reads = || Ok(vec![args.input.clone(), args.clkhash_schema.clone(), args.secret.clone()]);
    refuse_output(&args.output, args.force, reads)?;
    let mut reader = TextRows::open(&args.input)?;
    refuse_header(args, &schema, &reader)?;

    let mut whole = WholeFile::create(&args.output, args.force)?;
    let mut writer = ClkJsonWriter::new(&mut whole).map_err(|error| at(&args.output, error))?;
    let mut rows: Vec<csv::StringRecord> = Vec::new();
    let mut broken = Broken::default();
    let mut first_row = 2;
    loop {
        rows.clear();
        while rows.len() < BATCH_ROWS
            && let Some(row) = reader.next()?
        {
            rows.push(row);
        }
        if rows.is_empty() {
            break;
        }
        let pieces: Vec<_> = rows.par_chunks(PIECE_ROWS).map(|rows| encode(&schema, &secret, rows)).collect();
        for (index, clk) in pieces.into_iter().flatten().enumerate() {
            match clk {
                Ok(clk) => writer.write(&clk).map_err(|error| at(&args.output, error))?,
                Err(rule) => broken.add(first_row + index as u64, rule, &schema),
            }
        }
        first_row += rows.len() as u64;
    }
    if broken.count > 0 {
        bail!("{}", at(&args.input, broken.message()));
    }
    let (_, written) = writer.finish().map_err(|error| at(&args.output, error))?;
    whole.finish()?;
    let elapsed = started.elapsed();
    let speed = rate(written, elapsed);
    output::talk(&format!("wrote `{}`: {} CLKs, {}/s", args.output.display(), grouped(written), grouped(speed)));
    if args.json {
        let key_check = ClkhashEncoder::key_check(&secret);
        let summary = json!({ "output": args.output, "clks": written, "clk_bits": schema.clk_bits(),
            "schema_digest": schema.digest(), "key_check": key_check, "elapsed_seconds": elapsed.as_secs_f64() });
        output::data(&format!("{summary:#}\n"))?;
    }
    Ok(Done::Clean)
}

fn encode(schema: &ClkhashSchema, secret: &[u8], rows: &[csv::StringRecord]) -> Vec<Result<Vec<u8>, BrokenRule>> {
    let mut encoder = ClkhashEncoder::new(schema, secret).expect("the same schema and secret have worked before");
    rows.iter().map(|row| encoder.encode(&row.iter().collect::<Vec<_>>())).collect()
}

fn refuse_header(args: &Args, schema: &ClkhashSchema, reader: &TextRows) -> anyhow::Result<()> {
    let found: Vec<&str> = reader.header().collect();
    if found.len() != schema.columns().len() {
        let counts = format!("{} columns, where the schema has {}", found.len(), schema.columns().len());
        return Err(at(&args.input, format!("{counts}\nhint: the schema lists ignored columns too")));
    }
    // A column's name may be a value, if the header is missing: so only the schema's names are shown.
    match found.iter().zip(schema.columns()).position(|(found, expected)| *found != expected) {
        Some(index) => {
            let expected = schema.columns().nth(index).unwrap_or_default();
            let what = format!("column {} of the header is not {expected:?}", index + 1);
            Err(at(&args.input, format!("{what}\nhint: the schema's identifiers, in their order, are the header")))
        }
        None => Ok(()),
    }
}

/// The values that the schema refuses.
#[derive(Default)]
struct Broken {
    count: u64,
    named: Vec<String>,
}

impl Broken {
    fn add(&mut self, row: u64, broken: BrokenRule, schema: &ClkhashSchema) {
        self.count += 1;
        if self.named.len() < MOST_NAMED {
            let column = schema.columns().nth(broken.column).unwrap_or_default();
            self.named.push(format!("row {row}, column {column:?}: {}", broken.rule));
        }
    }

    fn message(&self) -> String {
        let rows = if self.count == 1 { "1 row breaks" } else { "rows break" };
        let count = if self.count == 1 { String::new() } else { format!("{} ", grouped(self.count)) };
        format!(
            "{count}{rows} the schema's rules; nothing has been written\n{}\nhint: mend the rows, or the schema's formats",
            self.named.join("\n")
        )
    }
}
