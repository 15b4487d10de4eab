//! `ReleaseService`.

use std::pin::Pin;

use futures::{Stream, StreamExt, stream};
use linkage_core::linkage_key::LinkageKey;
use linkage_core::types::RecordRef;
use linkage_proto::v1::release_service_server::ReleaseService;
use linkage_proto::v1::{CrosswalkEntry, CrosswalkRequest, CrosswalkResponse, KeyEntry, KeysRequest, KeysResponse};
use tonic::{Request, Response, Status};

use super::access::Rpc;
use super::denial::Denial;
use super::desk::{Desk, Visit};
use crate::error::ReleaseError;
use crate::release::{self, ReleasedKey};
use crate::role::{ProjectId, Role};
use crate::store::{RunRecord, RunState};

/// Entries of one message: some 200 KiB.
const ENTRIES: usize = 4096;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl ReleaseService for Desk {
    type CrosswalkStream = Answers<CrosswalkResponse>;
    type KeysStream = Answers<KeysResponse>;

    async fn crosswalk(&self, request: Request<CrosswalkRequest>) -> Result<Response<Self::CrosswalkStream>, Status> {
        let mut visit = self.admit(Rpc::ReleaseCrosswalk, &request).await?;
        let outcome = self.release_crosswalk(&mut visit, request.into_inner()).await;
        self.answer(visit, outcome).await
    }

    async fn keys(&self, request: Request<KeysRequest>) -> Result<Response<Self::KeysStream>, Status> {
        let mut visit = self.admit(Rpc::ReleaseKeys, &request).await?;
        let outcome = self.release_keys(&mut visit, request.into_inner()).await;
        self.answer(visit, outcome).await
    }
}

impl Desk {
    async fn release_crosswalk(
        &self,
        visit: &mut Visit,
        request: CrosswalkRequest,
    ) -> Result<Answers<CrosswalkResponse>, Denial> {
        let Role::Custodian(database) = visit.role().clone() else {
            return Err(Denial::internal(&"a crosswalk was admitted that is no custodian's"));
        };
        let project: ProjectId = request.project.parse().map_err(|_| ReleaseError::NoRun)?;
        visit.concerns("project", &project);
        let run = self.done_run(&project, &request.run_id).await?;
        let permitted = self.permitted_release(&visit.caller, &run).await?;
        let entries = release::crosswalk(self.unit(), &run, &database, &permitted).await?;
        visit.note("records", entries.len() as u64);
        let database = database.to_string();
        Ok(in_messages(run.id, entries, crosswalk_entry, move |run_id, entries| CrosswalkResponse {
            run_id,
            database: database.clone(),
            entries,
        }))
    }

    async fn release_keys(&self, visit: &mut Visit, request: KeysRequest) -> Result<Answers<KeysResponse>, Denial> {
        let Role::Project(project) = visit.role().clone() else {
            return Err(Denial::internal(&"linkage keys were admitted that are no project's"));
        };
        visit.concerns("project", &project);
        let run = self.done_run(&project, &request.run_id).await?;
        let permitted = self.permitted_release(&visit.caller, &run).await?;
        let keys = release::keys(self.unit(), &run, &permitted).await?;
        visit.note("keys", keys.len() as u64);
        Ok(in_messages(run.id, keys, key_entry, |run_id, entries| KeysResponse { run_id, entries }))
    }

    /// The named run of a project, or its latest one; it has to be done.
    async fn done_run(&self, project: &ProjectId, run_id: &str) -> Result<RunRecord, Denial> {
        let run = match run_id {
            "" => self.unit().store().latest_done_run(project).await?,
            id => self.unit().store().run(id).await?,
        };
        let own = run.filter(|run| run.project == *project && run.state == RunState::Done);
        Ok(own.ok_or(ReleaseError::NoRun)?)
    }
}

/// Cuts a release into messages. There is at least one, so that the caller learns which run it is of.
fn in_messages<E, W, M>(
    run_id: String,
    entries: Vec<E>,
    convert: fn(E) -> W,
    message: impl Fn(String, Vec<W>) -> M + Send + 'static,
) -> Answers<M>
where
    E: Send + 'static,
    W: Send + 'static,
    M: Send + 'static,
{
    let messages = entries.len().div_ceil(ENTRIES).max(1);
    let mut entries = entries.into_iter();
    let cut =
        (0..messages).map(move |_| Ok(message(run_id.clone(), entries.by_ref().take(ENTRIES).map(convert).collect())));
    stream::iter(cut).boxed()
}

fn crosswalk_entry((record, key): (RecordRef, LinkageKey)) -> CrosswalkEntry {
    CrosswalkEntry { record_ref: record.as_bytes().to_vec(), linkage_key: key.to_string() }
}

fn key_entry(released: ReleasedKey) -> KeyEntry {
    let databases = released.databases.iter().map(ToString::to_string).collect();
    KeyEntry { linkage_key: released.key.to_string(), databases }
}
