//! `custodian clkhash import`: from a file of CLKs to a token file that can be submitted.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::bail;
use linkage_core::clk::Clk;
use linkage_core::clkhash::{ClkJsonReader, ClkhashEncoder, ClkhashSchema, swap_bit_order};
use linkage_core::encode::Token;
use linkage_core::token_file::{TokenFileHeader, density_ppm};
use linkage_core::types::{DatabaseId, KeyCheck};
use serde_json::json;

use super::{load_schema, load_secret};
use crate::cli::Done;
use crate::commands::tokenise::{Output, SiteKeyFile, write};
use crate::figure::grouped;
use crate::intake::folder_of;
use crate::output::{self, at, refuse_output};
use crate::refs::{RecordId, RecordRefs, load_recipient, record_ref};
use crate::sort::{RowCodec, Sorted, Sorter};

/// Memory for sorting.
const SORT_BYTES: usize = 256 * 1024 * 1024;

/// Make a token file of CLKs that clkhash or anonlink has written
///
/// The linkage unit compares it with token files of the same clkhash schema and secret only.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("checked").args(["secret", "key_check"]).required(true))]
pub(super) struct Args {
    /// The name of the database, as the linkage unit knows it
    #[arg(long, value_name = "NAME")]
    database: DatabaseId,
    /// The clkhash linkage schema, version 3, that the CLKs were made with
    #[arg(long, value_name = "FILE")]
    clkhash_schema: PathBuf,
    /// The secret that they were made with, for its key check alone
    #[arg(long, value_name = "FILE")]
    secret: Option<PathBuf>,
    /// The key check of the secret, as `custodian clkhash hash --json` prints it, where the secret is not at hand
    #[arg(long, value_name = "HEX")]
    key_check: Option<KeyCheck>,
    /// The public key of the linkage unit
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Your site key [default: OUTPUT with the ending .site-key, made if it is not there]
    #[arg(long, value_name = "FILE")]
    site_key: Option<PathBuf>,
    /// Record ids in the order of the CLKs, one per line; without it, a record is known by its place, from 1
    #[arg(long, value_name = "FILE")]
    ids: Option<PathBuf>,
    /// State that no person has two CLKs
    #[arg(long)]
    deduplicated: bool,
    /// Replace the output if it is there already
    #[arg(long)]
    force: bool,
    /// Print the summary as JSON on stdout
    #[arg(long)]
    json: bool,
    /// The token file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The file of CLKs: {"clks": [base64, …]}
    #[arg(value_name = "CLKS.json")]
    input: PathBuf,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Done> {
    let schema = load_schema(&args.clkhash_schema)?;
    let key_check = match (&args.secret, args.key_check) {
        (Some(path), _) => ClkhashEncoder::key_check(&load_secret(path)?),
        (None, Some(key_check)) => key_check,
        (None, None) => bail!("give --secret or --key-check"),
    };
    let unit = load_recipient(&args.to)?;
    let folder = folder_of(&args.output)?;
    refuse_output(&args.output, args.force, || {
        let named = args.secret.iter().chain(&args.site_key).chain(&args.ids);
        Ok([&args.input, &args.clkhash_schema, &args.to].into_iter().chain(named).cloned().collect())
    })?;
    let header = TokenFileHeader::of_clkhash(args.database.clone(), &schema, key_check, args.deduplicated);
    let Some(mut header) = header else {
        let advice = "hint: token files hold CLKs of 64 to 4096 bits, in multiples of 64";
        return Err(at(&args.clkhash_schema, format!("its CLKs have {} bits\n{advice}", schema.clk_bits())));
    };
    let site_key = SiteKeyFile::load_or_make(args.site_key.as_deref(), &args.output)?;
    let sorted = args.read(&schema, &site_key.key.refs(&args.database), folder)?;
    let remaining = sorted.count()?;
    if remaining.duplicates.count > 0 {
        let advice = "hint: every CLK needs an id of its own; nothing has been written";
        bail!("{}", at(args.ids.as_deref().unwrap_or(&args.input), format!("record ids occur twice\n{advice}")));
    }
    header.records = remaining.records;
    if header.records == 0 {
        return Err(at(&args.input, "there are no CLKs in it; nothing has been written"));
    }
    header.density_ppm = density_ppm(remaining.bits_set, header.records, header.clk_bits);
    site_key.save()?;
    let output = Output { path: &args.output, force: args.force, parallel: true };
    let written = write(output, header.clone(), &sorted, &unit, &site_key.key);
    let stats = written.inspect_err(|_| site_key.forget())?;
    site_key.say_if_new();
    output::talk(&format!("wrote `{}`: {} CLKs", args.output.display(), grouped(stats.records)));
    if args.json {
        output::data(&format!(
            "{:#}\n",
            json!({ "output": args.output, "header": header, "written_rows": stats.records })
        ))?;
    }
    Ok(Done::Clean)
}

impl Args {
    fn read(&self, schema: &ClkhashSchema, refs: &RecordRefs, folder: &Path) -> anyhow::Result<Sorted<'static>> {
        let failed = |error| at(&self.input, error);
        let file = File::open(&self.input).map_err(|error| at(&self.input, error))?;
        let mut reader = ClkJsonReader::new(BufReader::new(file)).map_err(failed)?;
        let mut ids = self.ids.as_deref().map(Ids::open).transpose()?;
        let codec = RowCodec::new(schema.clk_bits(), 0);
        let mut sorter = Sorter::new(codec, folder, SORT_BYTES);
        let (mut position, mut row) = (0, Vec::new());
        while let Some(mut clk) = reader.next_clk().map_err(failed)? {
            position += 1;
            swap_bit_order(&mut clk);
            let Some(clk) = Clk::from_bytes(&clk).filter(|_| clk.len() * 8 == schema.clk_bits()) else {
                let what =
                    format!("CLK {position}: {} bits, where the schema says {}", clk.len() * 8, schema.clk_bits());
                return Err(at(&self.input, what));
            };
            let record_ref = match &mut ids {
                Some(ids) => record_ref(refs, RecordId::Column(ids.next(position)?)),
                None => record_ref(refs, RecordId::Row(position)),
            };
            row.clear();
            let ones = u64::from(clk.popcount());
            codec.write(
                record_ref.as_bytes(),
                0,
                position,
                &Token { clk, presence: 1, exact: Vec::new(), blocking: Vec::new() },
                &mut row,
            );
            sorter.push(&row, ones).map_err(|error| at(folder, error))?;
        }
        if let Some(ids) = &mut ids {
            ids.refuse_more()?;
        }
        sorter.finish().map_err(|error| at(folder, error))
    }
}

/// Record ids, line by line.
struct Ids<'a> {
    path: &'a Path,
    lines: std::io::Lines<BufReader<File>>,
    line: String,
}

impl<'a> Ids<'a> {
    fn open(path: &'a Path) -> anyhow::Result<Self> {
        let file = File::open(path).map_err(|error| at(path, error))?;
        Ok(Self { path, lines: BufReader::new(file).lines(), line: String::new() })
    }

    fn next(&mut self, position: u64) -> anyhow::Result<&str> {
        match self.lines.next().transpose().map_err(|error| at(self.path, error))? {
            Some(line) if !line.trim().is_empty() => self.line = line,
            Some(_) => return Err(at(self.path, format!("line {position} is empty"))),
            None => return Err(at(self.path, format!("it ends before the id of CLK {position}"))),
        }
        Ok(&self.line)
    }

    fn refuse_more(&mut self) -> anyhow::Result<()> {
        match self.lines.next() {
            None => Ok(()),
            Some(_) => Err(at(self.path, "it has more ids than there are CLKs")),
        }
    }
}
