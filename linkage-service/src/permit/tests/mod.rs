//! A world in which everything is in order, and what happens when one thing in it is not.

mod amendments;
mod matrix;
mod properties;

use std::path::Path;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::datetime;

use super::*;
use crate::policy::{Class, Policy};
use crate::role::{Caller, Role};
use crate::signing::SigningKey;

/// Fixed keys: 0, 1 and 2 sit in the committee, 3 is a stranger. They sign nothing but vectors.
fn key(n: u8) -> SigningKey {
    SigningKey::generate(|seed| {
        seed.copy_from_slice(b"committee key of the vectors, #0");
        seed[31] += n;
    })
}

/// The certificate of the member Abe, of the member Baba, and of nobody.
const ABE: [u8; 32] = [0xaa; 32];
const BABA: [u8; 32] = [0xbb; 32];
const STRANGER: [u8; 32] = [0xcc; 32];

/// Everything that a decision depends on. A case changes one thing in it.
#[derive(Clone)]
struct World {
    committee: Committee,
    statement: Value,
    /// Who signs, in this order.
    signers: Vec<u8>,
    payload_type: &'static str,
    /// Changes the finished envelope, as somebody with access to the file could.
    tamper: fn(&mut Value),
    /// Whether there is a permit at all.
    permit: bool,
    revocations: Vec<Vec<u8>>,
    request: RunRequest,
    caller: Caller,
    policy: &'static str,
    now: OffsetDateTime,
}

impl World {
    fn new() -> Self {
        let member = |n: u8| CommitteeMember { name: format!("Member {n}"), public_key: key(n).public_key() };
        Self {
            committee: Committee::new(2, (0..3).map(member).collect()).unwrap(),
            statement: statement(),
            signers: vec![0, 2],
            payload_type: PERMIT_TYPE,
            tamper: |_| {},
            permit: true,
            revocations: Vec::new(),
            request: request("heart-2026", &["ndb", "kaigo", "dpc"], Class::Anonymised),
            caller: caller(Role::Project("heart-2026".parse().unwrap()), ABE),
            policy: "law",
            now: datetime!(2026-04-10 12:00:00 UTC),
        }
    }

    /// The good world of pseudonymised data: under the proposal, in the visiting environment, by a certified user.
    fn pseudonymised(&mut self) {
        self.policy = "proposal-2024";
        self.request = request("heart-2026", &["ndb", "denkaru", "jisedai"], Class::Pseudonymised);
        self.set("policy", json!("proposal-2024"));
        self.set("class", json!("pseudonymised"));
        self.set("necessity", json!("The outcome is dated to the day."));
        self.set("declarations", json!(["certified-user"]));
        self.databases(&["ndb", "denkaru", "jisedai"]);
    }

    fn set(&mut self, field: &str, value: Value) {
        self.statement[field] = value;
    }

    /// Names other databases in the permit and in the request, all of them heard.
    fn databases(&mut self, ids: &[&str]) {
        self.set("databases", json!(ids));
        let hearing = |id: &&str| json!({"database": id, "body": "Review panel"});
        self.set("hearings", ids.iter().map(hearing).collect());
        self.request = request("heart-2026", ids, self.request.class);
    }

    fn revoke(&mut self, permit: &str, signers: &[u8]) {
        let reason = "The project has ended.".to_owned();
        let revocation = Revocation::new(permit.parse().unwrap(), self.now, reason).unwrap();
        self.revocations.push(sign(REVOCATION_TYPE, revocation.to_payload(), signers).to_json());
    }

    fn envelope(&self) -> Vec<u8> {
        let payload = serde_json::to_vec_pretty(&self.statement).unwrap();
        let mut json = serde_json::from_slice(&sign(self.payload_type, payload, &self.signers).to_json()).unwrap();
        (self.tamper)(&mut json);
        serde_json::to_vec_pretty(&json).unwrap()
    }

    fn decide(&self) -> Result<Permitted<RunRequest>, Refusal> {
        let envelope = self.envelope();
        let permit = self.permit.then_some(envelope.as_slice());
        let state = PermitState { committee: &self.committee, permit, revocations: &self.revocations };
        authorise(self.request.clone(), &self.caller, state, &Policy::shipped(self.policy).unwrap(), self.now)
    }

    /// `permitted`, or the code of the refusal.
    fn verdict(&self) -> &'static str {
        self.decide().map_or_else(|refusal| refusal.code(), |_| "permitted")
    }

    /// The whole world as a test vector.
    fn vector(&self, expected: &str) -> Value {
        let text = |bytes: &[u8]| Value::from(String::from_utf8(bytes.to_vec()).unwrap());
        json!({
            "expected": expected,
            "now": self.now.format(&Rfc3339).unwrap(),
            "policy": self.policy,
            "caller": {"role": self.caller.role.urn(), "certificate_sha256": Fingerprint(self.caller.fingerprint)},
            "request": {
                "project": self.request.project, "databases": self.request.databases, "class": self.request.class,
            },
            "permit": if self.permit { text(&self.envelope()) } else { Value::Null },
            "revocations": self.revocations.iter().map(|bytes| text(bytes)).collect::<Vec<_>>(),
        })
    }
}

fn statement() -> Value {
    json!({
        "format": "permit/1",
        "id": "heart-2026",
        "version": 1,
        "project": "heart-2026",
        "policy": "law",
        "purpose": {
            "text": "Whether early rehabilitation prevents care need after heart failure.",
            "substantial_public_interest": true,
            "advertising": false,
        },
        "databases": ["ndb", "kaigo", "dpc"],
        "class": "anonymised",
        "declarations": [],
        "members": [
            {"name": "Abe", "certificate_sha256": Fingerprint(ABE)},
            {"name": "Baba", "certificate_sha256": Fingerprint(BABA)},
        ],
        "environment": "visiting",
        "valid_from": "2026-04-01T00:00:00+09:00",
        "valid_until": "2027-04-01T00:00:00+09:00",
        "hearings": [
            {"database": "ndb", "body": "Panel on NDB"},
            {"database": "kaigo", "body": "Panel on kaigo"},
            {"database": "dpc", "body": "Panel on DPC"},
        ],
        "reason": "The question matters, and aggregate data do not answer it.",
    })
}

fn request(project: &str, databases: &[&str], class: Class) -> RunRequest {
    let databases = databases.iter().map(|id| id.parse().unwrap()).collect();
    RunRequest { project: project.parse().unwrap(), databases, class }
}

fn caller(role: Role, fingerprint: [u8; 32]) -> Caller {
    Caller { role, name: "Abe".to_owned(), fingerprint }
}

fn sign(payload_type: &str, payload: Vec<u8>, signers: &[u8]) -> Envelope {
    let mut envelope = Envelope::new(payload_type, payload);
    signers.iter().for_each(|n| envelope.sign(&key(*n)));
    envelope
}

/// Compares a file of `testdata/vectors` with what the code makes; `UPDATE_VECTORS=1` writes it instead.
pub(crate) fn check_vector(path: &Path, contents: &[u8]) {
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, contents).unwrap();
    }
    let stored = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(stored == contents, "{} differs from what the code makes; the format is frozen", path.display());
}
