//! A linkage unit with a committee, a service that can be stopped, killed and started again, and its callers.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use linkage_proto::client::connect;
use linkage_proto::v1::permit_service_client::PermitServiceClient;
use linkage_proto::v1::{RevokePermitRequest, SubmitPermitRequest};
use linkage_service::authority::{Authority, write_public};
use linkage_service::config::Config;
use linkage_service::permit::{Committee, CommitteeMember, Envelope, PERMIT_TYPE, REVOCATION_TYPE};
use linkage_service::role::{Caller, Role};
use linkage_service::server::serve;
use linkage_service::signing::SigningKey;
use linkage_service::unit::{NewUnit, Unit};
use serde_json::json;
use time::OffsetDateTime;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tonic::Status;
use tonic::transport::Channel;

use crate::tokens::Recipe;

/// The roles that have a credential, by the folder's name.
pub const CALLERS: [(&str, &str); 9] = [
    ("ndb", "custodian:ndb"),
    ("dpc", "custodian:dpc"),
    ("kaigo", "custodian:kaigo"),
    ("heart", "project:heart"),
    ("stroke", "project:stroke"),
    ("lung", "project:lung"),
    ("committee", "committee"),
    ("operator", "operator"),
    ("auditor", "auditor"),
];

pub struct World {
    folder: tempfile::TempDir,
    committee: [SigningKey; 2],
    /// Where the clients of the test run.
    clients: Runtime,
    server: Option<Server>,
}

struct Server {
    runtime: Runtime,
    stop: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<()>,
    url: String,
}

impl World {
    /// A new unit that serves.
    pub fn new() -> Self {
        Self::with_config(Config::default())
    }

    pub fn with_config(config: Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let committee = [1, 2].map(key);
        let file = folder.path().join("committee.json");
        write_public(&file, &committee_file(&committee)).unwrap();
        let mut world = Self { folder, committee, clients: runtime(), server: None };
        let new = NewUnit { hosts: vec!["localhost".to_owned()], committee: Some(file), config };
        let now = OffsetDateTime::now_utc();
        world.clients.block_on(Unit::create(&world.unit(), &new, now)).unwrap();
        CALLERS.iter().for_each(|(name, role)| world.issue(name, role));
        world.start();
        world
    }

    /// Makes a credential.
    pub fn issue(&self, name: &str, role: &str) {
        let authority = Authority::open(&self.unit()).unwrap();
        let role: Role = format!("urn:linkage:{role}").parse().unwrap();
        let identity = authority.issue_client(&role, name, OffsetDateTime::now_utc()).unwrap();
        identity.write_credential(&authority, &self.credential(name)).unwrap();
    }

