//! The command line of `linkage`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::{audit, catalogue, evaluate, generate, keys, permit, run};
use crate::demo;

const EXAMPLES: &str = "\
Examples:
  linkage demo                                  custodians, linkage unit and permit, on this machine
  linkage permit new --help                     draw up a permit
  linkage run start --permit p-2026-001 --watch start the run that a permit allows
  linkage generate extracts -o study            what nine databases hold of people who do not exist
  linkage audit verify audit.jsonl --key audit.pub
  linkage evaluate --left a.csv --right b.csv --schema person-en --truth truth.csv";

/// Privacy-preserving record linkage: permits, runs, keys, audit, evaluation and a demo.
#[derive(Debug, Parser)]
#[command(name = "linkage", version, about, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Draw up, sign, submit, revoke and show permits
    Permit(permit::PermitArgs),
    /// Start, watch, explain and cancel runs
    Run(run::RunArgs),
    /// Fetch a project's linkage keys
    Keys(keys::KeysArgs),
    /// Show which databases have submitted what
    Catalogue(catalogue::CatalogueArgs),
    /// Export the audit log and verify it offline
    Audit(audit::AuditArgs),
    /// Make a population, the extracts of databases with their truth, or errors in a table of your own
    Generate(generate::GenerateArgs),
    /// Measure linkage quality against known truth
    Evaluate(Box<evaluate::EvaluateArgs>),
    /// Run everything for real on this machine: custodians, linkage unit, permit, keys
    Demo(demo::DemoArgs),
    // The demo re-executes this program as the two others, so that every party is a process of its own.
    #[command(hide = true)]
    Custodian(custodian::cli::Cli),
    #[command(hide = true)]
    Service(linkage_service::cli::Cli),
}

/// Runs the command that was asked for.
///
/// # Errors
/// Whatever the command could not do; the text is for a person and never carries a record's value.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Permit(args) => permit::run(args),
        Command::Run(args) => run::run(args),
        Command::Keys(args) => keys::run(args),
        Command::Catalogue(args) => catalogue::run(args),
        Command::Audit(args) => audit::run(args),
        Command::Generate(args) => generate::run(args),
        Command::Evaluate(args) => evaluate::run(*args),
        Command::Demo(args) => demo::run(args),
        Command::Custodian(cli) => Ok(custodian::cli::run(cli)),
        Command::Service(cli) => Ok(linkage_service::cli::run(cli)),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn no_example_is_broken_by_the_width_of_help() {
        fn check(command: &clap::Command) {
            // Help is at most 100 columns wide.
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.lines().all(|line| line.chars().count() <= 100), "{}: {help}", command.get_name());
            command.get_subcommands().for_each(check);
        }
        check(&super::Cli::command());
    }
}
