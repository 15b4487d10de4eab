//! The negative matrix over permits: every way in which a permit can be wrong is refused by the running service, with its
//! reason, and stands in the audit log.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use linkage_proto::v1::SubmitPermitRequest;
use linkage_proto::v1::permit_service_client::PermitServiceClient;
use linkage_service::permit::{Envelope, PERMIT_TYPE, REVOCATION_TYPE};
use linkage_service::signing::SigningKey;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::stage::{Service, linkage, path};

/// Who brings the permit, or asks for the run.
#[derive(Clone, Copy)]
enum Caller {
    Committee,
    Project,
    OtherMember,
    OtherProject,
    Custodian,
    Auditor,
}

impl Caller {
    const ALL: [(Self, &'static str, &'static [&'static str]); 6] = [
        (Self::Committee, "committee", &["--role", "committee"]),
        (Self::Project, "project", &["--role", "project", "--project", "heart"]),
        (Self::OtherMember, "other-member", &["--role", "project", "--project", "heart"]),
        (Self::OtherProject, "other-project", &["--role", "project", "--project", "lung"]),
        (Self::Custodian, "custodian", &["--role", "custodian", "--database", "ndb"]),
        (Self::Auditor, "auditor", &["--role", "auditor"]),
    ];

    fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// What is done with the case's permit, the last step of which must be refused.
#[derive(Clone, Copy)]
enum Step {
    /// Submit it.
    Submit(Caller),
    /// Submit it (which is fine), then start a run.
    Start(Caller),
    /// Submit it, revoke it (both fine), then start a run.
    RevokeThenStart,
    /// Submit it, wait until it has ended, then start a run.
    OutliveThenStart,
    /// Start a run without submitting anything.
    StartWithout,
    /// Submit it twice under one id, the second time altered: an amendment that is none.
    Amend(fn(&mut Value)),
}

struct Case {
    name: &'static str,
    code: &'static str,
    change: fn(&mut Value),
    sign: fn(&World, &[u8]) -> Vec<u8>,
    step: Step,
}

/// How long the permit of the case `outlived` is valid: long enough for a slow machine to submit it meanwhile.
const OUTLIVED: Duration = Duration::from_secs(8);
const FINE: fn(&mut Value) = |_| {};
const SIGNED: fn(&World, &[u8]) -> Vec<u8> = |world, payload| world.envelope(payload, &["one", "two"]);

const fn statement(name: &'static str, code: &'static str, change: fn(&mut Value)) -> Case {
    Case { name, code, change, sign: SIGNED, step: Step::Submit(Caller::Committee) }
}

const fn signature(name: &'static str, code: &'static str, sign: fn(&World, &[u8]) -> Vec<u8>) -> Case {
    Case { name, code, change: FINE, sign, step: Step::Submit(Caller::Committee) }
}

const fn step(name: &'static str, code: &'static str, step: Step) -> Case {
    Case { name, code, change: FINE, sign: SIGNED, step }
}

const CASES: &[Case] = &[
    // What is decided.
    statement("one-database", "invalid-statement", |p| p["databases"] = json!(["ndb"])),
    statement("database-twice", "invalid-statement", |p| p["databases"] = json!(["ndb", "ndb"])),
    statement("another-format", "invalid-statement", |p| p["format"] = json!("permit/2")),
    statement("unknown-field", "invalid-statement", |p| p["also_allow"] = json!("everything")),
    statement("nobody-named", "invalid-statement", |p| p["members"] = json!([])),
    statement("hidden-text", "invalid-statement", |p| p["reason"] = json!("as\u{202e}asked")),
    statement("ends-before-it-begins", "invalid-statement", |p| p["valid_until"] = json!("2020-01-01T00:00:00Z")),
    statement("already-over", "expired", |p| {
        p["valid_from"] = json!("2024-07-01T00:00:00Z");
        p["valid_until"] = json!("2025-07-01T00:00:00Z");
    }),
    statement("another-policy", "other-policy", |p| p["policy"] = json!("proposal-2024")),
    statement("no-public-interest", "no-public-interest", |p| {
        p["purpose"]["substantial_public_interest"] = json!(false)
    }),
    statement("advertising", "advertising", |p| p["purpose"]["advertising"] = json!(true)),
    statement("no-hearing", "hearing-missing", |p| p["hearings"] = json!([{"database": "ndb", "body": "board"}])),
    statement("unknown-database", "unknown-database", |p| databases(p, &["ndb", "ndbx"])),
    statement("closed-pair", "pair-not-open", |p| databases(p, &["ndb", "nanbyo"])),
    statement("never-linked", "pair-not-open", |p| databases(p, &["ndb", "gan"])),
    statement("bridge", "bridging", |p| databases(p, &["ndb", "jisedai", "nanbyo"])),
    statement("proposed-database", "unknown-database", |p| databases(p, &["ndb", "denkaru"])),
    statement("class-not-offered", "class-not-offered", |p| {
        p["class"] = json!("pseudonymised");
        p["necessity"] = json!("dates matter");
    }),
    statement("no-necessity", "no-necessity", |p| p["class"] = json!("pseudonymised")),
    statement("not-visiting", "environment-not-visiting", |p| {
        p["class"] = json!("pseudonymised");
        p["necessity"] = json!("dates matter");
        p["environment"] = json!("own-premises");
    }),
    statement("not-certified", "not-certified", |p| {
        databases(p, &["jisedai", "ndb"]);
        p["class"] = json!("pseudonymised");
        p["necessity"] = json!("dates matter");
    }),
    statement("no-consent", "consent-missing", |p| {
        databases(p, &["gan", "ndb"]);
        p["class"] = json!("identified");
        p["necessity"] = json!("dates matter");
    }),
    // Who signed, and what.
    signature("not-json", "malformed", |_, _| b"permit".to_vec()),
    signature("unsigned", "under-signed", |world, payload| world.envelope(payload, &[])),
    signature("one-of-two", "under-signed", |world, payload| world.envelope(payload, &["one"])),
    signature("one-key-twice", "under-signed", |world, payload| {
        let mut envelope: Value = serde_json::from_slice(&world.envelope(payload, &["one"])).unwrap();
        let again = envelope["signatures"][0].clone();
        envelope["signatures"].as_array_mut().unwrap().push(again);
        serde_json::to_vec(&envelope).unwrap()
    }),
    signature("a-stranger-signs", "unknown-signer", |world, payload| world.envelope(payload, &["one", "stranger"])),
    signature("signature-of-another-text", "altered", |world, payload| {
        let other = world.envelope(b"{}", &["one", "two"]);
        let mut envelope: Value = serde_json::from_slice(&world.envelope(payload, &["one", "two"])).unwrap();
        let other: Value = serde_json::from_slice(&other).unwrap();
        envelope["signatures"][1] = other["signatures"][1].clone();
        serde_json::to_vec(&envelope).unwrap()
    }),
    signature("altered-after-signing", "altered", |world, payload| {
        let altered = String::from_utf8(payload.to_vec()).unwrap().replace("\"dpc\"", "\"kaigo\"");
        let mut envelope: Value = serde_json::from_slice(&world.envelope(payload, &["one", "two"])).unwrap();
        let swapped: Value = serde_json::from_slice(&world.envelope(altered.as_bytes(), &[])).unwrap();
        envelope["payload"] = swapped["payload"].clone();
        serde_json::to_vec(&envelope).unwrap()
    }),
    signature("signed-as-a-revocation", "wrong-type", |world, payload| {
        let mut envelope = Envelope::new(REVOCATION_TYPE, payload.to_vec());
        envelope.sign(&world.key("one"));
        envelope.sign(&world.key("two"));
        envelope.to_json()
    }),
    // Who asks, and when.
    step("brought-by-a-project", "wrong-role", Step::Submit(Caller::Project)),
    step("brought-by-a-custodian", "wrong-role", Step::Submit(Caller::Custodian)),
    step("never-submitted", "no-permit", Step::StartWithout),
    step("started-by-another-project", "wrong-project", Step::Start(Caller::OtherProject)),
    step("started-by-someone-not-named", "caller-not-named", Step::Start(Caller::OtherMember)),
    step("started-by-a-custodian", "wrong-role", Step::Start(Caller::Custodian)),
    step("started-by-the-committee", "wrong-role", Step::Start(Caller::Committee)),
    step("started-by-the-auditor", "wrong-role", Step::Start(Caller::Auditor)),
    step("revoked", "revoked", Step::RevokeThenStart),
    Case {
        change: |p| p["valid_from"] = json!("2099-01-01T00:00:00Z"),
        ..step("not-yet-valid", "not-yet-valid", Step::Start(Caller::Project))
    },
    Case {
        change: |p| p["valid_until"] = json!(rfc3339(OffsetDateTime::now_utc() + OUTLIVED)),
        ..step("outlived", "expired", Step::OutliveThenStart)
    },
    step("amended-without-a-higher-version", "not-newer", Step::Amend(|p| databases(p, &["ndb", "dpc", "kaigo"]))),
    step(
        "amended-to-another-project",
        "amends-another-project",
        Step::Amend(|p| {
            p["version"] = json!(2);
            p["project"] = json!("lung");
        }),
    ),
];

fn databases(permit: &mut Value, ids: &[&str]) {
    permit["databases"] = json!(ids);
    permit["hearings"] = ids.iter().map(|id| json!({"database": id, "body": "board"})).collect();
}

fn rfc3339(time: OffsetDateTime) -> String {
    time.replace_nanosecond(0).unwrap().format(&Rfc3339).unwrap()
}

/// A linkage unit with a committee of two out of three, under the law, and credentials for everybody.
struct World {
    folder: tempfile::TempDir,
    service: Service,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        for name in ["one", "two", "three", "stranger"] {
            ok(linkage(at, &["permit", "keygen", "-o", name]));
        }
        let members = ["one=one.pub", "two=two.pub", "three=three.pub"];
        let members: Vec<&str> = members.iter().flat_map(|member| ["--member", *member]).collect();
        ok(linkage(
            at,
            &[&["permit", "committee", "--threshold", "2", "-o", "committee.json"], members.as_slice()].concat(),
        ));
        ok(linkage(at, &["service", "init", "service", "--committee", "committee.json", "--policy", "law"]));
        for (_, name, role) in Caller::ALL {
            ok(linkage(at, &[&["service", "issue", "service", "--name", name, "-o", name], role].concat()));
        }
        let service = Service::start(at, "service.log");
        Self { folder, service }
    }

    fn key(&self, name: &str) -> SigningKey {
        SigningKey::load(&self.folder.path().join(format!("{name}.key"))).unwrap()
    }

    fn envelope(&self, payload: &[u8], signers: &[&str]) -> Vec<u8> {
        let mut envelope = Envelope::new(PERMIT_TYPE, payload.to_vec());
        for signer in signers {
            envelope.sign(&self.key(signer));
        }
        envelope.to_json()
    }

    /// A permit that is right in every way.
    fn good(&self, id: &str) -> Value {
        let certificate = std::fs::read(self.folder.path().join("project/cert.pem")).unwrap();
        json!({
            "format": "permit/1",
            "id": id,
            "version": 1,
            "project": "heart",
            "policy": "law",
            "purpose": {"text": "outcomes of care", "substantial_public_interest": true, "advertising": false},
            "databases": ["ndb", "dpc"],
            "class": "anonymised",
            "members": [{"name": "heart group", "certificate_sha256": fingerprint(&certificate)}],
            "environment": "visiting",
            "valid_from": "2026-01-01T00:00:00Z",
            "valid_until": "2199-01-01T00:00:00Z",
            "hearings": [{"database": "ndb", "body": "board"}, {"database": "dpc", "body": "board"}],
            "reason": "public interest shown"
        })
    }

    fn call(&self, caller: Caller, args: &[&str]) -> Output {
        let url = format!("https://localhost:{}", self.service.port);
        let connection = ["--service", &url, "--credential", caller.name()];
        linkage(self.folder.path(), &[args, &connection].concat())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let file = self.folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        file
    }

    /// Submits bytes past the program `linkage`, which would not even send a statement that it cannot read.
    fn submit(&self, caller: Caller, document: Vec<u8>) -> Result<(), String> {
        let url = format!("https://localhost:{}", self.service.port);
        let credential = self.folder.path().join(caller.name());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let channel = linkage_proto::client::connect(&url, &credential).await.unwrap();
            let mut client = PermitServiceClient::new(channel);
            let submitted = client.submit(SubmitPermitRequest { document });
            submitted.await.map(drop).map_err(|status| status.message().to_owned())
        })
    }