    /// The keys of two members stand for the committee from the next start on.
    pub fn replace_committee(&mut self, seeds: [u8; 2]) {
        self.committee = seeds.map(key);
        std::fs::write(self.unit().join("committee.json"), committee_file(&self.committee)).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn unit(&self) -> PathBuf {
        self.path("unit")
    }

    pub fn credential(&self, name: &str) -> PathBuf {
        self.path(&format!("{name}-credential"))
    }

    pub fn url(&self) -> &str {
        &self.server.as_ref().unwrap().url
    }

    /// Starts the service on its own runtime, so that it can be killed.
    pub fn start(&mut self) {
        let (runtime, (stop, stopped)) = (runtime(), oneshot::channel());
        let (unit, ready) = (self.unit(), self.path("ready"));
        let _ = std::fs::remove_file(&ready);
        let ready_file = ready.clone();
        let start = Instant::now();
        // Of a service that was killed, a thread may live on for a moment: in one process, unlike after a crash.
        let lock = std::fs::OpenOptions::new().append(true).create(true).open(unit.join("unit.lock")).unwrap();
        while lock.try_lock().is_err() {
            assert!(start.elapsed() < Duration::from_secs(60), "the unit stays locked");
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(lock);
        let ended = runtime.spawn(async move {
            let stop = async move {
                let _ = stopped.await;
            };
            serve(&unit, Some("127.0.0.1:0"), Some(&ready_file), stop).await.unwrap();
        });
        let address = loop {
            match std::fs::read_to_string(&ready) {
                Ok(address) => break address,
                Err(_) => assert!(start.elapsed() < Duration::from_secs(30) && !ended.is_finished(), "no server"),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let url = format!("https://localhost:{}", address.trim().rsplit_once(':').unwrap().1);
        self.server = Some(Server { runtime, stop, ended, url });
    }

    /// Stops the service as SIGTERM does, and waits for its end.
    pub fn stop(&mut self) {
        let server = self.server.take().unwrap();
        server.stop.send(()).unwrap();
        server
            .runtime
            .block_on(async { tokio::time::timeout(Duration::from_secs(30), server.ended).await })
            .unwrap()
            .unwrap();
    }

    /// Takes the service's threads away, as a crash does.
    pub fn kill(&mut self) {
        self.server.take().unwrap().runtime.shutdown_background();
    }

    /// Runs a client's work.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.clients.block_on(work)
    }

    /// A connection with the credential of this name.
    pub async fn connect(&self, name: &str) -> Channel {
        connect(self.url(), &self.credential(name)).await.unwrap()
    }

    /// Writes a token file and answers its path.
    pub fn tokens(&self, name: &str, recipe: Recipe, persons: std::ops::Range<u32>) -> PathBuf {
        let path = self.path(name);
        recipe.write(persons, &self.unit().join("unit.pub"), &path);
        path
    }

    /// The bytes of a signed permit.
    pub fn permit(&self, id: &str, project: &str, databases: &[&str], version: u32) -> Vec<u8> {
        self.permit_that_declares(id, project, databases, version, &[])
    }

    /// The bytes of a signed permit in which the committee declares something.
    pub fn permit_that_declares(
        &self,
        id: &str,
        project: &str,
        databases: &[&str],
        version: u32,
        declarations: &[&str],
    ) -> Vec<u8> {
        let certificate = std::fs::read(self.credential(project).join("cert.pem")).unwrap();
        let der = x509_parser::pem::parse_x509_pem(&certificate).unwrap().1.contents;
        let hearings: Vec<_> =
            databases.iter().map(|database| json!({ "database": database, "body": "board" })).collect();
        let now = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap();
        let instant = |offset| {
            let at = now + time::Duration::days(offset);
            at.format(&time::format_description::well_known::Rfc3339).unwrap()
        };
        let statement = json!({
            "format": "permit/1",
            "id": id,
            "version": version,
            "project": project,
            "policy": "law",
            "purpose": { "text": "care research", "substantial_public_interest": true, "advertising": false },
            "databases": databases,
            "class": "anonymised",
            "declarations": declarations,
            "members": [{ "name": "member", "certificate_sha256": Caller::from_certificate(&der).unwrap().fingerprint_hex() }],
            "environment": "visiting",
            "valid_from": instant(-1),
            "valid_until": instant(30),
            "hearings": hearings,
            "reason": "tests",
        });
        self.signed(PERMIT_TYPE, &statement)
    }

    fn signed(&self, payload_type: &str, statement: &serde_json::Value) -> Vec<u8> {
        let mut envelope = Envelope::new(payload_type, serde_json::to_vec(statement).unwrap());
        self.committee.iter().for_each(|key| envelope.sign(key));
        envelope.to_json()
    }

    pub async fn submit_permit(&self, document: Vec<u8>) -> Result<(), Status> {
        let mut client = PermitServiceClient::new(self.connect("committee").await);
        client.submit(SubmitPermitRequest { document }).await.map(drop)
    }

    pub async fn revoke_permit(&self, id: &str) {
        let revocation =
            json!({ "format": "revocation/1", "permit": id, "decided_at": "2026-01-01T00:00:00Z", "reason": "tests" });
        let document = self.signed(REVOCATION_TYPE, &revocation);
        let mut client = PermitServiceClient::new(self.connect("committee").await);
        client.revoke(RevokePermitRequest { document }).await.unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.runtime.shutdown_background();
        }
    }
}

fn key(seed: u8) -> SigningKey {
    SigningKey::generate(|bytes| bytes.fill(seed))
}

/// Both members have to sign.
fn committee_file(keys: &[SigningKey; 2]) -> Vec<u8> {
    let member =
        |(name, key): (&str, &SigningKey)| CommitteeMember { name: name.to_owned(), public_key: key.public_key() };
    Committee::new(2, ["one", "two"].into_iter().zip(keys).map(member).collect()).unwrap().to_json()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// The code of a refusal; "transport" for what is none.
pub fn code(status: &Status) -> String {
    let code = status.metadata().get(linkage_proto::REFUSAL_KEY);
    code.map_or_else(|| "transport".to_owned(), |code| code.to_str().unwrap().to_owned())
}

/// Files below a folder.
pub fn files_below(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files_below(&path) } else { 1 }).sum()
}
