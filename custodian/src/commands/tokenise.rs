//! `custodian tokenise`: from an extract to a sealed token file.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::bail;
use linkage_core::schema::LinkageSchema;
use linkage_core::secret::LinkageSecret;
use linkage_core::token_file::{
    Existing, TokenBatchBuilder, TokenFileHeader, TokenFileStats, TokenFileWriter, density_ppm,
};
use linkage_core::types::{DatabaseId, RecordRef};
use serde_json::json;

use crate::cli::Done;
use crate::findings::Findings;
use crate::intake::{InputArgs, folder_of};
use crate::output::{self, at, grouped, rate};
use crate::refs::{SiteKey, load_recipient};
use crate::sort::{Row, Sorted};

/// Rows of a batch of the token file.
const FILE_BATCH_ROWS: usize = 8192;

const EXAMPLES: &str = "\
Examples:
  custodian tokenise --database ndb --schema person-ja --secret linkage.secret --to unit.pub \\
      --id-column id people.csv -o ndb.tokens
  custodian tokenise --database dpc --schema person-ja --secret linkage.secret --to unit.pub \\
      --encoding cp932 --id-column 患者番号 --map birth_date=生年月日 --map given_kanji= patients.csv -o dpc.tokens
  custodian tokenise --database ndb --schema person-ja --secret linkage.secret --to unit.pub \\
      --format uke receipts/ -o ndb.tokens
  custodian tokenise --database kaigo --schema person-ja --secret linkage.secret --to unit.pub \\
      --format kaigo --names ledger.csv claims/ -o kaigo.tokens";

/// Turn an extract into a token file that only the linkage unit (and you) can open
///
/// Values that break a rule count as missing and are counted by row and rule; no value is ever shown. The site key is
/// kept beside the output unless you name one.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The name of the database, as the linkage unit knows it
    #[arg(long, value_name = "NAME")]
    database: DatabaseId,
    /// The linkage secret that the custodians share
    #[arg(long, value_name = "FILE")]
    secret: PathBuf,
    /// The public key of the linkage unit
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Your site key [default: OUTPUT with the ending .site-key, made if it is not there]
    #[arg(long, value_name = "FILE")]
    site_key: Option<PathBuf>,
    /// State that no person has two rows in the extract
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
    #[command(flatten)]
    input: InputArgs,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Done> {
    let started = Instant::now();
    let schema = args.input.load_schema()?;
    let secret = LinkageSecret::load(&args.secret)?;
    let unit = load_recipient(&args.to)?;
    let folder = folder_of(&args.output)?;
    refuse_output(&args.output, folder, args.force, &args.input.inputs)?;
    let site_key = SiteKeyFile::load_or_make(args.site_key.as_deref(), &args.output)?;
    let intake = args.input.run(&schema, &secret, &site_key.key.refs(&args.database), folder)?;
    if intake.records == 0 {
        let advice = "hint: `custodian check` shows why rows are set aside; nothing has been written";
        return Err(at(args.input.first(), format!("no row is left to write\n{advice}")));
    }
    let mut header = TokenFileHeader::new(args.database.clone(), &schema, secret.key_check(), args.deduplicated);
    header.records = intake.records;
    header.density_ppm = density_ppm(intake.bits_set, intake.records, header.clk_bits);
    // The key first: a token file without it could never be mapped back.
    site_key.save()?;
    let stats = write(&args.output, args.force, header.clone(), &intake.sorted, &unit, &site_key.key)
        .inspect_err(|_| site_key.forget())?;
    args.report(&schema, &header, &intake.findings, &stats, &site_key, started.elapsed())?;
    Ok(if intake.findings.set_aside_rows() > 0 { Done::RowsSetAside } else { Done::Clean })
}

/// A site key, and the file that it came from or will go to.
pub(super) struct SiteKeyFile {
    pub(super) key: SiteKey,
    path: PathBuf,
    is_new: bool,
}

impl SiteKeyFile {
    /// The key of this file, or else the one beside the output, which is new when there is none.
    pub(super) fn load_or_make(named: Option<&Path>, output: &Path) -> anyhow::Result<Self> {
        let path = named.map_or_else(|| output.with_extension("site-key"), Path::to_owned);
        let exists = path.try_exists().map_err(|error| at(&path, error))?;
        match (exists, named) {
            (true, _) => Ok(Self { key: SiteKey::load(&path)?, path, is_new: false }),
            (false, None) => Ok(Self { key: SiteKey::generate(), path, is_new: true }),
            (false, Some(_)) => {
                Err(at(&path, "no such file\nhint: `custodian site-key -o FILE` makes one; or leave out --site-key"))
            }
        }
    }

