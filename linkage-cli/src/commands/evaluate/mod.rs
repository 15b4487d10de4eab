//! `linkage evaluate`: how good are the links between two files whose truth is known?
//!
//! Nothing is sealed or sent: both files are read, normalised and encoded here under a throw-away secret, and every pair
//! is compared. So a methodologist learns what a linkage schema is worth before any custodian uses it.

mod read;
mod report;
mod thresholds;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use linkage_core::dice::Kernel;
use linkage_core::encode::Encoder;
use linkage_core::evaluate::{Comparison, LinkedPair, curve, one_to_one};
use linkage_core::schema::LinkageSchema;
use linkage_core::secret::LinkageSecret;
use linkage_core::source::Encoding;

use read::{Columns, Table};
use thresholds::Thresholds;

/// More pairs than this do not help anybody, and would not fit into memory for long.
const MOST_PAIRS: usize = 50_000_000;

/// The arguments of `linkage evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// The left file: CSV with a header
    #[arg(long, value_name = "CSV")]
    left: PathBuf,
    /// The right file: CSV with a header
    #[arg(long, value_name = "CSV")]
    right: PathBuf,
    /// A shipped linkage schema (person-en, person-ja) or the path of one
    #[arg(long, value_name = "NAME|PATH")]
    schema: String,
    /// The true pairs: CSV with the columns left_id and right_id, or `febrl` for ids like rec-7-org and rec-7-dup-0
    #[arg(long, value_name = "CSV|febrl")]
    truth: PathBuf,
    /// The column that identifies a record, in both files
    #[arg(long, value_name = "COLUMN", default_value = "rec_id")]
    id_column: String,
    /// Read a field of the schema from another column, in both files; repeatable; `FIELD=` if there is none
    #[arg(long, value_name = "FIELD=COLUMN", value_parser = field_and_column)]
    map: Vec<(String, String)>,
    /// The encoding of the left file: utf-8 or cp932
    #[arg(long, value_name = "NAME", default_value = "utf-8")]
    left_encoding: Encoding,
    /// The encoding of the right file: utf-8 or cp932
    #[arg(long, value_name = "NAME", default_value = "utf-8")]
    right_encoding: Encoding,
    /// The throw-away linkage secret is made from this number, so that a run can be repeated
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The thresholds to measure at: from..to:step, or a list with commas
    #[arg(long, value_name = "LIST", default_value = "0.50..0.95:0.05")]
    thresholds: Thresholds,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Write the one-to-one links at the schema's own threshold: left_id, right_id, score, exact
    #[arg(short, long, value_name = "CSV")]
    output: Option<PathBuf>,
}

fn field_and_column(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((field, column)) if !field.is_empty() => Ok((field.to_owned(), column.to_owned())),
        _ => Err("write it as FIELD=COLUMN".to_owned()),
    }
}

/// Measures and prints.
///
/// # Errors
/// When a file cannot be read or does not fit the schema, or too many pairs reach the lowest threshold. Messages name
/// files, rows and columns, never a value.
pub fn run(args: EvaluateArgs) -> anyhow::Result<ExitCode> {
    let schema = LinkageSchema::load(&args.schema)?;
    let secret = LinkageSecret::from_bytes(blake3::derive_key(
        "linkage evaluate throw-away secret v1",
        &args.seed.to_le_bytes(),
    ));
    let encoder = Encoder::new(&schema, &secret);
    let columns = |encoding| Columns { id: &args.id_column, map: &args.map, encoding };
    let left = Table::read(&args.left, &schema, &encoder, &columns(args.left_encoding))?;
    let right = Table::read(&args.right, &schema, &encoder, &columns(args.right_encoding))?;
    let truth = read::truth(&args.truth, &left, &right)?;

    let own = schema.threshold();
    let thresholds = args.thresholds.with(own);
    let lowest = *thresholds.first().context("there is at least the schema's own threshold")?;
    let kernel = Kernel::detect()?;
    let comparison = Comparison::segmented(&left.tokens, &right.tokens, schema.layout().segments())?;
    let Some(pairs) = comparison.pairs(kernel, lowest, MOST_PAIRS) else {
        bail!("more than {MOST_PAIRS} pairs reach {lowest}\nhint: raise the lowest of --thresholds");
    };
    let levels: Vec<f64> = thresholds.iter().map(|threshold| threshold.as_f64()).collect();
    let points = curve(&pairs, &truth.pairs, &levels);

    let notes = report::Notes { left: &left, right: &right, truth: &truth, schema: &schema, pairs: &pairs };
    notes.warn();
    if let Some(path) = &args.output {
        let links = one_to_one(&pairs).into_iter().filter(|link| link.accepted(own.as_f64()));
        write_links(path, links, &left, &right).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if args.json {
        report::json(&notes, &points)?
    } else {
        report::table(&notes, &points)?
    }
    let set_aside = left.malformed_rows + right.malformed_rows > 0;
    Ok(if set_aside { ExitCode::from(3) } else { ExitCode::SUCCESS })
}

fn write_links(
    path: &std::path::Path,
    links: impl Iterator<Item = LinkedPair>,
    left: &Table,
    right: &Table,
) -> anyhow::Result<()> {
    // A file that is there is whole: it appears under its name when everything is written.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(std::path::Path::new("."));
    let mut writer = csv::Writer::from_writer(tempfile::NamedTempFile::new_in(folder)?);
    writer.write_record(["left_id", "right_id", "score", "exact"])?;
    for link in links {
        let (score, exact) = (format!("{:.6}", link.score), link.exact.to_string());
        writer.write_record([left.id(link.left), right.id(link.right), &score, &exact])?;
    }
    let file = writer.into_inner().map_err(|error| error.into_error())?;
    file.persist(path)?;
    Ok(())
}
