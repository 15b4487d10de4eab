//! `linkage catalogue`: what the linkage unit holds.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use linkage_proto::v1::GetCatalogueRequest;
use linkage_proto::v1::catalogue_service_client::CatalogueServiceClient;
use serde_json::json;

use crate::client::{ServiceArgs, block_on, refused};

/// Arguments of `linkage catalogue`.
#[derive(Debug, Args)]
pub struct CatalogueArgs {
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    service: ServiceArgs,
}

/// Runs `linkage catalogue`.
///
/// # Errors
/// What the service refused, and why.
pub fn run(args: CatalogueArgs) -> anyhow::Result<ExitCode> {
    let catalogue = block_on(async {
        let mut client = CatalogueServiceClient::new(args.service.connect().await?);
        Ok(client.get(GetCatalogueRequest {}).await.map_err(refused)?.into_inner())
    })?;
    let mut out = std::io::stdout().lock();
    if args.json {
        let databases = catalogue.databases.iter().map(|entry| {
            json!({
                "database": entry.database,
                "submissions": entry.submissions,
                "records": entry.records.parse::<u64>().map_or_else(|_| entry.records.clone().into(), serde_json::Value::from),
                "accepted_at": entry.accepted_at,
                "schema_name": entry.schema_name,
            })
        });
        let catalogue = json!({
            "schema_digest": catalogue.schema_digest,
            "key_check": catalogue.key_check,
            "threshold": catalogue.threshold,
            "candidates": catalogue.candidates,
            "recall": catalogue.recall,
            "policy": catalogue.policy,
            "databases": databases.collect::<Vec<_>>(),
        });
        writeln!(out, "{catalogue:#}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let decided = |value: String| if value.is_empty() { "not decided yet".to_owned() } else { value };
    writeln!(out, "schema     {}", decided(catalogue.schema_digest))?;
    writeln!(out, "key check  {}", decided(catalogue.key_check))?;
    writeln!(out, "threshold  {}", catalogue.threshold)?;
    let recall = catalogue.recall.map(|recall| format!(", recall {recall}")).unwrap_or_default();
    writeln!(out, "candidates {}{recall}", catalogue.candidates)?;
    writeln!(out, "policy     {}", catalogue.policy)?;
    if !catalogue.databases.is_empty() {
        writeln!(out, "\n{:<12}  {:>11}  {:>12}  {:<20}  schema", "database", "submissions", "records", "latest")?;
    }
    for entry in &catalogue.databases {
        let (database, schema) = (&entry.database, &entry.schema_name);
        let (submissions, records, at) = (entry.submissions, &entry.records, &entry.accepted_at);
        writeln!(out, "{database:<12}  {submissions:>11}  {records:>12}  {at:<20}  {schema}")?;
    }
    Ok(ExitCode::SUCCESS)
}
