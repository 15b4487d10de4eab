//! `custodian site-key`: the key that never leaves the site.

use std::path::PathBuf;

use serde_json::json;

use crate::cli::Done;
use crate::output;
use crate::refs::SiteKey;

/// Make a site key, with which this site alone can map results back
///
/// Record refs are derived from it, and a copy of every token file is sealed to it so that you can inspect what was
/// sent. `tokenise` makes one when none is given. Give it to nobody.
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
    let key = SiteKey::generate();
    key.create_file(&args.output)?;
    output::talk(&format!("wrote `{}`; keep it: without it no result can be mapped back", args.output.display()));
    if args.json {
        output::data(&format!("{}\n", json!({ "output": args.output })))?;
    }
    Ok(Done::Clean)
}
