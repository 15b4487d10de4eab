//! `custodian keygen`: a new linkage secret.

use std::path::PathBuf;

use anyhow::anyhow;
use linkage_core::secret::LinkageSecret;
use serde_json::json;

use crate::cli::Done;
use crate::output;

/// Make a linkage secret, once for all custodians that will be linked
///
/// Pass it to the other custodians by a safe way; the linkage unit must never have it. The key-check value is public:
/// custodians compare it to see that they hold the same secret.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file to write; only you can read it
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Print the outcome as JSON on stdout
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Done> {
    let secret = LinkageSecret::generate(getrandom::fill)
        .map_err(|error| anyhow!("the operating system gave no randomness: {error}"))?;
    secret.create_file(&args.output)?;
    output::talk(&format!("wrote `{}`; key check {}", args.output.display(), secret.key_check()));
    if args.json {
        output::data(&format!("{}\n", json!({ "output": args.output, "key_check": secret.key_check() })))?;
    }
    Ok(Done::Clean)
}
