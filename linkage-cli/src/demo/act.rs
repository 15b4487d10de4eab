//! The demo's plot: who does what, in which order.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use linkage_core::schema::LinkageSchema;
use linkage_service::config::Candidates;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::DemoArgs;
use super::extracts::{Extract, Extracts};
use super::party::{Party, Program, Running};
use super::quality;
use super::summary::{DatabaseSummary, RunSummary, Summary};
use Program::{Custodian, Linkage, LinkageService};

const PERMIT: &str = "p-2026-001";
const PROJECT: &str = "stroke-outcomes";
const SCHEMA: &str = "person-ja";
/// The same with blocking keys.
const BLOCKED_SCHEMA: &str = "person-ja-blocked";
const STRANGER: &str = "no-permit";
const COMMITTEE: [&str; 3] = ["member-1", "member-2", "member-3"];
/// 電カル may be linked only under what the working group proposed, which is no law yet.
const POLICY: &str = "proposal-2024";
const PATIENCE: Duration = Duration::from_secs(60);

/// One custodian: its folder and what it holds.
struct Site {
    party: Party,
    extract: Extract,
}

impl Site {
    fn database(&self) -> &str {
        &self.extract.database
    }
}

/// All parties, set up and connected, with the service running.
pub struct Stage {
    started: Instant,
    people: u64,
    schema: &'static str,
    truth: PathBuf,
    committee: Party,
    project: Party,
    stranger: Party,
    auditor: Party,
    sites: Vec<Site>,
    service: Running,
    url: String,
}

impl Stage {
    /// Makes the population, the committee, the linkage unit and everybody's credentials, and starts the service.
    pub fn set(folder: &Path, args: &DemoArgs) -> anyhow::Result<Self> {
        let started = Instant::now();
        let party = |name: &str| Party::new(folder, name, args.json);
        let (unit, committee) = (party("unit")?, party("committee")?);
        let (project, stranger, auditor) = (party("project")?, party("stranger")?, party("auditor")?);

        // Each custodian's extract goes into its own folder; the truth stays outside all of them.
        let Extracts { people, databases, truth } = Extracts::of(folder, args)?;
        let mut sites = Vec::new();
        for extract in databases {
            let party = party(&extract.database)?;
            extract.hand_over(&party.path(""))?;
            sites.push(Site { party, extract });
        }

        let mut members = vec!["permit".to_owned(), "committee".to_owned(), "--threshold".to_owned(), "2".to_owned()];
        for name in COMMITTEE {
            committee.run(Linkage, &["permit", "keygen", "-o", name])?;
            members.extend(["--member".to_owned(), format!("{name}={name}.pub")]);
        }
        members.extend(["-o".to_owned(), "committee.json".to_owned()]);
        committee.run(Linkage, &members)?;

        fs::copy(committee.path("committee.json"), unit.path("committee.json"))?;
        // The unit never sees the schema; the custodians tell it the threshold that goes with theirs.
        let schema = if args.candidates == Candidates::Keyed { BLOCKED_SCHEMA } else { SCHEMA };
        let threshold = match args.learnt {
            true => "learnt".to_owned(),
            false => LinkageSchema::load(schema)?.threshold().to_string(),
        };
        let mut init =
            vec!["init", "service", "--committee", "committee.json", "--policy", POLICY, "--threshold", &threshold];
        let recall = args.recall.to_string();
        if args.candidates != Candidates::AllPairs {
            init.extend(["--candidates", args.candidates.as_str(), "--recall", &recall]);
        }
        unit.run(LinkageService, &init)?;
        let issue = |role: &[&str], name: &str, to: &Party| -> anyhow::Result<()> {
            let credential = to.path("credential");
            let credential = credential.to_string_lossy();
            let args = [&["issue", "service", "--name", name, "-o", &credential, "--role"], role].concat();
            unit.run(LinkageService, &args).map(drop)
        };
        for site in &sites {
            let name = format!("{} custodian", site.database());
            issue(&["custodian", "--database", site.database()], &name, &site.party)?;
            fs::copy(unit.path("service/unit.pub"), site.party.path("unit.pub"))?;
        }
        issue(&["committee"], "review committee", &committee)?;
        issue(&["project", "--project", PROJECT], "stroke outcomes group", &project)?;
        issue(&["project", "--project", STRANGER], "somebody else", &stranger)?;
        issue(&["auditor"], "auditor", &auditor)?;
        fs::copy(unit.path("service/audit.pub"), auditor.path("audit.pub"))?;

        let ready = unit.path("ready");
        let serve = ["serve", "service", "--listen", "127.0.0.1:0", "--ready-file", "ready"];
        let mut service = unit.start(LinkageService, &serve, "service.log")?;
        let address = service.wait_for(&ready, PATIENCE)?;
        // The certificate names localhost, so that is what clients call.
        let port = address.rsplit_once(':').map(|(_, port)| port).context("the service gave no port")?;
        let url = format!("https://localhost:{port}");

        Ok(Self { started, people, schema, truth, committee, project, stranger, auditor, sites, service, url })
    }

