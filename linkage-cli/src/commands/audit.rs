//! `linkage audit`: export the log of a linkage service, and verify it offline.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use linkage_service::audit::{AuditFault, AuditReport, Checkpoint, verify};
use linkage_service::signing::PublicKey;
use serde_json::json;

use crate::client;

const EXAMPLES: &str = "\
Examples:
  linkage audit export -o audit.jsonl --service https://unit.example:7443 --credential auditor/
  linkage audit verify audit.jsonl --key audit.pub
  linkage audit verify audit.jsonl --key audit.pub --since last-year.jsonl";

/// Arguments of `linkage audit`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Fetch the whole log from a linkage service
    Export(ExportArgs),
    /// Verify an exported log offline and name the first broken entry
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
struct ExportArgs {
    /// Where to write; an existing file is not overwritten
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    service: client::ServiceArgs,
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// The exported log
    log: PathBuf,
    /// The public audit key of the service
    #[arg(short, long, value_name = "FILE.pub")]
    key: PathBuf,
    /// An earlier export, or its last line: nothing that it covered may be gone or changed
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    /// Machine-readable
    #[arg(long)]
    json: bool,
}

/// Runs `linkage audit`.
///
/// # Errors
/// What could not be read or fetched. A broken log is no error: it is reported, with exit code 1.
pub fn run(args: AuditArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        AuditCommand::Export(args) => {
            client::export_audit(&args.service, &args.output)?;
            Ok(ExitCode::SUCCESS)
        }
        AuditCommand::Verify(args) => verify_log(&args),
    }
}

fn verify_log(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let key = PublicKey::load(&args.key)?;
    let earlier = match &args.since {
        Some(path) => Some(last_checkpoint(path, &key).with_context(|| path.display().to_string())?),
        None => None,
    };
    let log = File::open(&args.log).with_context(|| args.log.display().to_string())?;
    let result = verify(BufReader::new(log), &key, earlier.as_ref());
    let text = if args.json { as_json(&result, earlier.is_some())? } else { as_words(&result, earlier.is_some()) };
    if result.is_err() && !args.json {
        // A closed stderr leaves the exit code to tell.
        let _ = writeln!(std::io::stderr(), "error: {}: {text}", args.log.display());
    } else {
        writeln!(std::io::stdout(), "{text}").context("stdout")?;
    }
    Ok(if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn last_checkpoint(path: &Path, key: &PublicKey) -> anyhow::Result<Checkpoint> {
    let mut last = String::new();
    for line in BufReader::new(File::open(path)?).lines() {
        last = line?;
    }
    match Checkpoint::parse_line(last.as_bytes(), key) {
        Ok(checkpoint) => Ok(checkpoint),
        Err(kind) => bail!("the last line is no checkpoint to go by ({}): {kind}", kind.code()),
    }
}

fn as_words(result: &Result<AuditReport, AuditFault>, compared: bool) -> String {
    match result {
        Ok(report) => format!(
            "sound: log of {}, {} entries ({} refused), {} checkpoints, the last over entry {}{}",
            report.origin,
            report.entries,
            report.refused,
            report.checkpoints,
            report.last_checkpoint.covers,
            if compared { "; it continues the earlier checkpoint" } else { "" },
        ),
        Err(fault) => fault.to_string(),
    }
}

fn as_json(result: &Result<AuditReport, AuditFault>, compared: bool) -> anyhow::Result<String> {
    let value = match result {
        Ok(report) => {
            json!({"sound": true, "continues_earlier_checkpoint": compared.then_some(true), "report": report})
        }
        Err(fault) => {
            json!({"sound": false, "fault": fault.kind.code(), "line": fault.line, "entry": fault.seq, "message": fault.to_string()})
        }
    };
    Ok(serde_json::to_string_pretty(&value)?)
}
