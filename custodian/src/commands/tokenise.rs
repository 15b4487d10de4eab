//! `custodian tokenise`: from an extract to a sealed token file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use arrow::array::RecordBatch;
use linkage_core::harden::Profile;
use linkage_core::schema::LinkageSchema;
use linkage_core::secret::LinkageSecret;
use linkage_core::token_file::{
    Existing, TokenBatchBuilder, TokenFileHeader, TokenFileStats, TokenFileWriter, density_ppm,
};
use linkage_core::types::{DatabaseId, RecordRef};
use serde_json::json;

use crate::cli::Done;
use crate::figure::grouped;
use crate::findings::Findings;
use crate::intake::{InputArgs, Intake, folder_of};
use crate::opt_out::OptOutCount;
use crate::output::{self, at, rate, refuse_output};
use crate::refs::{SiteKey, load_recipient};
use crate::sort::{Row, Sorted};

/// Rows of a batch of the token file.
const FILE_BATCH_ROWS: usize = 8192;

const EXAMPLES: &str = "\
Examples:
  custodian tokenise --database ndb --schema person-ja --secret linkage.secret --to unit.pub \\
      --id-column id people.csv -o ndb.tokens
  custodian tokenise --database dpc --schema person-ja --secret linkage.secret --to unit.pub \\
      --encoding cp932 --id-column 患者番号 --map birth_date=生年月日 --map given_kanji= \\
      patients.csv -o dpc.tokens
  custodian tokenise --database ndb --schema person-ja --secret linkage.secret --to unit.pub \\
      --format uke receipts/ -o ndb.tokens
  custodian tokenise --database kaigo --schema person-ja --secret linkage.secret --to unit.pub \\
      --format kaigo --names ledger.csv claims/ -o kaigo.tokens
  custodian tokenise --database ndb --schema person-ja --secret linkage.secret --to unit.pub \\
      --mapping mapping.toml 'extract/part-*.csv' -o ndb.tokens";

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
    /// Keep finished work in this folder, so that the same command goes on from there when it is killed
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
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
    args.input.require_confirmed(&schema)?;
    let secret = LinkageSecret::load(&args.secret)?;
    let unit = load_recipient(&args.to)?;
    let folder = folder_of(&args.output)?;
    refuse_output(&args.output, args.force, || {
        let keys = [&args.secret, &args.to].into_iter().chain(&args.site_key).cloned();
        Ok(args.input.read_files()?.into_iter().chain(keys).collect())
    })?;
    let site_key = SiteKeyFile::load_or_make(args.site_key.as_deref(), &args.output)?;
    remove_stale(folder);
    let refs = site_key.key.refs(&args.database);
    let intake = match &args.work {
        None => args.input.run(&schema, &secret, &refs, folder)?,
        Some(work) => {
            // The key first: the work is enciphered with what comes from it.
            site_key.save()?;
            args.input.run_in_work(&schema, &secret, &refs, work, &secret.key_check().to_string())?
        }
    };
    if intake.records == 0 {
        let advice = "hint: `custodian check` shows why rows are set aside; nothing has been written";
        return Err(at(args.input.first(), format!("no row is left to write\n{advice}")));
    }
    let mut header = TokenFileHeader::new(args.database.clone(), &schema, secret.key_check(), args.deduplicated);
    header.records = intake.records;
    header.density_ppm = density_ppm(intake.bits_set, intake.records, header.clk_bits);
    // The key first: a token file without it could never be mapped back.
    if args.work.is_none() {
        site_key.save()?;
    }
    let output = Output { path: &args.output, force: args.force, parallel: args.input.is_parallel() };
    let written = write(output, header.clone(), &intake.sorted, &unit, &site_key.key);
    // The work that is left in its folder needs the key.
    let stats = written.inspect_err(|_| {
        if args.work.is_none() {
            site_key.forget()
        }
    })?;
    let Intake { findings, opt_out, sorted, .. } = intake;
    sorted.forget_work()?;
    args.report(&schema, &header, (&findings, opt_out), &stats, &site_key, started.elapsed())?;
    Ok(if findings.set_aside_rows() > 0 { Done::RowsSetAside } else { Done::Clean })
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
        if path == output {
            return Err(at(output, "the site key would have the same name\nhint: give the output another ending"));
        }
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
        (findings, opt_out): (&Findings, Option<OptOutCount>),
        stats: &TokenFileStats,
        site_key: &SiteKeyFile,
        elapsed: Duration,
    ) -> anyhow::Result<()> {
        let fields: Vec<&str> = schema.fields().iter().map(|field| field.name()).collect();
        for line in findings.lines(&fields, 5, 1) {
            output::talk(&line);
        }
        if let Some(opt_out) = opt_out {
            // Exact, as all of this summary is: it is for the site alone.
            opt_out.lines(1).iter().for_each(|line| output::talk(line));
            output::talk(&format!("left out: rows of people who opted out: {}", grouped(findings.opted_out)));
        }
        if findings.superseded > 0 {
            output::talk(&format!("merged: older records of the same person: {}", grouped(findings.superseded)));
        }
        site_key.say_if_new();
        if header.profile() == Profile::MaxQuality {
            output::talk("profile: max-quality; the permit must sign off its risk, see docs/disclosure.md");
        }
        for step in output::hardening(header) {
            output::talk(&format!("hardening: {step}"));
        }
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
                "profile": header.profile().to_string(),
                "hardening": output::hardening(header),
                "payload_blake3": blake3::Hash::from_bytes(stats.payload_blake3).to_hex().as_str(),
                "file_bytes": file_bytes,
                "written_rows": stats.records,
                "set_aside_rows": findings.set_aside_rows(),
                "elapsed_seconds": elapsed.as_secs_f64(),
                "rows_per_second": rate(findings.rows, elapsed),
                "findings": findings.json(&fields, 5, 1),
                "opt_out": opt_out.map(|opt_out| opt_out.json(1)),
            });
            output::data(&format!("{summary:#}\n"))?;
        }
        Ok(())
    }
}