    /// Plays it all and stops the service.
    pub fn play(self) -> anyhow::Result<Summary> {
        // First of all, for the policy may not let these databases be linked, and all else would be for nothing.
        self.draw_up_permit()?;
        self.agree_on_a_secret()?;
        let mut databases = self.sites.iter().map(|site| self.tokenise(site)).collect::<anyhow::Result<Vec<_>>>()?;

        let refusal = self.refused_without_permit()?;
        self.sign_permit()?;
        let run = self.run()?;
        for (site, database) in self.sites.iter().zip(&mut databases) {
            database.linked_records = self.receive(site)?;
        }
        let keys = self.call(&self.project, Linkage, &["keys", "--json", "-o", "keys.csv"])?.json()?;
        let audit_entries = self.audit()?;
        let quality = quality::against_truth(
            &self.truth,
            self.sites.iter().map(|site| (site.database(), site.party.path("crosswalk.csv"))),
        )?;
        self.service.stop(PATIENCE)?;
        Ok(Summary {
            people: self.people,
            databases,
            refusal,
            run,
            quality,
            keys_released: number(&keys, "keys")?,
            audit_entries,
            seconds: self.started.elapsed().as_secs_f64(),
        })
    }

    /// The first custodian draws the linkage secret; the others get it from hand to hand, the linkage unit does not.
    fn agree_on_a_secret(&self) -> anyhow::Result<()> {
        let [first, others @ ..] = self.sites.as_slice() else { bail!("no custodians") };
        first.party.run(Custodian, &["keygen", "-o", "linkage.secret"])?;
        for other in others {
            // A copy keeps the mode 0600.
            fs::copy(first.party.path("linkage.secret"), other.party.path("linkage.secret"))?;
        }
        Ok(())
    }

    fn tokenise(&self, site: &Site) -> anyhow::Result<DatabaseSummary> {
        let Site { party, extract } = site;
        let database = site.database();
        let tokens = format!("{database}.tokens");
        let keys = ["--secret", "linkage.secret", "--to", "unit.pub"];
        let mut args = vec!["tokenise", "--database", database, "--deduplicated", "--schema", self.schema];
        args.extend(keys.iter().copied().chain(extract.to_tokenise()).chain(["-o", &tokens, "--json"]));
        let json = party.run(Custodian, &args)?.json()?;
        self.call(party, Custodian, &["submit", &tokens])?;
        let records = number(&json, "written_rows")?;
        let seconds = json["elapsed_seconds"].as_f64().unwrap_or(f64::NAN);
        Ok(DatabaseSummary {
            database: database.to_owned(),
            records,
            set_aside_rows: number(&json, "set_aside_rows")?,
            tokenise_seconds: seconds,
            tokens_per_second: records as f64 / seconds,
            token_file_bytes: fs::metadata(party.path(&tokens))?.len(),
            linked_records: 0,
        })
    }

    /// A project that nobody gave a permit asks for a run, and must not get one.
    fn refused_without_permit(&self) -> anyhow::Result<String> {
        let args = self.with_service(&["run", "start", "--permit", PERMIT]);
        let outcome = self.stranger.try_run(Linkage, &args)?;
        if outcome.code == 0 {
            bail!("a run was started without a permit");
        }
        let words = outcome.stderr.lines().next().unwrap_or_default();
        Ok(words.trim_start_matches("error: ").to_owned())
    }

