//! `custodian clkhash`: work with those who have clkhash and anonlink already.

mod export;
mod hash;
mod import;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use clap::Subcommand;
use linkage_core::clkhash::ClkhashSchema;
use zeroize::Zeroizing;

use crate::cli::Done;
use crate::output::at;
use crate::refs::refuse_open_permissions;

/// A secret is a line of text; anything longer is another file.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

const EXAMPLES: &str = "\
Examples:
  custodian clkhash hash --clkhash-schema schema.json --secret secret.txt people.csv -o clks.json
  custodian clkhash import --database ndb --clkhash-schema schema.json --secret secret.txt \\
      --to unit.pub clks.json -o ndb.tokens
  custodian clkhash export --site-key ndb.site-key ndb.tokens -o clks.json";

/// Make, import and export the CLKs of clkhash and anonlink
///
/// For linkages that exist already. For new ones `custodian tokenise` is better in every way: see docs/spec/clkhash.md.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Hash(hash::Args),
    Import(import::Args),
    Export(export::Args),
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Done> {
    match &args.command {
        Command::Hash(args) => hash::run(args),
        Command::Import(args) => import::run(args),
        Command::Export(args) => export::run(args),
    }
}

fn load_schema(path: &Path) -> anyhow::Result<ClkhashSchema> {
    let bytes = std::fs::read(path).map_err(|error| at(path, error))?;
    ClkhashSchema::parse(&bytes).map_err(|error| at(path, error))
}

/// The secret of clkhash: the text of a file, without the end of its line.
fn load_secret(path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path).map_err(|error| at(path, error))?;
    refuse_open_permissions(&file, path, "secret")?;
    let mut secret = Zeroizing::new(Vec::with_capacity(MAX_SECRET_BYTES as usize + 1));
    file.take(MAX_SECRET_BYTES + 1).read_to_end(&mut secret).map_err(|error| at(path, error))?;
    if secret.len() as u64 > MAX_SECRET_BYTES {
        return Err(at(path, "too long for a secret"));
    }
    while secret.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        secret.pop();
    }
    Ok(secret)
}
