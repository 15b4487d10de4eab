//! `linkage run`: what a project does with its permit.

mod certificate;
mod conflicts;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use linkage_proto::v1::run_service_client::RunServiceClient;
use linkage_proto::v1::{
    CancelRunRequest, ExplainRunRequest, ListRunsRequest, RunState, RunStatus, StartRunRequest, WatchRunRequest,
};
use serde_json::{Value, json};
use tonic::transport::Channel;

use crate::client::{ServiceArgs, block_on, refused};
use certificate::certified;

const EXAMPLES: &str = "\
Examples:
  linkage run start --permit p-2026-001 --watch \\
    --service https://unit.example:7443 --credential project/
  linkage run watch run-0123456789abcdef \\
    --service https://unit.example:7443 --credential project/";

/// Arguments of `linkage run`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RunArgs {
    #[command(subcommand)]
    command: RunCommand,
}

#[derive(Debug, Subcommand)]
enum RunCommand {
    /// Link the databases of a permit
    Start(StartArgs),
    /// Follow a run until it ends
    Watch(OneRunArgs),
    /// Show the plans that a run executed, and its counts
    Explain(OneRunArgs),
    /// End a run
    Cancel(OneRunArgs),
    /// List the runs of your project, or as an operator all runs
    List(ListArgs),
}

#[derive(Debug, Args)]
struct StartArgs {
    /// The permit
    #[arg(long, value_name = "ID")]
    permit: String,
    /// Follow the run until it ends
    #[arg(long)]
    watch: bool,
    /// Print the last status as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(Debug, Args)]
struct OneRunArgs {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// Print the last status as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    service: ServiceArgs,
}

/// Runs `linkage run`.
///
/// # Errors
/// What the service refused, and why. A run that failed is no error: it is reported, with exit code 1.
pub fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        RunCommand::Start(args) => {
            let status = block_on(async {
                let mut client = RunServiceClient::new(args.service.connect().await?);
                let request = StartRunRequest { permit_id: args.permit };
                let started = client.start(request).await.map_err(refused)?.into_inner().run;
                let started = started.context("the service started a run without saying which")?;
                if args.watch { watch(&mut client, started.run_id).await } else { Ok(started) }
            })?;
            show(&status, args.json)
        }
        RunCommand::Watch(args) => {
            let status = block_on(async {
                let mut client = RunServiceClient::new(args.service.connect().await?);
                watch(&mut client, args.run).await
            })?;
            show(&status, args.json)
        }
        RunCommand::Explain(args) => {
            let text = block_on(async {
                let mut client = RunServiceClient::new(args.service.connect().await?);
                let request = ExplainRunRequest { run_id: args.run };
                Ok(client.explain(request).await.map_err(refused)?.into_inner().text)
            })?;
            if args.json {
                print_json(&json!({ "explain": text }))?
            } else {
                print(&text)?
            }
            Ok(ExitCode::SUCCESS)
        }
        RunCommand::Cancel(args) => {
            let status = block_on(async {
                let mut client = RunServiceClient::new(args.service.connect().await?);
                let request = CancelRunRequest { run_id: args.run };
                let status = client.cancel(request).await.map_err(refused)?.into_inner().run;
                status.context("the service ended a run without saying which")
            })?;
            if args.json {
                print_json(&as_json(&status))?
            } else {
                print(&as_words(&status))?
            }
            Ok(ExitCode::SUCCESS)
        }
        RunCommand::List(args) => list(&args),
    }
}

