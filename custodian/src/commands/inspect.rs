//! `custodian inspect`: what is about to leave the site, for a person to read.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use anyhow::anyhow;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, UInt16Type};
use linkage_core::error::TokenFileError;
use linkage_core::schema::LinkageSchema;
use linkage_core::token_file::{TokenFileHeader, TokenFileReader, TokenFileStats};
use serde_json::json;

use crate::cli::Done;
use crate::figure::{Figure, SMALL_CELL, grouped, remainder, share, suppressed};
use crate::output::{self, at};
use crate::refs::SiteKey;

const EXAMPLES: &str = "\
Examples:
  custodian inspect --site-key ndb.site-key ndb.tokens
  custodian inspect --site-key ndb.site-key --rows 3 ndb.tokens";

/// Open a token file, verify all of it and show what it holds
///
/// The site key of `tokenise` opens it, and so does the identity of the linkage unit.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Your site key, or another age identity that can open the file
    #[arg(long, alias = "identity", value_name = "FILE")]
    site_key: PathBuf,
    /// Name the fields of the presence patterns by this schema [default: the shipped one, where it fits]
    #[arg(long, value_name = "NAME|FILE")]
    schema: Option<String>,
    /// Print the first N rows as hex: tokens, not clear text
    #[arg(long, value_name = "N", default_value_t = 0)]
    rows: usize,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    /// The token file
    #[arg(value_name = "FILE.tokens")]
    file: PathBuf,
}

/// What reading the whole file found.
struct Seen {
    header: TokenFileHeader,
    stats: TokenFileStats,
    file_bytes: u64,
    /// Name, bytes per row and rows with a value.
    columns: Vec<(String, usize, u64)>,
    patterns: BTreeMap<u16, u64>,
    rows: Vec<Vec<String>>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Done> {
    let site_key = SiteKey::load(&args.site_key)?;
    let seen = read(args, &site_key)?;
    let names = field_names(args, &seen.header)?;
    output::data(&if args.json { json_report(&seen, &names) } else { text_report(&seen, &names) })?;
    Ok(Done::Clean)
}

fn read(args: &Args, site_key: &SiteKey) -> anyhow::Result<Seen> {
    let failed = |error| match error {
        // Whoever inspects holds a site key, and mostly several.
        TokenFileError::WrongRecipient => {
            let hint =
                "hint: the site key is the one that `tokenise` used: beside the file, unless --site-key named it";
            at(&args.file, format!("this site key does not open it\n{hint}"))
        }
        error => at(&args.file, error),
    };
    let file = File::open(&args.file).map_err(|error| at(&args.file, error))?;
    let file_bytes = file.metadata().map_err(|error| at(&args.file, error))?.len();
    let mut reader = TokenFileReader::open(file, site_key.identity()).map_err(failed)?;
    let header = reader.header().clone();
    let mut columns: Vec<(String, usize, u64)> = Vec::new();
    for field in reader.schema().fields() {
        let width = match field.data_type() {
            DataType::FixedSizeBinary(width) => *width as usize,
            other => other.primitive_width().unwrap_or(0),
        };
        columns.push((field.name().clone(), width, 0));
    }
    let (mut patterns, mut rows) = (BTreeMap::new(), Vec::new());
    while let Some(batch) = reader.next_batch().map_err(failed)? {
        for ((_, _, filled), column) in columns.iter_mut().zip(batch.columns()) {
            *filled += (column.len() - column.null_count()) as u64;
        }
        let presence = batch.column(2).as_primitive_opt::<UInt16Type>().ok_or_else(|| anyhow!("no presence column"))?;
        for pattern in presence.values() {
            *patterns.entry(*pattern).or_insert(0) += 1;
        }
        for row in 0..batch.num_rows().min(args.rows - rows.len()) {
            rows.push(hex_row(&batch, row));
        }
    }
    let stats = reader.finish().map_err(failed)?;
    Ok(Seen { header, stats, file_bytes, columns, patterns, rows })
}

fn hex_row(batch: &RecordBatch, row: usize) -> Vec<String> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let cell = |column: &dyn Array| match column.data_type() {
        _ if column.is_null(row) => "-".to_owned(),
        DataType::FixedSizeBinary(_) => hex(column.as_fixed_size_binary().value(row)),
        _ => column
            .as_primitive_opt::<UInt16Type>()
            .map_or_else(String::new, |cells| format!("{:04x}", cells.value(row))),
    };
    batch.columns().iter().map(|column| cell(column.as_ref())).collect()
}

