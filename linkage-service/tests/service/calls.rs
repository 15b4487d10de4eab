//! What the callers of the tests do.

use std::path::Path;

use linkage_proto::Bytes;
use linkage_proto::v1::audit_service_client::AuditServiceClient;
use linkage_proto::v1::catalogue_service_client::CatalogueServiceClient;
use linkage_proto::v1::release_service_client::ReleaseServiceClient;
use linkage_proto::v1::run_service_client::RunServiceClient;
use linkage_proto::v1::submission_service_client::SubmissionServiceClient;
use linkage_proto::v1::upload_request::Part;
use linkage_proto::v1::{
    BeginRequest, BeginResponse, CrosswalkRequest, ExportAuditRequest, GetCatalogueRequest, GetCatalogueResponse,
    KeysRequest, RunStatus, StartRunRequest, UploadRequest, UploadResponse, UploadStart, WatchRunRequest,
};
use tonic::Status;

use crate::tokens::Recipe;
use crate::world::World;

const CHUNK: usize = 10_000;

pub async fn begin(world: &World, caller: &str, file: &[u8]) -> Result<BeginResponse, Status> {
    let mut client = SubmissionServiceClient::new(world.connect(caller).await);
    let request = BeginRequest { file_blake3: hash(file), file_bytes: file.len() as u64 };
    client.begin(request).await.map(tonic::Response::into_inner)
}

/// Sends `sent`, a part of the announced file, from `offset` on.
pub async fn upload(
    world: &World,
    caller: &str,
    announced: &[u8],
    offset: u64,
    sent: &[u8],
) -> Result<UploadResponse, Status> {
    let mut client = SubmissionServiceClient::new(world.connect(caller).await);
    client.upload(tokio_stream::iter(parts(announced, offset, sent))).await.map(tonic::Response::into_inner)
}

pub fn parts(announced: &[u8], offset: u64, sent: &[u8]) -> Vec<UploadRequest> {
    let start = UploadStart { file_blake3: hash(announced), file_bytes: announced.len() as u64, offset };
    let chunks = sent.chunks(CHUNK).map(|chunk| Part::Chunk(Bytes::copy_from_slice(chunk)));
    std::iter::once(Part::Start(start)).chain(chunks).map(|part| UploadRequest { part: Some(part) }).collect()
}

/// Submits a whole file.
pub async fn submit(world: &World, caller: &str, path: &Path) -> Result<UploadResponse, Status> {
    let file = std::fs::read(path).unwrap();
    upload(world, caller, &file, 0, &file).await
}

/// Makes and submits the token files of several databases.
pub async fn submit_all(world: &World, databases: &[(&'static str, std::ops::Range<u32>)]) {
    for (database, persons) in databases {
        let path = world.tokens(&format!("{database}.tokens"), Recipe::of(database), persons.clone());
        assert!(submit(world, database, &path).await.unwrap().receipt.is_some());
    }
}

pub async fn start(world: &World, project: &str, permit: &str) -> Result<RunStatus, Status> {
    let mut client = RunServiceClient::new(world.connect(project).await);
    let request = StartRunRequest { permit_id: permit.to_owned() };
    client.start(request).await.map(|response| response.into_inner().run.unwrap())
}

/// Every status of a run until it ends.
pub async fn watch(world: &World, project: &str, run_id: &str) -> Result<Vec<RunStatus>, Status> {
    let mut client = RunServiceClient::new(world.connect(project).await);
    let mut stream = client.watch(WatchRunRequest { run_id: run_id.to_owned() }).await?.into_inner();
    let mut statuses = Vec::new();
    while let Some(status) = stream.message().await? {
        statuses.push(status);
    }
    Ok(statuses)
}

/// Starts a run and answers its last status.
pub async fn link(world: &World, project: &str, permit: &str) -> RunStatus {
    let run = start(world, project, permit).await.unwrap();
    watch(world, project, &run.run_id).await.unwrap().pop().unwrap()
}

/// A project's linkage keys and the databases of each.
pub async fn keys(world: &World, project: &str, run_id: &str) -> Result<Vec<(String, Vec<String>)>, Status> {
    let mut client = ReleaseServiceClient::new(world.connect(project).await);
    let mut stream = client.keys(KeysRequest { run_id: run_id.to_owned() }).await?.into_inner();
    let mut keys = Vec::new();
    while let Some(answer) = stream.message().await? {
        keys.extend(answer.entries.into_iter().map(|entry| (entry.linkage_key, entry.databases)));
    }
    Ok(keys)
}

/// A custodian's record refs and the linkage key of each.
pub async fn crosswalk(world: &World, custodian: &str, project: &str) -> Result<Vec<(Vec<u8>, String)>, Status> {
    let mut client = ReleaseServiceClient::new(world.connect(custodian).await);
    let request = CrosswalkRequest { project: project.to_owned(), run_id: String::new() };
    let mut stream = client.crosswalk(request).await?.into_inner();
    let mut entries = Vec::new();
    while let Some(answer) = stream.message().await? {
        assert_eq!(answer.database, custodian);
        entries.extend(answer.entries.into_iter().map(|entry| (entry.record_ref, entry.linkage_key)));
    }
    Ok(entries)
}

pub async fn catalogue(world: &World) -> GetCatalogueResponse {
    let mut client = CatalogueServiceClient::new(world.connect("operator").await);
    client.get(GetCatalogueRequest {}).await.unwrap().into_inner()
}

/// The whole audit log, as a file.
pub async fn audit_log(world: &World) -> String {
    let mut client = AuditServiceClient::new(world.connect("auditor").await);
    let mut stream = client.export(ExportAuditRequest { from_entry: 0 }).await.unwrap().into_inner();
    let mut log = String::new();
    while let Some(page) = stream.message().await.unwrap() {
        for line in page.lines {
            log += &line;
            log.push('\n');
        }
    }
    log
}

pub fn hash(file: &[u8]) -> Vec<u8> {
    blake3::hash(file).as_bytes().to_vec()
}