    /// The committee draws up a permit.
    fn draw_up_permit(&self) -> anyhow::Result<()> {
        let certificate = "project.pem";
        fs::copy(self.project.path("credential/cert.pem"), self.committee.path(certificate))?;
        let databases: Vec<_> = self.sites.iter().map(|site| site.database()).collect();
        let member = format!("stroke outcomes group={certificate}");
        let from = OffsetDateTime::now_utc().replace_nanosecond(0)?;
        let (until, from) = ((from + time::Duration::days(365)).format(&Rfc3339)?, from.format(&Rfc3339)?);
        let mut new: Vec<String> = [
            "permit",
            "new",
            "--id",
            PERMIT,
            "--project",
            PROJECT,
            "--purpose",
            "Outcomes of stroke care across claims, hospital, long-term care and medical records",
            "--public-interest",
            "--database",
            &databases.join(","),
            "--class",
            "anonymised",
            "--member",
            &member,
            "--environment",
            "visiting",
            "--from",
            &from,
            "--until",
            &until,
            "--policy",
            POLICY,
            "--reason",
            "Public interest shown; anonymised data suffice",
            "-o",
            "permit.json",
        ]
        .map(str::to_owned)
        .into();
        for database in &databases {
            new.extend(["--hearing".to_owned(), format!("{database}=review board of {database}")]);
        }
        self.committee.run(Linkage, &new).map(drop)
    }

    /// Two of the committee's three members sign the permit, and it is submitted.
    fn sign_permit(&self) -> anyhow::Result<()> {
        for (name, file) in COMMITTEE.iter().zip(["permit.json", "permit.signed.json"]) {
            self.committee.run(Linkage, &["permit", "sign", file, "--key", &format!("{name}.key"), "--yes"])?;
        }
        self.call(&self.committee, Linkage, &["permit", "submit", "permit.signed.json"]).map(drop)
    }

    fn run(&self) -> anyhow::Result<RunSummary> {
        let args = self.with_service(&["run", "start", "--permit", PERMIT, "--watch", "--json"]);
        let outcome = self.project.try_run(Linkage, &args)?;
        // A run that failed is printed as well, with the reason and its hint.
        let Ok(json) = outcome.json() else { bail!("the run could not be started\n{}", outcome.stderr.trim_end()) };
        if json["state"] != "done" {
            bail!("the run ended as {}: {}", json["state"], json["failure"].as_str().unwrap_or_default());
        }
        let (compared, seconds) = (number(&json, "compared_pairs")?, json["seconds"].as_f64().unwrap_or(f64::NAN));
        Ok(RunSummary {
            threshold: json["threshold"].as_str().unwrap_or_default().to_owned(),
            candidates: json["candidates"].as_str().unwrap_or_default().to_owned(),
            certified: json["certified"].as_bool(),
            certificates: json["certificates"].as_array().cloned().unwrap_or_default(),
            exact_pairs: number(&json, "exact_pairs")?,
            dice_pairs: number(&json, "dice_pairs")?,
            compared_pairs: compared,
            seconds,
            compared_pairs_per_second: compared as f64 / seconds,
        })
    }

    /// A custodian fetches its own crosswalk and maps the record refs back to its own record ids.
    fn receive(&self, site: &Site) -> anyhow::Result<u64> {
        let Site { party, extract } = site;
        let site_key = format!("{}.site-key", site.database());
        let mut args = vec!["receive", "--project", PROJECT, "--site-key", &site_key];
        args.extend(extract.to_receive().into_iter().chain(["-o", "crosswalk.csv", "--json"]));
        number(&self.call(party, Custodian, &args)?.json()?, "keys")
    }

    /// The auditor takes the log home and verifies it without the service.
    fn audit(&self) -> anyhow::Result<u64> {
        self.call(&self.auditor, Linkage, &["audit", "export", "-o", "audit.jsonl"])?;
        let verify = ["audit", "verify", "audit.jsonl", "--key", "audit.pub", "--json"];
        number(&self.auditor.run(Linkage, &verify)?.json()?["report"], "entries")
    }

    fn call(&self, party: &Party, program: Program, args: &[&str]) -> anyhow::Result<super::party::Outcome> {
        party.run(program, &self.with_service(args))
    }

    fn with_service(&self, args: &[&str]) -> Vec<String> {
        let connection = ["--service", &self.url, "--credential", "credential"];
        args.iter().chain(&connection).map(|arg| (*arg).to_owned()).collect()
    }
}

fn number(json: &Value, name: &str) -> anyhow::Result<u64> {
    json[name].as_u64().with_context(|| format!("a command of the demo did not report `{name}`"))
}