    fn start(&self, caller: Caller, id: &str) -> Result<(), String> {
        let output = self.call(caller, &["run", "start", "--permit", id]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        match output.status.code() {
            Some(0) => Ok(()),
            Some(1) => Err(stderr.strip_prefix("error: ").unwrap().to_owned()),
            code => panic!("exit code {code:?}: {stderr}"),
        }
    }

    /// Plays a case to the step that must be refused.
    fn play(&self, case: &Case) -> Result<(), String> {
        let id = case.name;
        let mut permit = self.good(id);
        (case.change)(&mut permit);
        let signed = (case.sign)(self, &serde_json::to_vec(&permit).unwrap());
        if let Step::Submit(caller) = case.step {
            return self.submit(caller, signed);
        }
        if let Step::StartWithout = case.step {
            return self.start(Caller::Project, id);
        }
        self.submit(Caller::Committee, signed).unwrap();
        match case.step {
            Step::Start(caller) => self.start(caller, id),
            Step::RevokeThenStart => {
                let decided = rfc3339(OffsetDateTime::now_utc());
                let revocation =
                    json!({"format": "revocation/1", "permit": id, "decided_at": decided, "reason": "misuse"});
                let mut envelope = Envelope::new(REVOCATION_TYPE, serde_json::to_vec(&revocation).unwrap());
                envelope.sign(&self.key("two"));
                envelope.sign(&self.key("three"));
                let file = self.write("revocation.json", &envelope.to_json());
                ok(self.call(Caller::Committee, &["permit", "submit", path(&file)]));
                self.start(Caller::Project, id)
            }
            Step::OutliveThenStart => {
                std::thread::sleep(OUTLIVED + Duration::from_secs(1));
                self.start(Caller::Project, id)
            }
            Step::Amend(change) => {
                change(&mut permit);
                let signed = self.envelope(&serde_json::to_vec(&permit).unwrap(), &["one", "two"]);
                self.submit(Caller::Committee, signed)
            }
            Step::Submit(_) | Step::StartWithout => unreachable!("played above"),
        }
    }

    /// How often each refusal code stands in the audit log, which is verified first.
    fn refusals(&self) -> BTreeMap<String, usize> {
        let log = self.folder.path().join("audit.jsonl");
        // An export never overwrites an earlier one.
        let _ = std::fs::remove_file(&log);
        ok(self.call(Caller::Auditor, &["audit", "export", "-o", path(&log)]));
        ok(linkage(self.folder.path(), &["audit", "verify", path(&log), "--key", "service/audit.pub"]));
        let mut codes = BTreeMap::new();
        for line in std::fs::read_to_string(&log).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            if let Some(code) = line.pointer("/entry/outcome/refused").and_then(Value::as_str) {
                *codes.entry(code.to_owned()).or_default() += 1;
            }
        }
        codes
    }
}

