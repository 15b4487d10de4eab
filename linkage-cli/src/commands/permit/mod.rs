//! `linkage permit`: what a committee does with permits, offline but for `submit`.

mod describe;
mod keys;
mod new;
mod revoke;
mod show;
mod sign;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use linkage_service::permit::{Envelope, PERMIT_TYPE, Permit, REVOCATION_TYPE, Refusal, Revocation, check_conditions};
use linkage_service::policy::{Policy, Status};
use time::OffsetDateTime;

use crate::client;

const EXAMPLES: &str = "\
Examples, in the order of a decision:
  linkage permit keygen -o abe                           each member, once: abe.key stays with Abe
  linkage permit committee --threshold 2 --member Abe=abe.pub --member Baba=baba.pub \\
    -o committee.json
  linkage permit new --template -o heart.json            then edit it; or `new` with flags
  linkage permit sign heart.json --key abe.key           writes heart.signed.json
  linkage permit sign heart.signed.json --key baba.key   adds the second signature
  linkage permit show heart.signed.json --committee committee.json
  linkage permit submit heart.signed.json \\
    --service https://unit.example:7443 --credential committee/";

/// Arguments of `linkage permit`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PermitArgs {
    #[command(subcommand)]
    command: PermitCommand,
}

#[derive(Debug, Subcommand)]
enum PermitCommand {
    /// Make a committee member's signing key: NAME.key (keep it) and NAME.pub (give it away)
    Keygen(keys::KeygenArgs),
    /// Write committee.json: whose signatures count, and how many make a decision
    Committee(keys::CommitteeArgs),
    /// Draw up a permit and say in plain words what will be signed
    New(Box<new::NewArgs>),
    /// Show what a statement says and add a signature to it
    Sign(sign::SignArgs),
    /// Show a permit or revocation, who signed it and whether the policy allows it
    Show(show::ShowArgs),
    /// Send a signed permit or revocation to the linkage service; a revocation acts at once
    Submit(SubmitArgs),
    /// Draw up the revocation of a permit
    Revoke(revoke::RevokeArgs),
    /// List the permits that the linkage service holds
    List(client::ServiceArgs),
}

#[derive(Debug, Args)]
struct SubmitArgs {
    /// The signed permit or revocation
    file: PathBuf,
    #[command(flatten)]
    service: client::ServiceArgs,
}

/// Runs `linkage permit`.
///
/// # Errors
/// What could not be read, written, signed or submitted, and why.
pub fn run(args: PermitArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        PermitCommand::Keygen(args) => keys::keygen(&args),
        PermitCommand::Committee(args) => keys::committee(&args),
        PermitCommand::New(args) => new::run(*args),
        PermitCommand::Sign(args) => sign::run(&args),
        PermitCommand::Show(args) => show::run(&args),
        PermitCommand::Submit(args) => submit(&args),
        PermitCommand::Revoke(args) => revoke::run(args),
        PermitCommand::List(service) => client::list_permits(&service).map(|()| ExitCode::SUCCESS),
    }
}

fn submit(args: &SubmitArgs) -> anyhow::Result<ExitCode> {
    let (document, envelope) = open(&args.file)?;
    if envelope.signatures().is_empty() {
        bail!("{} is not signed\nhint: `linkage permit sign` adds a signature", args.file.display());
    }
    // The file as it is: the service keeps exactly these bytes.
    let bytes = read(&args.file)?;
    match document {
        Document::Permit(_) => client::submit_permit(&args.service, bytes)?,
        Document::Revocation(_) => client::revoke_permit(&args.service, bytes)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A statement that the committee can sign.
enum Document {
    Permit(Box<Permit>),
    Revocation(Revocation),
}

impl Document {
    /// Reads a statement in which every rule of its format holds.
    fn parse(payload_type: &str, payload: &[u8]) -> anyhow::Result<Self> {
        match payload_type {
            PERMIT_TYPE => Ok(Self::Permit(Box::new(Permit::parse(payload)?))),
            REVOCATION_TYPE => Ok(Self::Revocation(Revocation::parse(payload)?)),
            _ => bail!("neither a permit nor a revocation\nhint: the payload type is one of docs/spec/permit.md"),
        }
    }
}

/// Reads a statement, in an envelope or bare; a bare one comes back in an envelope without signatures.
fn open(path: &Path) -> anyhow::Result<(Document, Envelope)> {
    let bytes = read(path)?;
    let name = || path.display().to_string();
    let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&bytes).with_context(name)?;
    let envelope = if fields.contains_key("payloadType") {
        Envelope::parse(&bytes).with_context(name)?
    } else {
        let is_revocation = fields.get("format").is_some_and(|format| format == "revocation/1");
        Envelope::new(if is_revocation { REVOCATION_TYPE } else { PERMIT_TYPE }, bytes)
    };
    Ok((Document::parse(envelope.payload_type(), envelope.payload()).with_context(name)?, envelope))
}

/// The policy that a permit was decided under: a file, or the shipped one of that name.
fn policy_for(permit: &Permit, file: Option<&Path>) -> anyhow::Result<Policy> {
    let name = &permit.statement().policy;
    match file {
        Some(path) => {
            let text = String::from_utf8(read(path)?).with_context(|| path.display().to_string())?;
            Policy::parse(&text).with_context(|| path.display().to_string())
        }
        None => Policy::shipped(name).with_context(|| {
            format!(
                "no policy of the name `{name}` ships with this program\nhint: `--policy FILE` reads the service's own"
            )
        }),
    }
}

/// Whether the policy allows a permit when it begins, or today if that is later.
fn check_policy(permit: &Permit, policy: &Policy) -> Result<(), Refusal> {
    let instant = permit.statement().valid_from.max(OffsetDateTime::now_utc());
    check_conditions(permit, policy, policy.day_of(instant))
}

/// A line that nobody who signs should miss.
fn warn_of_proposal(policy: &Policy) {
    if policy.status() == Status::Proposal {
        say(&format!("note: `{}` is a proposal and not the law: {}", policy.name(), policy.title()));
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| path.display().to_string())
}

/// Writes a file whole or not at all.
fn write(path: &Path, bytes: &[u8], replace: bool) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = || path.display().to_string();
    let mut file = tempfile::Builder::new().permissions(public()).tempfile_in(folder).with_context(name)?;
    file.write_all(bytes).with_context(name)?;
    file.as_file().sync_all().with_context(name)?;
    let kept = if replace { file.persist(path) } else { file.persist_noclobber(path) };
    kept.with_context(|| format!("{} cannot be written\nhint: an existing file is not overwritten", path.display()))?;
    Ok(())
}

/// Statements and committee files are no secrets, while temporary files are private by default.
#[cfg(unix)]
fn public() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}

#[cfg(not(unix))]
fn public() -> std::fs::Permissions {
    std::fs::metadata(".").map(|metadata| metadata.permissions()).expect("the current folder exists")
}

/// Talk, to stderr.
fn say(text: &str) {
    // Nothing can be done about a closed stderr.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Data, to stdout.
fn print(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("stdout")
}
