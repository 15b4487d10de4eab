//! The program `linkage-service`.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    linkage_service::cli::run(linkage_service::cli::Cli::parse())
}
