//! The program's command line.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand, ValueEnum};
use linkage_core::types::{DatabaseId, SchemaDigest};
use time::OffsetDateTime;
use tracing_subscriber::EnvFilter;

use crate::authority::Authority;
use crate::config::{Candidates, Config, Matching, Policy, Server, Uncertified};
use crate::error::SetupError;
use crate::role::{Caller, ProjectId, Role};
use crate::server;
use crate::unit::{NewUnit, Unit};

/// The linkage service: compares tokens of several databases, and releases linkage keys under a signed permit.
#[derive(Debug, Parser)]
#[command(name = "linkage-service", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the folder of a new linkage unit: authority, keys, configuration, empty store.
    Init(InitArgs),
    /// Make a credential for one caller.
    Issue(IssueArgs),
    /// Serve a linkage unit until SIGINT or SIGTERM.
    Serve(ServeArgs),
    /// Do parts of a linkage unit's runs on this machine until SIGINT or SIGTERM.
    #[cfg(feature = "distributed")]
    Worker(WorkerArgs),
}

#[cfg(feature = "distributed")]
#[derive(Debug, Args)]
struct WorkerArgs {
    /// Credential folder, made by `issue --role worker`.
    #[arg(long, value_name = "DIR")]
    credential: PathBuf,
    /// Folder in which the linkage unit shares rows; the unit's `cluster.objects`, as this machine sees it.
    #[arg(long, value_name = "DIR")]
    objects: PathBuf,
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:7444")]
    listen: String,
    /// Most memory to use, in MiB.
    #[arg(long, default_value_t = 4096)]
    memory_mib: usize,
    /// File to write the real address to, once it is listened on.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct InitArgs {
    /// Folder to make; must not exist yet or be empty.
    folder: PathBuf,
    /// Name or address by which clients reach the service; may be given several times.
    #[arg(long = "host", default_values = ["localhost", "127.0.0.1"])]
    hosts: Vec<String>,
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:7443")]
    listen: String,
    /// The review committee's public keys and quorum. Can be put into the folder later, as committee.json.
    #[arg(long, value_name = "FILE")]
    committee: Option<PathBuf>,
    /// `law`, `proposal-2024`, or a policy file.
    #[arg(long, default_value = "law")]
    policy: String,
    /// Least Dice similarity of a match; agree it with the custodians.
    #[arg(long, default_value = "0.80")]
    threshold: String,
    /// Which pairs of records are compared: all-pairs, bands, keyed or auto.
    #[arg(long, default_value = "all-pairs")]
    candidates: Candidates,
    /// The share of the pairs above the threshold that bands must be shown to find.
    #[arg(long, default_value_t = 0.99)]
    recall: f64,
    /// What becomes of a run whose recall is not shown: refuse or mark.
    #[arg(long, default_value = "refuse")]
    uncertified: Uncertified,
    /// Count the exact pairs of a record that is more like another one; takes about as long as the exact stage has saved.
    #[arg(long)]
    count_rivals: bool,
    /// Digest of the agreed linkage schema. Without it the first submission decides.
    #[arg(long, value_name = "HEX")]
    schema_digest: Option<SchemaDigest>,
}

#[derive(Debug, Args)]
struct IssueArgs {
    /// Folder of the linkage unit.
    folder: PathBuf,
    /// What the caller will be.
    #[arg(long)]
    role: RoleKind,
    /// The custodian's database.
    #[arg(long, required_if_eq("role", "custodian"))]
    database: Option<DatabaseId>,
    /// The project.
    #[arg(long, required_if_eq("role", "project"))]
    project: Option<ProjectId>,
    /// Name or address by which the linkage unit reaches the worker; may be given several times.
    #[arg(long = "host", required_if_eq("role", "worker"))]
    hosts: Vec<String>,
    /// Name for people to read; the role when it is left out.
    #[arg(long)]
    name: Option<String>,
    /// Credential folder to make.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RoleKind {
    Custodian,
    Committee,
    Project,
    Operator,
    Auditor,
    Worker,
}

