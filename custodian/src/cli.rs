//! The command line, and how its outcome becomes an exit code.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::{check, clkhash, inspect, keygen, manual, map, report, site_key, tokenise, tune};
#[cfg(feature = "submit")]
use crate::commands::{receive, submit};
use crate::output;

const EXAMPLES: &str = "\
Examples:
  custodian keygen -o linkage.secret
  custodian check --schema person-ja --id-column id people.csv
  custodian tokenise --database ndb --schema person-ja --secret linkage.secret --to unit.pub \\
      --id-column id people.csv -o ndb.tokens
  custodian inspect --site-key ndb.site-key ndb.tokens

Exit codes: 0 done; 1 failed, nothing written; 2 wrong usage; 3 written, but some rows
were set aside.";

/// Turn person records into tokens on your own site, and see what leaves it.
#[derive(Debug, Parser)]
#[command(name = "custodian", version, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Keygen(keygen::Args),
    SiteKey(site_key::Args),
    Map(map::Args),
    Check(Box<check::Args>),
    Report(Box<report::Args>),
    Tokenise(Box<tokenise::Args>),
    Inspect(inspect::Args),
    Tune(Box<tune::Args>),
    Clkhash(clkhash::Args),
    #[cfg(feature = "submit")]
    Submit(submit::Args),
    #[cfg(feature = "submit")]
    Receive(Box<receive::Args>),
    Completions(manual::CompletionsArgs),
    Man(manual::ManArgs),
}

/// How a command that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// All of it is done.
    Clean,
    /// It is done, but some rows were set aside.
    RowsSetAside,
}

/// Carries out a parsed command line. Data goes to stdout, talk and errors to stderr.
pub fn run(cli: Cli) -> ExitCode {
    // The text of a panic can quote a value (a slice of a string does), so only its place is shown.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        output::talk(&format!("internal error at {place}"));
    }));
    let result = match cli.command {
        Command::Keygen(args) => keygen::run(&args),
        Command::SiteKey(args) => site_key::run(&args),
        Command::Map(args) => map::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Tokenise(args) => tokenise::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Tune(args) => tune::run(&args),
        Command::Clkhash(args) => clkhash::run(&args),
        #[cfg(feature = "submit")]
        Command::Submit(args) => submit::run(&args),
        #[cfg(feature = "submit")]
        Command::Receive(args) => receive::run(&args),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::man(&args),
    };
    match result {
        Ok(Done::Clean) => ExitCode::SUCCESS,
        Ok(Done::RowsSetAside) => ExitCode::from(3),
        Err(error) => {
            // Only the outermost message: the messages below it are part of it already.
            output::talk(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }

    #[test]
    fn no_example_is_broken_by_the_width_of_help() {
        fn check(command: &clap::Command) {
            // Help is at most 100 columns wide.
            let width = |line: &str| line.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum::<usize>();
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.lines().all(|line| width(line) <= 100), "{}: {help}", command.get_name());
            command.get_subcommands().for_each(check);
        }
        check(&super::Cli::command());
    }
}
