//! The program `custodian`; all of it is in the library.

use std::process::ExitCode;

use clap::Parser;
use custodian::cli::{Cli, run};

fn main() -> ExitCode {
    run(Cli::parse())
}
