//! `custodian completions` and `custodian man`: made from the definitions of the command line itself.

use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::{Cli, Done};
use crate::output::{self, at};

/// Print the completions for a shell
///
/// For bash: custodian completions bash > ~/.local/share/bash-completion/completions/custodian
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Write the manual pages into a folder
#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {
    /// The folder; custodian.1 and a page per command go there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(crate) fn completions(args: &CompletionsArgs) -> anyhow::Result<Done> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "custodian", &mut script);
    output::data(&String::from_utf8_lossy(&script))?;
    Ok(Done::Clean)
}

pub(crate) fn man(args: &ManArgs) -> anyhow::Result<Done> {
    std::fs::create_dir_all(&args.folder).map_err(|error| at(&args.folder, error))?;
    clap_mangen::generate_to(Cli::command(), &args.folder).map_err(|error| at(&args.folder, error))?;
    output::talk(&format!("wrote the manual pages into `{}`", args.folder.display()));
    Ok(Done::Clean)
}
