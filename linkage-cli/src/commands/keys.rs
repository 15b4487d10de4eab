//! `linkage keys`: a project's linkage keys.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use linkage_core::linkage_key::LinkageKey;
use linkage_proto::v1::KeysRequest;
use linkage_proto::v1::release_service_client::ReleaseServiceClient;
use serde_json::json;

use crate::client::{NewFile, ServiceArgs, block_on, refused};

const EXAMPLES: &str = "\
Examples:
  linkage keys -o keys.csv --service https://unit.example:7443 --credential project/

Each line is a linkage key and the databases in which it occurs, joined by `;`. Which project it is
stands in the credential.";

/// Arguments of `linkage keys`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct KeysArgs {
    /// A run of the project [default: its latest one that is done]
    #[arg(long, value_name = "ID")]
    run: Option<String>,
    /// Where to write; an existing file is not overwritten
    #[arg(short, long, value_name = "FILE.csv")]
    output: PathBuf,
    /// Print the counts as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    service: ServiceArgs,
}

/// Runs `linkage keys`.
///
/// # Errors
/// What the service refused, or why the file could not be written; then there is no file.
pub fn run(args: KeysArgs) -> anyhow::Result<ExitCode> {
    let mut file = NewFile::create(&args.output)?;
    let (mut keys, mut run_id) = (0u64, String::new());
    let mut by_databases: BTreeMap<String, u64> = BTreeMap::new();
    writeln!(file, "linkage_key,databases")?;
    block_on(async {
        let mut client = ReleaseServiceClient::new(args.service.connect().await?);
        let request = KeysRequest { run_id: args.run.clone().unwrap_or_default() };
        let mut answers = client.keys(request).await.map_err(refused)?.into_inner();
        while let Some(answer) = answers.message().await.map_err(refused)? {
            run_id = answer.run_id;
            for entry in answer.entries {
                // The check symbol catches what a broken transfer would do to a key.
                let key: LinkageKey =
                    entry.linkage_key.parse().context("the service sent something that is no linkage key")?;
                let databases = entry.databases.join(";");
                writeln!(file, "{key},{databases}")?;
                *by_databases.entry(databases).or_default() += 1;
                keys += 1;
            }
        }
        Ok(())
    })?;
    file.finish()?;
    let mut out = std::io::stdout().lock();
    if args.json {
        let counts = json!({ "run": run_id, "keys": keys, "by_databases": by_databases });
        writeln!(out, "{counts:#}")?;
    } else {
        writeln!(out, "wrote {}: {keys} linkage keys of {run_id}", args.output.display())?;
    }
    Ok(ExitCode::SUCCESS)
}