    pub(super) fn save(&self) -> anyhow::Result<()> {
        if self.is_new { self.key.create_file(&self.path) } else { Ok(()) }
    }

    pub(super) fn say_if_new(&self) {
        if self.is_new {
            let path = self.path.display();
            output::talk(&format!("wrote `{path}`: your site key; keep it, without it no result can be mapped back"));
        }
    }

    /// Takes back a new key when there is no token file that needs it.
    pub(super) fn forget(&self) {
        if self.is_new {
            // Best effort: the error that led here is the one to report.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Args {
    fn report(
        &self,
        schema: &LinkageSchema,
        header: &TokenFileHeader,
        findings: &Findings,
        stats: &TokenFileStats,
        site_key: &SiteKeyFile,
        elapsed: Duration,
    ) -> anyhow::Result<()> {
        let fields: Vec<&str> = schema.fields().iter().map(|field| field.name()).collect();
        for line in findings.lines(&fields, 5, false) {
            output::talk(&line);
        }
        if findings.opted_out > 0 {
            output::talk(&format!("left out: opted out: {}", grouped(findings.opted_out)));
        }
        if findings.superseded > 0 {
            output::talk(&format!("merged: older records of the same person: {}", grouped(findings.superseded)));
        }
        site_key.say_if_new();
        let file_bytes = std::fs::metadata(&self.output).map_or(0, |metadata| metadata.len());
        output::talk(&format!(
            "wrote `{}`: {} of {} rows, {} bytes, density {:.1} %, {} rows/s",
            self.output.display(),
            grouped(stats.records),
            grouped(findings.rows),
            grouped(file_bytes),
            f64::from(stats.density_ppm) / 10_000.0,
            grouped(rate(findings.rows, elapsed))
        ));
        if self.json {
            let summary = json!({
                "output": self.output,
                "site_key": site_key.path,
                "header": header,
                "payload_blake3": blake3::Hash::from_bytes(stats.payload_blake3).to_hex().as_str(),
                "file_bytes": file_bytes,
                "written_rows": stats.records,
                "set_aside_rows": findings.set_aside_rows(),
                "elapsed_seconds": elapsed.as_secs_f64(),
                "rows_per_second": rate(findings.rows, elapsed),
                "findings": findings.json(&fields, 5, false),
            });
            output::data(&format!("{summary:#}\n"))?;
        }
        Ok(())
    }
}

/// Refuses an output that must not be written, before any work is done.
pub(super) fn refuse_output(output: &Path, folder: &Path, force: bool, inputs: &[PathBuf]) -> anyhow::Result<()> {
    if !folder.is_dir() {
        return Err(at(folder, "no such folder\nhint: make it, or write the output elsewhere"));
    }
    let exists = output.try_exists().map_err(|error| at(output, error))?;
    if exists && !force {
        return Err(at(output, "there is a file of this name\nhint: --force replaces it"));
    }
    if exists {
        let real = |path: &Path| path.canonicalize().ok();
        if real(output).is_some() && inputs.iter().any(|input| real(input) == real(output)) {
            bail!("{}", at(output, "this is the extract itself\nhint: write the output to another file"));
        }
    }
    Ok(())
}

/// Writes the token file: under its name it is whole, or not there.
pub(super) fn write(
    output: &Path,
    force: bool,
    header: TokenFileHeader,
    sorted: &Sorted,
    unit: &age::x25519::Recipient,
    site_key: &SiteKey,
) -> anyhow::Result<TokenFileStats> {
    let existing = if force { Existing::Replace } else { Existing::Refuse };
    let failed = |error| at(output, error);
    let mut builder = TokenBatchBuilder::new(&header);
    let mut exact = vec![None; header.exact_tokens.len()];
    let site = site_key.recipient();
    let mut writer = TokenFileWriter::create(output, header, &[unit, &site], existing).map_err(failed)?;
    let keep = |row: Row<'_>| {
        for (index, value) in exact.iter_mut().enumerate() {
            *value = row.exact(index);
        }
        builder.push(&RecordRef(row.record_ref()), row.clk(), row.presence(), &exact).map_err(failed)?;
        if builder.len() == FILE_BATCH_ROWS {
            writer.write(&builder.finish().map_err(failed)?).map_err(failed)?;
        }
        Ok(())
    };
    sorted.for_each(keep, |_| {})?;
    if !builder.is_empty() {
        writer.write(&builder.finish().map_err(failed)?).map_err(failed)?;
    }
    writer.finish().map_err(failed)
}
