//! Signing: show what a statement says, ask, and add a signature over its exact bytes.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use linkage_service::signing::SigningKey;

use super::{Document, check_policy, describe, open, policy_for, say, warn_of_proposal, write};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  linkage permit sign heart.json --key abe.key            writes heart.signed.json\n  linkage permit sign heart.signed.json --key baba.key    adds a signature to it"
)]
pub(super) struct SignArgs {
    /// A statement of `permit new` or `permit revoke`, or one that others have signed already
    file: PathBuf,
    /// Your private key, readable by you alone
    #[arg(short, long, value_name = "FILE.key")]
    key: PathBuf,
    /// Where to write; by default FILE itself if it is signed already, else FILE with the ending .signed.json
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The policy file that the permit was decided under, when it is none of the shipped ones
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

pub(super) fn run(args: &SignArgs) -> anyhow::Result<ExitCode> {
    let (document, mut envelope) = open(&args.file)?;
    match &document {
        Document::Permit(permit) => {
            let policy = policy_for(permit, args.policy.as_deref())?;
            warn_of_proposal(&policy);
            say(&describe::permit(permit, Some(&policy)));
            check_policy(permit, &policy)?;
        }
        Document::Revocation(revocation) => say(&describe::revocation(revocation)),
    }
    let key = SigningKey::load(&args.key)?;
    if !args.yes {
        confirm(&format!("Sign this with key {}?", key.public_key().key_id()))?;
    }
    let before = envelope.signatures().len();
    envelope.sign(&key);
    if envelope.signatures().len() == before && before > 0 {
        say("this key has signed it already; nothing is added");
    }
    let bare = before == 0 && std::fs::read(&args.file).is_ok_and(|bytes| bytes == envelope.payload());
    let default = if bare { args.file.with_extension("signed.json") } else { args.file.clone() };
    let output = args.output.as_deref().unwrap_or(&default);
    // Adding a signature is the one case in which a file is replaced: the old one is contained in the new one.
    write(output, &envelope.to_json(), output == args.file)?;
    report(output, envelope.signatures().len());
    Ok(ExitCode::SUCCESS)
}

fn report(output: &Path, signatures: usize) {
    let plural = if signatures == 1 { "signature" } else { "signatures" };
    say(&format!("wrote {} with {signatures} {plural}", output.display()));
}

fn confirm(question: &str) -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() {
        bail!("nobody is here to answer\nhint: read the statement above, then sign with --yes");
    }
    let _ = write!(std::io::stderr(), "{question} [y/N] ");
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if !matches!(answer.trim(), "y" | "Y" | "yes") {
        bail!("not signed");
    }
    Ok(())
}