#[derive(Debug, Args)]
struct ServeArgs {
    /// Folder of the linkage unit.
    folder: PathBuf,
    /// Address to listen on instead of the configured one; port 0 takes a free one.
    #[arg(long)]
    listen: Option<String>,
    /// File to write the real address to, once it is listened on.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

/// Runs the command line: 0 done, 1 failed.
pub fn run(cli: Cli) -> ExitCode {
    let done = match cli.command {
        Command::Init(args) => block_on(init(args)),
        Command::Issue(args) => issue(&args),
        Command::Serve(args) => block_on(serve(args)),
        #[cfg(feature = "distributed")]
        Command::Worker(args) => block_on(worker(args)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // When even stderr is gone, the exit code has to do.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn init(args: InitArgs) -> anyhow::Result<()> {
    let config = Config {
        server: Server { listen: args.listen, ..Server::default() },
        matching: Matching {
            threshold: args.threshold,
            candidates: args.candidates,
            recall: args.recall,
            uncertified: args.uncertified,
            count_rivals: args.count_rivals,
            schema_digest: args.schema_digest,
        },
        policy: Policy { file: args.policy, ..Policy::default() },
        ..Config::default()
    };
    let committee_missing = args.committee.is_none();
    let new = NewUnit { hosts: args.hosts, committee: args.committee, config };
    Unit::create(&args.folder, &new, OffsetDateTime::now_utc()).await?;
    let folder = args.folder.display();
    let mut out = std::io::stdout().lock();
    writeln!(out, "made the linkage unit {folder}")?;
    writeln!(out, "  hand to every custodian  {folder}/unit.pub   (token files are sealed to it)")?;
    writeln!(out, "  hand to every auditor    {folder}/audit.pub  (verifies the audit log)")?;
    writeln!(out, "  keep to yourself         ca.key, server.key, unit.key, audit.key")?;
    if committee_missing {
        writeln!(out, "  still missing            {folder}/committee.json; without it no permit is accepted")?;
    }
    writeln!(out, "next: linkage-service issue {folder} --role custodian --database ndb -o ndb-credential")?;
    writeln!(out, "      linkage-service serve {folder}")?;
    Ok(())
}

fn issue(args: &IssueArgs) -> anyhow::Result<()> {
    let role = role(args)?;
    let authority = Authority::open(&args.folder)?;
    let name = args.name.clone().unwrap_or_else(|| role.to_string());
    let now = OffsetDateTime::now_utc();
    let identity = match role {
        Role::Worker => authority.issue_worker(&args.hosts, &name, now)?,
        _ => authority.issue_client(&role, &name, now)?,
    };
    identity.write_credential(&authority, &args.output)?;
    let (_, pem) = x509_parser::pem::parse_x509_pem(identity.certificate_pem.as_bytes())
        .context("the certificate just made cannot be read")?;
    let caller = Caller::from_certificate(&pem.contents)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "made the credential {} for {role}", args.output.display())?;
    writeln!(out, "  SHA-256 of its certificate, for permits: {}", caller.fingerprint_hex())?;
    Ok(())
}

async fn serve(args: ServeArgs) -> anyhow::Result<()> {
    log_to_stderr();
    let stop = server::signals()?;
    server::serve(&args.folder, args.listen.as_deref(), args.ready_file.as_deref(), stop).await?;
    Ok(())
}

#[cfg(feature = "distributed")]
async fn worker(args: WorkerArgs) -> anyhow::Result<()> {
    log_to_stderr();
    let stop = server::signals()?;
    let worker = crate::cluster::NewWorker {
        credential: args.credential,
        objects: args.objects,
        listen: args.listen,
        memory_bytes: args.memory_mib << 20,
        ready_file: args.ready_file,
    };
    crate::cluster::serve_worker(&worker, stop).await?;
    Ok(())
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let ansi = std::env::var_os("NO_COLOR").is_none() && std::io::IsTerminal::is_terminal(&std::io::stderr());
    // A second subscriber in one process is refused; the first one then serves.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi).try_init();
}

fn role(args: &IssueArgs) -> Result<Role, SetupError> {
    match (args.role, &args.database, &args.project) {
        (RoleKind::Custodian, Some(database), None) => Ok(Role::Custodian(database.clone())),
        (RoleKind::Project, None, Some(project)) => Ok(Role::Project(project.clone())),
        (RoleKind::Committee, None, None) => Ok(Role::Committee),
        (RoleKind::Operator, None, None) => Ok(Role::Operator),
        (RoleKind::Auditor, None, None) => Ok(Role::Auditor),
        (RoleKind::Worker, None, None) => Ok(Role::Worker),
        _ => Err(SetupError::Option(
            "the options do not fit the role\nhint: `--database` is for custodians, `--project` for projects",
        )),
    }
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}
