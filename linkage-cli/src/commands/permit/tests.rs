//! The command lines of a decision, from keys to a signed permit, and what they refuse.

use clap::Parser;
use linkage_service::permit::{Committee, Envelope, VerifiedPermit, VerifiedRevocation};

use super::*;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    permit: PermitArgs,
}

/// A folder in which words beginning with `@` are file names.
struct Desk(tempfile::TempDir);

impl Desk {
    /// With a committee of Abe, Baba and Chiba, of whom two decide.
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        for name in ["abe", "baba", "chiba"] {
            desk.run(&["keygen", "-o", &format!("@{name}")]).unwrap();
        }
        let member = |name: &str| format!("{name}={}", desk.path(&format!("{name}.pub")).display());
        let (abe, baba, chiba) = (member("abe"), member("baba"), member("chiba"));
        let members = ["--member", &abe, "--member", &baba, "--member", &chiba];
        desk.run(&[&["committee", "-k", "2", "-o", "@committee.json"][..], &members].concat()).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, words: &[&str]) -> anyhow::Result<ExitCode> {
        let word = |word: &&str| match word.strip_prefix('@') {
            Some(name) => self.path(name).into_os_string(),
            None => word.into(),
        };
        let cli = Cli::try_parse_from([std::ffi::OsString::from("permit")].into_iter().chain(words.iter().map(word)))?;
        run(cli.permit)
    }

    fn new_permit(&self, databases: &str, more: &[&str]) -> anyhow::Result<ExitCode> {
        let certificate = format!("Abe={}", "aa".repeat(32));
        let mut words = vec!["new", "--id", "heart", "--project", "heart", "--purpose", "Care", "--public-interest"];
        words.extend(["--database", databases, "--member", &certificate, "--reason", "It matters.", "-o", "@p.json"]);
        words.extend(["--from", "2026-04-01T00:00:00+09:00", "--until", "2126-04-01T00:00:00+09:00"]);
        let hearings: Vec<_> = databases.split(',').map(|id| format!("--hearing={id}=Panel")).collect();
        words.extend(hearings.iter().map(String::as_str));
        words.extend(more);
        self.run(&words)
    }

    fn error(&self, result: anyhow::Result<ExitCode>) -> String {
        format!("{:#}", result.unwrap_err())
    }

    fn committee(&self) -> Committee {
        Committee::parse(&read(&self.path("committee.json")).unwrap()).unwrap()
    }
}

#[test]
fn two_signatures_make_a_permit_that_the_service_accepts() {
    let desk = Desk::new();
    desk.new_permit("ndb,kaigo", &[]).unwrap();
    desk.run(&["sign", "@p.json", "--key", "@abe.key", "--yes"]).unwrap();
    let verify = || VerifiedPermit::verify(&read(&desk.path("p.signed.json")).unwrap(), &desk.committee());
    assert_eq!(verify().unwrap_err().code(), "under-signed");
    desk.run(&["sign", "@p.signed.json", "--key", "@abe.key", "--yes"]).unwrap();
    assert_eq!(verify().unwrap_err().code(), "under-signed", "one member signs once");
    desk.run(&["sign", "@p.signed.json", "--key", "@baba.key", "--yes"]).unwrap();
    assert_eq!(verify().unwrap().endorsement().signers.len(), 2);
    let show = |file| desk.run(&["show", file, "--committee", "@committee.json", "--json"]).unwrap();
    assert_eq!(format!("{:?}", show("@p.signed.json")), format!("{:?}", ExitCode::SUCCESS));
    assert_eq!(format!("{:?}", show("@p.json")), format!("{:?}", ExitCode::FAILURE), "a bare statement is no decision");
}

#[test]
fn the_signed_bytes_are_the_bytes_of_the_statement_file() {
    let desk = Desk::new();
    desk.new_permit("ndb,kaigo", &[]).unwrap();
    desk.run(&["sign", "@p.json", "--key", "@abe.key", "--yes"]).unwrap();
    let envelope = Envelope::parse(&read(&desk.path("p.signed.json")).unwrap()).unwrap();
    assert_eq!(envelope.payload(), read(&desk.path("p.json")).unwrap());
}

