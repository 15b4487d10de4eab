//! `PermitService`.

use linkage_proto::v1::permit_service_server::PermitService;
use linkage_proto::v1::{
    ListPermitsRequest, ListPermitsResponse, PermitSummary, RevokePermitRequest, RevokePermitResponse,
    ShowPermitRequest, ShowPermitResponse, SubmitPermitRequest, SubmitPermitResponse,
};
use time::OffsetDateTime;
use tonic::{Code, Request, Response, Status};

use super::access::Rpc;
use super::denial::Denial;
use super::desk::{Desk, Visit};
use crate::audit::Label;
use crate::permit::{Change, Envelope, Permit, Refusal, Statement, VerifiedPermit, accept_permit, accept_revocation};
use crate::role::Role;
use crate::store::{instant_text, permit};

#[tonic::async_trait]
impl PermitService for Desk {
    async fn submit(&self, request: Request<SubmitPermitRequest>) -> Result<Response<SubmitPermitResponse>, Status> {
        let mut visit = self.admit(Rpc::PermitSubmit, &request).await?;
        let outcome = self.submit_permit(&mut visit, &request.into_inner().document).await;
        self.answer(visit, outcome).await
    }

    async fn revoke(&self, request: Request<RevokePermitRequest>) -> Result<Response<RevokePermitResponse>, Status> {
        let mut visit = self.admit(Rpc::PermitRevoke, &request).await?;
        let outcome = self.revoke_permit(&mut visit, &request.into_inner().document).await;
        self.answer(visit, outcome).await
    }

    async fn show(&self, request: Request<ShowPermitRequest>) -> Result<Response<ShowPermitResponse>, Status> {
        let mut visit = self.admit(Rpc::PermitShow, &request).await?;
        let permit_id = request.into_inner().permit_id;
        visit.concerns("permit", &permit_id);
        let outcome = self.show_permit(&visit, &permit_id).await;
        self.answer(visit, outcome).await
    }

    async fn list(&self, request: Request<ListPermitsRequest>) -> Result<Response<ListPermitsResponse>, Status> {
        let visit = self.admit(Rpc::PermitList, &request).await?;
        let outcome = self.list_permits(&visit).await;
        self.answer(visit, outcome).await
    }
}

impl Desk {
    async fn submit_permit(&self, visit: &mut Visit, document: &[u8]) -> Result<SubmitPermitResponse, Denial> {
        let (committee, store, now) = (self.committee()?, self.unit().store(), OffsetDateTime::now_utc());
        // Verified before its id is used for anything, even for looking up the version before.
        let offered = VerifiedPermit::verify(document, committee)?;
        let statement = offered.permit().statement();
        let id = statement.id.to_string();
        visit.concerns("permit", &id);
        visit.note("version", u64::from(statement.version));
        visit.note("digest", Label::hex(offered.digest()));
        let stored = store.permit(&id).await?;
        if stored.as_deref() == Some(document) {
            return Ok(SubmitPermitResponse { permit: Some(self.summary(statement).await?), changes: Vec::new() });
        }
        let current = stored.as_deref().map(stored_permit).transpose()?;
        let revocations = store.revocations(&id).await?;
        let policy = self.unit().policy();
        let accepted = accept_permit(document, &visit.caller, committee, policy, current.as_ref(), &revocations, now)?;
        let statement = accepted.permit.permit().statement();
        for change in &accepted.changes {
            visit.note(change.field, Label::fixed(if change.widens { "widens" } else { "changed" }));
        }
        let mut writing = self.unit().journal().begin().await?;
        if !permit::insert(writing.connection(), statement, document, now).await? {
            let (permit, current) = (statement.id.clone(), statement.version);
            return Err(Refusal::NotNewer { permit, current, offered: current }.into());
        }
        self.commit(writing, visit).await?;
        let changes = accepted.changes.iter().map(change_text).collect();
        Ok(SubmitPermitResponse { permit: Some(self.summary(statement).await?), changes })
    }

    async fn revoke_permit(&self, visit: &mut Visit, document: &[u8]) -> Result<RevokePermitResponse, Denial> {
        let verified = accept_revocation(document, &visit.caller, self.committee()?)?;
        let revoked = &verified.revocation().permit;
        visit.concerns("permit", revoked);
        let mut writing = self.unit().journal().begin().await?;
        permit::insert_revocation(writing.connection(), revoked, document, OffsetDateTime::now_utc()).await?;
        self.commit(writing, visit).await?;
        self.unit().runs().stop_permit(revoked.as_str());
        Ok(RevokePermitResponse { permit_id: revoked.to_string() })
    }

    async fn show_permit(&self, visit: &Visit, id: &str) -> Result<ShowPermitResponse, Denial> {
        let none = || {
            Denial::new("no-permit", Code::NotFound, "there is no such permit\nhint: `linkage permit list` shows them")
        };
        let document = self.unit().store().permit(id).await?.ok_or_else(none)?;
        let permit = stored_permit(&document)?;
        let statement = permit.statement();
        // Another project's permit is as good as none.
        if matches!(visit.role(), Role::Project(project) if *project != statement.project) {
            return Err(none());
        }
        Ok(ShowPermitResponse { permit: Some(self.stored_summary(&document, statement).await?), document })
    }

    async fn list_permits(&self, visit: &Visit) -> Result<ListPermitsResponse, Denial> {
        let project = match visit.role() {
            Role::Project(project) => Some(project),
            _ => None,
        };
        let mut permits = Vec::new();
        for document in self.unit().store().permits(project).await? {
            let permit = stored_permit(&document)?;
            permits.push(self.stored_summary(&document, permit.statement()).await?);
        }
        Ok(ListPermitsResponse { permits })
    }

    /// The summary of what is stored, whose signatures may be of a committee that is no more.
    async fn stored_summary(&self, document: &[u8], statement: &Statement) -> Result<PermitSummary, Denial> {
        let mut summary = self.summary(statement).await?;
        if VerifiedPermit::verify(document, self.committee()?).is_err() {
            "signatures-do-not-hold".clone_into(&mut summary.state);
        }
        Ok(summary)
    }

    async fn summary(&self, statement: &Statement) -> Result<PermitSummary, Denial> {
        let now = OffsetDateTime::now_utc();
        let revoked = !self.unit().store().revocations(statement.id.as_str()).await?.is_empty();
        let state = match () {
            () if revoked => "revoked",
            () if now < statement.valid_from => "not-yet-valid",
            () if now >= statement.valid_until => "expired",
            () => "active",
        };
        Ok(PermitSummary {
            permit_id: statement.id.to_string(),
            project: statement.project.to_string(),
            databases: statement.databases.iter().map(ToString::to_string).collect(),
            class: statement.class.to_string(),
            valid_from: instant_text(statement.valid_from),
            valid_until: instant_text(statement.valid_until),
            state: state.to_owned(),
            version: statement.version,
        })
    }
}

/// What a stored envelope says; it permits nothing, for that its signatures are verified at every use.
fn stored_permit(document: &[u8]) -> Result<Permit, Refusal> {
    let envelope = Envelope::parse(document).map_err(|cause| Refusal::Malformed { cause })?;
    Permit::parse(envelope.payload()).map_err(|cause| Refusal::Invalid { cause })
}

fn change_text(change: &Change) -> String {
    if change.widens { format!("{} (widens)", change.field) } else { change.field.to_owned() }
}