/// The fields or segments that own the bits of the presence mask; numbers where the schema is not known.
fn field_names(args: &Args, header: &TokenFileHeader) -> anyhow::Result<Vec<String>> {
    let schema = match &args.schema {
        Some(name) => {
            let schema = LinkageSchema::load(name)?;
            if schema.digest() != header.schema_digest {
                return Err(anyhow!("the token file was made with another linkage schema\nhint: leave out --schema"));
            }
            Some(schema)
        }
        None => LinkageSchema::shipped(&header.schema_name).filter(|schema| schema.digest() == header.schema_digest),
    };
    Ok(match schema {
        Some(schema) => schema.presence_names(),
        // Every row has all that goes into such a CLK, in one bit.
        None if header.is_of_clkhash() => vec!["all that clkhash takes".to_owned()],
        None if header.segments > 1 => (0..header.segments).map(|bit| format!("segment {bit}")).collect(),
        None => (0..16).map(|bit| format!("field {bit}")).collect(),
    })
}

/// What a pattern says: the fields that are there, and those that are not.
fn describe(pattern: u16, names: &[String]) -> String {
    let lacking: Vec<&str> =
        (0..).zip(names).filter(|(bit, _)| pattern >> bit & 1 == 0).map(|(_, name)| &**name).collect();
    match lacking.len() {
        0 => "all fields".to_owned(),
        all if all == names.len() => "no field (exact token only)".to_owned(),
        _ => format!("without {}", lacking.join(", ")),
    }
}

/// The patterns and their rows, most frequent first. Small counts are hidden, and the largest is then rounded down: the
/// number of records is known, so it would give a single small count away.
fn patterns(seen: &Seen) -> Vec<(u16, Figure)> {
    let mut counts: Vec<(u16, u64)> = seen.patterns.iter().map(|(pattern, count)| (*pattern, *count)).collect();
    counts.sort_by_key(|(pattern, count)| (std::cmp::Reverse(*count), *pattern));
    let all: Vec<u64> = counts.iter().map(|(_, count)| *count).collect();
    let shown = |(at, (pattern, count))| match at {
        0 if count >= SMALL_CELL => (pattern, remainder(count, &all, SMALL_CELL)),
        _ => (pattern, suppressed(count)),
    };
    counts.into_iter().enumerate().map(shown).collect()
}

fn text_report(seen: &Seen, names: &[String]) -> String {
    let Seen { header, stats, .. } = seen;
    let widest = seen.columns.iter().map(|(name, ..)| name.len()).max().unwrap_or(0).max("column".len());
    let mut lines = vec![
        format!("database       {}", header.database),
        format!("schema         {} ({})", header.schema_name, header.schema_digest),
        format!("profile        {}", header.profile()),
    ];
    lines.extend(output::hardening(header).iter().map(|step| format!("hardening      {step}")));
    lines.extend([
        format!("key check      {}", header.key_check),
        format!("normalisation  {}", header.normalisation),
        format!("records        {}{}", grouped(stats.records), if header.deduplicated { ", deduplicated" } else { "" }),
        format!("density        {:.1} %", f64::from(stats.density_ppm) / 10_000.0),
        format!("file           {} bytes, format {}", grouped(seen.file_bytes), header.format_version),
        format!("payload        blake3 {}", blake3::Hash::from_bytes(stats.payload_blake3).to_hex()),
        String::new(),
        format!("{:widest$}  bytes  filled", "column"),
    ]);
    for (name, width, filled) in &seen.columns {
        lines.push(format!("{name:widest$}  {width:>5}  {}", share(*filled, stats.records)));
    }
    lines.extend([String::new(), "rows             which fields went into the CLK".to_owned()]);
    for (pattern, count) in patterns(seen) {
        lines.push(format!("{count:<15}  {}", describe(pattern, names)));
    }
    lines.extend([
        String::new(),
        "Not in this file: names, dates, numbers or any other value in clear; record ids; the order of the".to_owned(),
        "extract; the linkage secret; the site key. Verified to its last byte.".to_owned(),
        String::new(),
    ]);
    for row in &seen.rows {
        lines.push(row.join(" "));
    }
    if !seen.rows.is_empty() {
        lines.push(String::new());
    }
    lines.join("\n")
}

fn json_report(seen: &Seen, names: &[String]) -> String {
    let report = json!({
        "header": seen.header,
        "profile": seen.header.profile().to_string(),
        "hardening": output::hardening(&seen.header),
        "payload_blake3": blake3::Hash::from_bytes(seen.stats.payload_blake3).to_hex().as_str(),
        "file_bytes": seen.file_bytes,
        "columns": seen.columns.iter().map(|(name, width, filled)| json!({
            "name": name, "bytes": width, "filled_percent": share(*filled, seen.stats.records).json(),
        })).collect::<Vec<_>>(),
        "presence": patterns(seen).into_iter().map(|(pattern, rows)| json!({
            "mask": pattern, "rows": rows.json(), "fields": describe(pattern, names),
        })).collect::<Vec<_>>(),
        "rows": seen.rows,
        "verified": true,
    });
    format!("{report:#}\n")
}