#[test]
fn what_the_policy_forbids_is_neither_written_nor_signed() {
    let desk = Desk::new();
    assert!(desk.error(desk.new_permit("ndb,nanbyo", &[])).contains("may not be linked"));
    assert!(
        desk.error(desk.new_permit("ndb,kaigo", &["--class", "pseudonymised"]))
            .contains("anonymised data would not do")
    );
    assert!(!desk.path("p.json").exists());
    desk.new_permit("ndb,kaigo", &[]).unwrap();
    let text = String::from_utf8(read(&desk.path("p.json")).unwrap()).unwrap();
    for (from, to, expected) in [
        ("\"advertising\": false", "\"advertising\": true", "advertises"),
        ("\"version\": 1", "\"version\": 0", "versions count from 1"),
        ("\"law\"", "\"lore\"", "no policy of the name"),
        ("\"reason\"", "\"raison\"", "unknown field"),
    ] {
        std::fs::write(desk.path("bad.json"), text.replace(from, to)).unwrap();
        let error = desk.error(desk.run(&["sign", "@bad.json", "--key", "@abe.key", "--yes"]));
        assert!(error.contains(expected), "{error}");
        assert!(!desk.path("bad.signed.json").exists());
    }
}

#[test]
fn nothing_is_signed_unasked() {
    let desk = Desk::new();
    desk.new_permit("ndb,kaigo", &[]).unwrap();
    if !std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        assert!(desk.error(desk.run(&["sign", "@p.json", "--key", "@abe.key"])).contains("--yes"));
    }
    assert!(!desk.path("p.signed.json").exists());
}

#[test]
fn existing_keys_and_statements_are_not_overwritten() {
    let desk = Desk::new();
    assert!(desk.error(desk.run(&["keygen", "-o", "@abe"])).contains("never overwritten"));
    desk.new_permit("ndb,kaigo", &[]).unwrap();
    assert!(desk.error(desk.new_permit("ndb,dpc", &[])).contains("not overwritten"));
}

#[test]
fn a_revocation_is_signed_like_a_permit() {
    let desk = Desk::new();
    desk.run(&["revoke", "heart", "--reason", "It has ended.", "-o", "@end.json"]).unwrap();
    desk.run(&["sign", "@end.json", "--key", "@abe.key", "--yes"]).unwrap();
    desk.run(&["sign", "@end.signed.json", "--key", "@chiba.key", "--yes"]).unwrap();
    let bytes = read(&desk.path("end.signed.json")).unwrap();
    let revocation = VerifiedRevocation::verify(&bytes, &desk.committee()).unwrap();
    assert_eq!(revocation.revocation().permit.as_str(), "heart");
}

#[test]
fn the_template_is_a_statement_with_gaps() {
    let desk = Desk::new();
    desk.run(&["new", "--template", "-o", "@t.json"]).unwrap();
    let error = desk.error(desk.run(&["show", "@t.json"]));
    assert!(error.contains("1 to 64 lower-case letters"), "{error}");
    let filled = String::from_utf8(read(&desk.path("t.json")).unwrap())
        .unwrap()
        .replace("\"id\": \"\"", "\"id\": \"heart\"")
        .replace("\"project\": \"\"", "\"project\": \"heart\"")
        .replace("\"text\": \"\"", "\"text\": \"Care\"")
        .replace("\"substantial_public_interest\": false", "\"substantial_public_interest\": true")
        .replace("\"databases\": []", "\"databases\": [\"ndb\", \"kaigo\"]")
        .replace("\"certificate_sha256\": \"\"", &format!("\"certificate_sha256\": \"{}\"", "ab".repeat(32)))
        .replace("\"name\": \"\"", "\"name\": \"Abe\"")
        .replace(
            "{ \"database\": \"\", \"body\": \"\" }",
            r#"{"database": "ndb", "body": "A"}, {"database": "kaigo", "body": "B"}"#,
        )
        .replace("\"reason\": \"\"", "\"reason\": \"It matters.\"");
    std::fs::write(desk.path("filled.json"), filled).unwrap();
    assert_eq!(format!("{:?}", desk.run(&["show", "@filled.json"]).unwrap()), format!("{:?}", ExitCode::SUCCESS));
}
