//! Drawing up a permit: from flags, or as a template to edit.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use linkage_service::permit::{Fingerprint, Hearing, Member, Permit, Purpose, Statement};
use linkage_service::policy::{Class, Environment, Need};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{check_policy, describe, policy_for, print, read, say, warn_of_proposal, write};

const TEMPLATE: &str = include_str!("template.json");

const EXAMPLES: &str = "\
Examples:
  linkage permit new --template -o heart.json
  linkage permit new --id heart-2026 --project heart-2026 --public-interest \\
    --purpose 'Whether early rehabilitation …' --reason 'The question matters …' \\
    --database ndb,kaigo --class anonymised --member Abe=abe/cert.pem --environment visiting \\
    --from 2026-04-01T00:00:00+09:00 --until 2027-04-01T00:00:00+09:00 \\
    --hearing 'ndb=Panel on NDB' --hearing 'kaigo=Panel on kaigo' -o heart.json";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct NewArgs {
    /// Write a template to edit, and check nothing
    #[arg(long, conflicts_with_all = ["id", "project"])]
    template: bool,
    /// Name of the permit, the same in all its versions
    #[arg(long, required_unless_present = "template")]
    id: Option<String>,
    /// 1, and more for every amendment
    #[arg(long, default_value_t = 1)]
    version: u32,
    /// The project that may run
    #[arg(long, required_unless_present = "template")]
    project: Option<String>,
    /// What for, in words
    #[arg(long, required_unless_present = "template", value_name = "TEXT")]
    purpose: Option<String>,
    /// The committee holds the purpose to be of substantial public interest (相当の公益性)
    #[arg(long)]
    public_interest: bool,
    /// The databases that may be linked with one another
    #[arg(long = "database", value_delimiter = ',', required_unless_present = "template", value_name = "ID")]
    databases: Vec<String>,
    /// Class of data, the same on every side
    #[arg(long, value_enum, default_value_t = ClassArg::Anonymised)]
    class: ClassArg,
    /// Why anonymised data would not do
    #[arg(long, value_name = "TEXT")]
    necessity: Option<String>,
    /// What the committee has seen proof of
    #[arg(long = "declare", value_enum)]
    declarations: Vec<NeedArg>,
    /// Who may run and receive: a name and the client certificate, as PEM file or SHA-256 in hexadecimal
    #[arg(long = "member", required_unless_present = "template", value_name = "NAME=CERT")]
    members: Vec<String>,
    /// Where the members work with what they receive
    #[arg(long, value_enum, default_value_t = EnvironmentArg::Visiting)]
    environment: EnvironmentArg,
    /// First instant of validity, RFC 3339
    #[arg(long, required_unless_present = "template", value_name = "TIME")]
    from: Option<String>,
    /// First instant after validity, RFC 3339
    #[arg(long, required_unless_present = "template", value_name = "TIME")]
    until: Option<String>,
    /// The body heard for a database; once per database
    #[arg(long = "hearing", value_name = "ID=BODY")]
    hearings: Vec<String>,
    /// The policy decided under: a shipped one (law, proposal-2024) or a file
    #[arg(long, default_value = "law", value_name = "NAME|FILE")]
    policy: String,
    /// Why the committee decides so
    #[arg(long, required_unless_present = "template", value_name = "TEXT")]
    reason: Option<String>,
    /// Where to write; an existing file is not overwritten
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ClassArg {
    Anonymised,
    Pseudonymised,
    Identified,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum NeedArg {
    Consent,
    CertifiedUser,
    MaxQualityRisk,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum EnvironmentArg {
    Visiting,
    OwnPremises,
}

pub(super) fn run(args: NewArgs) -> anyhow::Result<ExitCode> {
    let output = args.output.clone();
    if args.template {
        write(&output, TEMPLATE.as_bytes(), false)?;
        say(&format!("wrote {}\nhint: edit it; `linkage permit show` checks it", output.display()));
        return Ok(ExitCode::SUCCESS);
    }
    // A path is a policy file, a bare word one of the shipped policies.
    let file =
        Some(PathBuf::from(&args.policy)).filter(|path| path.components().count() > 1 || path.extension().is_some());
    let permit = Permit::try_from(statement(args, file.as_deref())?)?;
    let policy = policy_for(&permit, file.as_deref())?;
    check_policy(&permit, &policy)?;
    write(&output, &permit.to_payload(), false)?;
    warn_of_proposal(&policy);
    print(&describe::permit(&permit, Some(&policy)))?;
    say(&format!("wrote {}\nhint: `linkage permit sign {0} --key NAME.key` signs it", output.display()));
    Ok(ExitCode::SUCCESS)
}

fn statement(args: NewArgs, policy_file: Option<&Path>) -> anyhow::Result<Statement> {
    let policy = match policy_file {
        Some(path) => {
            let text = String::from_utf8(read(path)?).with_context(|| path.display().to_string())?;
            linkage_service::policy::Policy::parse(&text)?.name().to_owned()
        }
        None => args.policy,
    };
    let database = |id: &str| id.parse().with_context(|| format!("database `{id}`"));
    let hearings = args.hearings.iter().map(|text| {
        let (id, body) = text.split_once('=').context("a hearing is ID=BODY")?;
        Ok(Hearing { database: database(id)?, body: body.to_owned() })
    });
    Ok(Statement {
        format: "permit/1".to_owned(),
        id: given(args.id, "--id")?.parse()?,
        version: args.version,
        project: given(args.project, "--project")?.parse()?,
        policy,
        purpose: Purpose {
            text: given(args.purpose, "--purpose")?,
            substantial_public_interest: args.public_interest,
            advertising: false,
        },
        databases: args.databases.iter().map(|id| database(id)).collect::<anyhow::Result<_>>()?,
        class: match args.class {
            ClassArg::Anonymised => Class::Anonymised,
            ClassArg::Pseudonymised => Class::Pseudonymised,
            ClassArg::Identified => Class::Identified,
        },
        necessity: args.necessity,
        declarations: args.declarations.iter().map(|need| need.need()).collect(),
        members: args.members.iter().map(|text| member(text)).collect::<anyhow::Result<_>>()?,
        environment: match args.environment {
            EnvironmentArg::Visiting => Environment::Visiting,
            EnvironmentArg::OwnPremises => Environment::OwnPremises,
        },
        valid_from: time(&given(args.from, "--from")?, "--from")?,
        valid_until: time(&given(args.until, "--until")?, "--until")?,
        hearings: hearings.collect::<anyhow::Result<_>>()?,
        reason: given(args.reason, "--reason")?,
    })
}

impl NeedArg {
    fn need(self) -> Need {
        match self {
            Self::Consent => Need::Consent,
            Self::CertifiedUser => Need::CertifiedUser,
            Self::MaxQualityRisk => Need::MaxQualityRisk,
        }
    }
}

fn given(value: Option<String>, flag: &str) -> anyhow::Result<String> {
    value.with_context(|| format!("{flag} is missing"))
}

fn member(text: &str) -> anyhow::Result<Member> {
    let Some((name, certificate)) = text.rsplit_once('=') else { bail!("a member is NAME=CERT") };
    let certificate_sha256 = match certificate.parse() {
        Ok(fingerprint) => fingerprint,
        Err(_) => {
            let pem = std::fs::read_to_string(certificate).with_context(|| certificate.to_owned())?;
            Fingerprint::of_certificate_pem(&pem).with_context(|| certificate.to_owned())?
        }
    };
    Ok(Member { name: name.to_owned(), certificate_sha256 })
}

fn time(text: &str, flag: &str) -> anyhow::Result<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339)
        .with_context(|| format!("{flag} is not an RFC 3339 time\nhint: 2026-04-01T00:00:00+09:00"))
}