fn fingerprint(pem: &[u8]) -> String {
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem).unwrap();
    let digest = <sha2::Sha256 as sha2::Digest>::digest(&pem.contents);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn ok(output: Output) -> Output {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn every_wrong_permit_is_refused_with_its_reason_and_audited() {
    let world = World::new();
    let mut expected: BTreeMap<String, usize> = BTreeMap::new();
    for case in CASES {
        let before = world.refusals();
        assert_eq!(before, expected, "before {}", case.name);
        let Err(reason) = world.play(case) else { panic!("{} was not refused", case.name) };
        assert!(reason.contains("hint: "), "{}: {reason}", case.name);
        *expected.entry(case.code.to_owned()).or_default() += 1;
        assert_eq!(world.refusals(), expected, "{}: {reason}", case.name);
    }
    assert!(CASES.len() >= 20);
}

#[test]
fn a_right_permit_is_accepted_so_that_the_matrix_proves_something() {
    let world = World::new();
    let payload = serde_json::to_vec(&world.good("right")).unwrap();
    world.submit(Caller::Committee, world.envelope(&payload, &["one", "three"])).unwrap();
    // There is nothing to link yet, but the permit is not the reason.
    let reason = world.start(Caller::Project, "right").unwrap_err();
    assert!(!reason.contains("permit"), "{reason}");
}