/// Where a token file goes.
#[derive(Clone, Copy)]
pub(super) struct Output<'a> {
    pub(super) path: &'a Path,
    pub(super) force: bool,
    /// Whether sealing may have a thread of its own.
    pub(super) parallel: bool,
}

/// Writes the token file: under its name it is whole, or not there.
pub(super) fn write(
    output: Output<'_>,
    header: TokenFileHeader,
    sorted: &Sorted<'_>,
    unit: &age::x25519::Recipient,
    site_key: &SiteKey,
) -> anyhow::Result<TokenFileStats> {
    let existing = if output.force { Existing::Replace } else { Existing::Refuse };
    let failed = |error| at(output.path, error);
    let site = site_key.recipient();
    let mut writer = TokenFileWriter::create(output.path, header.clone(), &[unit, &site], existing).map_err(failed)?;
    if !output.parallel {
        batches(&header, sorted, |batch| writer.write(&batch).map_err(failed))?;
        return writer.finish().map_err(failed);
    }
    // One thread merges and builds batches, one hashes them, one seals them and writes.
    writer.seal_beside().map_err(|error| at(output.path, error))?;
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel::<RecordBatch>(2);
        let sealing = scope.spawn(move || -> anyhow::Result<TokenFileWriter> {
            receiver.iter().try_for_each(|batch| writer.write(&batch).map_err(failed))?;
            Ok(writer)
        });
        // The other thread has gone when it failed, and its error is the one to report.
        let built = batches(&header, sorted, |batch| sender.send(batch).map_err(|_| anyhow!("sealing has failed")));
        drop(sender);
        let writer = sealing.join().map_err(|_| anyhow!("sealing has failed"))??;
        built?;
        writer.finish().map_err(failed)
    })
}

/// Builds the batches of the token file, one after the other.
fn batches(
    header: &TokenFileHeader,
    sorted: &Sorted<'_>,
    mut each: impl FnMut(RecordBatch) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut builder = TokenBatchBuilder::new(header);
    let exact = header.exact_tokens.len();
    let mut equal = vec![None; exact + header.blocking_keys.len()];
    let keep = |row: Row<'_>| {
        for (index, value) in equal.iter_mut().enumerate() {
            *value = row.equal(index);
        }
        let (exact, blocking) = equal.split_at(exact);
        let record_ref = RecordRef(row.record_ref());
        builder.push_blocked(&record_ref, row.clk(), row.presence(), exact, blocking)?;
        if builder.len() == FILE_BATCH_ROWS {
            each(builder.finish()?)?;
        }
        Ok(())
    };
    sorted.for_each(keep)?;
    if builder.is_empty() { Ok(()) } else { each(builder.finish()?) }
}

/// Removes what a killed process has left of a token file: sealed, incomplete, and locked by nobody any more.
fn remove_stale(folder: &Path) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_partial = name.starts_with(".tokens-") && name.ends_with(".partial");
        let unused = |file: File| file.try_lock().is_ok();
        if is_partial && File::open(&path).is_ok_and(unused) {
            // Best effort: what cannot be removed does no harm but to the disk.
            let _ = std::fs::remove_file(&path);
        }
    }
}
