//! Drawing up the end of a permit before its time.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use linkage_service::permit::{PermitId, Revocation};
use time::OffsetDateTime;

use super::{describe, print, say, write};

const EXAMPLES: &str = "\
Examples:
  linkage permit revoke heart-2026 --reason 'The project has ended.' -o end.json
  linkage permit sign end.json --key abe.key                    as many members as for a permit
  linkage permit submit end.signed.json --service https://unit.example:7443 --credential committee/";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RevokeArgs {
    /// The permit that ends, in all its versions
    #[arg(value_name = "PERMIT")]
    permit: PermitId,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Where to write; an existing file is not overwritten
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(super) fn run(args: RevokeArgs) -> anyhow::Result<ExitCode> {
    // Whole seconds: nobody decides more finely, and the statement is read by people.
    let now = OffsetDateTime::now_utc();
    let decided_at = now.replace_nanosecond(0).unwrap_or(now);
    let revocation = Revocation::new(args.permit, decided_at, args.reason)?;
    write(&args.output, &revocation.to_payload(), false)?;
    print(&describe::revocation(&revocation))?;
    say(&format!("wrote {}\nhint: `linkage permit sign {0} --key NAME.key` signs it", args.output.display()));
    Ok(ExitCode::SUCCESS)
}
