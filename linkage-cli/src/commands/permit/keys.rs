//! Keys of the committee's members, and the committee itself.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use linkage_service::permit::{Committee, CommitteeMember};
use linkage_service::signing::{PublicKey, SigningKey};

use super::{print, say, write};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  linkage permit keygen -o abe     writes abe.key and abe.pub")]
pub(super) struct KeygenArgs {
    /// Where to write: NAME.key (mode 0600) and NAME.pub
    #[arg(short, long, value_name = "NAME")]
    output: PathBuf,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  linkage permit committee --threshold 2 --member Abe=abe.pub --member Baba=baba.pub \\\n    -o committee.json"
)]
pub(super) struct CommitteeArgs {
    /// How many distinct members make a decision
    #[arg(short = 'k', long, value_name = "K")]
    threshold: usize,
    /// A member and the file of the public key; once per member
    #[arg(long = "member", value_name = "NAME=FILE.pub", required = true)]
    members: Vec<String>,
    /// Where to write; an existing file is not overwritten
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(super) fn keygen(args: &KeygenArgs) -> anyhow::Result<ExitCode> {
    let mut random = Ok(());
    let key = SigningKey::generate(|seed| random = getrandom::fill(seed));
    random.ok().context("the operating system gave no randomness")?;
    let (secret, public) = (with_suffix(&args.output, ".key"), with_suffix(&args.output, ".pub"));
    if public.exists() {
        bail!("{} exists\nhint: an existing key file is never overwritten", public.display());
    }
    key.create_file(&secret)?;
    key.public_key().create_file(&public)?;
    say(&format!(
        "wrote {} (keep it to yourself) and {} (give it to the committee)",
        secret.display(),
        public.display()
    ));
    print(&key.public_key().key_id().to_string())?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn committee(args: &CommitteeArgs) -> anyhow::Result<ExitCode> {
    let members = args.members.iter().map(|text| {
        let (name, file) = text.split_once('=').context("a member is NAME=FILE.pub")?;
        Ok(CommitteeMember { name: name.to_owned(), public_key: PublicKey::load(Path::new(file))? })
    });
    let committee = Committee::new(args.threshold, members.collect::<anyhow::Result<_>>()?)?;
    write(&args.output, &committee.to_json(), false)?;
    say(&format!("wrote {}: {} of {} members decide", args.output.display(), args.threshold, args.members.len()));
    for member in committee.members() {
        say(&format!("  {}  {}", member.public_key.key_id(), member.name));
    }
    Ok(ExitCode::SUCCESS)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