fn list(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let runs = block_on(async {
        let mut client = RunServiceClient::new(args.service.connect().await?);
        Ok(client.list(ListRunsRequest {}).await.map_err(refused)?.into_inner().runs)
    })?;
    if args.json {
        print_json(&runs.iter().map(as_json).collect())?;
    } else {
        for run in &runs {
            let marked = if certified(run) == Some(false) { ", recall NOT CERTIFIED" } else { "" };
            print(&format!("{}{marked}  project {}, {}\n", in_short(run), run.project, run.created_at))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Follows a run to its end; on a terminal its progress is shown.
async fn watch(client: &mut RunServiceClient<Channel>, run_id: String) -> anyhow::Result<RunStatus> {
    let bar = if std::io::stderr().is_terminal() {
        indicatif::ProgressBar::new_spinner()
    } else {
        indicatif::ProgressBar::hidden()
    };
    let mut statuses = client.watch(WatchRunRequest { run_id }).await.map_err(refused)?.into_inner();
    let mut last = None;
    while let Some(status) = statuses.message().await.map_err(refused)? {
        bar.set_message(in_short(&status));
        bar.tick();
        last = Some(status);
    }
    bar.finish_and_clear();
    last.context("the service said nothing of this run")
}

fn show(status: &RunStatus, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        print_json(&as_json(status))?
    } else {
        print(&as_words(status))?
    }
    let failed = matches!(status.state(), RunState::Failed | RunState::Cancelled);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The status, a line for every certificate, and one for every pair of databases with conflicts.
fn as_words(status: &RunStatus) -> String {
    let certificates = status.certificates.iter().map(certificate::in_words);
    let lines = certificates.chain(status.conflicts.iter().filter_map(conflicts::in_words));
    in_short(status) + &lines.map(|line| format!("\n{line}")).collect::<String>() + "\n"
}

fn in_short(status: &RunStatus) -> String {
    let mut text = format!(
        "{}: {}, {} of {} database pairs, {} pairs compared, {:.1} s",
        status.run_id,
        state(status),
        status.database_pairs_done,
        status.database_pairs,
        status.compared_pairs,
        seconds(status),
    );
    if status.bands_solved > 0 {
        text += &format!(", band {} of {}", status.bands_searched, status.bands_solved);
    }
    if !status.linkage_keys.is_empty() {
        text += &format!(", {} linkage keys at threshold {}", status.linkage_keys, status.threshold);
    }
    if !status.failure.is_empty() {
        text += &format!("\n{}", status.failure);
    }
    text
}

fn as_json(status: &RunStatus) -> Value {
    json!({
        "run": status.run_id,
        "permit": status.permit_id,
        "project": status.project,
        "state": state(status),
        "threshold": status.threshold,
        "candidates": status.candidates,
        "recall": status.recall,
        "certified": certified(status),
        "certificates": status.certificates.iter().map(certificate::as_json).collect::<Vec<_>>(),
        "conflicts": status.conflicts.iter().map(conflicts::as_json).collect::<Vec<_>>(),
        "database_pairs": status.database_pairs,
        "database_pairs_done": status.database_pairs_done,
        "bands_searched": status.bands_searched,
        "bands_solved": status.bands_solved,
        "compared_pairs": status.compared_pairs,
        "exact_pairs": shown(&status.exact_pairs),
        "dice_pairs": shown(&status.dice_pairs),
        "linkage_keys": shown(&status.linkage_keys),
        "seconds": seconds(status),
        "failure": (!status.failure.is_empty()).then_some(&status.failure),
        "created_at": status.created_at,
        "finished_at": (!status.finished_at.is_empty()).then_some(&status.finished_at),
    })
}

/// A count that the service may have suppressed: a number, "<10", or nothing yet.
fn shown(count: &str) -> Value {
    match count.parse::<u64>() {
        Ok(count) => count.into(),
        Err(_) if count.is_empty() => Value::Null,
        Err(_) => count.into(),
    }
}

fn state(status: &RunStatus) -> &'static str {
    match status.state() {
        RunState::Unspecified => "unknown",
        RunState::Queued => "queued",
        RunState::Running => "running",
        RunState::Done => "done",
        RunState::Failed => "failed",
        RunState::Cancelled => "cancelled",
    }
}

fn seconds(status: &RunStatus) -> f64 {
    status.elapsed_ms as f64 / 1000.0
}

fn print(text: &str) -> anyhow::Result<()> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

fn print_json(value: &Value) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{value:#}")?)
}
