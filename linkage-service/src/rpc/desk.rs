//! What every call has in common.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::access::Rpc;
use super::denial::Denial;
use crate::audit::{Actor, Detail, Entry, Label, Outcome};
use crate::error::DecisionError;
use crate::journal::Writing;
use crate::permit::{Committee, Permitted, Refusal, RunRequest};
use crate::role::{Caller, Role};
use crate::store::RunRecord;
use crate::unit::Unit;

/// One linkage unit, as the services see it.
#[derive(Clone)]
pub struct Desk {
    unit: Arc<Unit>,
}

/// A caller whose role may make this call, and what the audit log will say of it.
pub(super) struct Visit {
    pub caller: Caller,
    rpc: Rpc,
    object: Label,
    details: Vec<(Label, Detail)>,
    /// Whether the audit log has it already, together with what it did.
    recorded: bool,
}

impl Desk {
    /// A desk of this unit.
    pub fn new(unit: Arc<Unit>) -> Self {
        Self { unit }
    }

    pub(super) fn unit(&self) -> &Arc<Unit> {
        &self.unit
    }

    /// Reads who calls and whether its role may. A refusal is recorded before it is returned.
    pub(super) async fn admit<T>(&self, rpc: Rpc, request: &Request<T>) -> Result<Visit, Status> {
        let certificates = request.peer_certs();
        let leaf = certificates.as_ref().and_then(|chain| chain.first());
        let caller = leaf.ok_or(crate::error::RoleError::Certificate).and_then(|leaf| Caller::from_certificate(leaf));
        let caller = match caller {
            Ok(caller) => caller,
            Err(error) => {
                let denial = Denial::from(error);
                let entry =
                    Entry::new(Actor::service(), rpc.action(), Label::fixed("caller:unknown"), refused(&denial));
                return Err(self.close(entry, denial).await);
            }
        };
        if !rpc.admits(&caller.role) {
            let needed = rpc.callers()[0];
            let denial = Denial::from(Refusal::WrongRole { role: caller.role.kind(), needed });
            let entry = Entry::new(Actor::caller(&caller), rpc.action(), Label::fixed("service"), refused(&denial));
            return Err(self.close(entry, denial).await);
        }
        Ok(Visit { caller, rpc, object: Label::fixed("service"), details: Vec::new(), recorded: false })
    }

    /// Records what was decided, then, and only then, answers.
    pub(super) async fn answer<T>(&self, visit: Visit, outcome: Result<T, Denial>) -> Result<Response<T>, Status> {
        match outcome {
            Ok(answer) if visit.recorded => Ok(Response::new(answer)),
            Ok(answer) => match self.unit.journal().record(visit.entry(Outcome::Allowed)).await {
                Ok(()) => Ok(Response::new(answer)),
                Err(error) => Err(Denial::internal(&error).into_status()),
            },
            Err(denial) => {
                let entry = visit.entry(refused(&denial));
                Err(self.close(entry, denial).await)
            }
        }
    }

    /// The committee, without which there are no permits.
    pub(super) fn committee(&self) -> Result<&Committee, Denial> {
        self.unit.committee().ok_or_else(|| DecisionError::NoCommittee.into())
    }

    /// Makes what a call did lasting, together with the entry that says so.
    pub(super) async fn commit(&self, mut writing: Writing<'_>, visit: &mut Visit) -> Result<(), Denial> {
        writing.record(visit.entry(Outcome::Allowed)).await?;
        writing.commit().await?;
        visit.recorded = true;
        Ok(())
    }

    /// Whether the caller may have results of this run, by the run's permit as it stands now.
    pub(super) async fn permitted_release(
        &self,
        caller: &Caller,
        run: &RunRecord,
    ) -> Result<Permitted<RunRequest>, Denial> {
        let databases = self.unit.store().run_inputs(&run.id).await?.into_iter().map(|input| input.database).collect();
        let request = RunRequest { project: run.project.clone(), databases, class: run.class };
        Ok(self.unit.permitted(caller, &run.permit_id, |_| Ok(request)).await?)
    }

    async fn close(&self, entry: Entry, denial: Denial) -> Status {
        match self.unit.journal().record(entry).await {
            Ok(()) => denial.into_status(),
            Err(error) => Denial::internal(&error).into_status(),
        }
    }
}

impl Visit {
    /// What the call is about. An id that is no label cannot be one of ours, and is left out.
    pub(super) fn concerns(&mut self, kind: &'static str, id: impl std::fmt::Display) {
        self.object = Label::object(kind, id).unwrap_or(Label::fixed("unknown"));
    }

    /// A further fact for the audit log.
    pub(super) fn note(&mut self, name: &'static str, detail: impl Into<Detail>) {
        self.details.push((Label::fixed(name), detail.into()));
    }

    /// The caller's role; a call without one was not admitted.
    pub(super) fn role(&self) -> &Role {
        &self.caller.role
    }

    pub(super) fn entry(&self, outcome: Outcome) -> Entry {
        let entry = Entry::new(Actor::caller(&self.caller), self.rpc.action(), self.object.clone(), outcome);
        self.details.iter().cloned().fold(entry, |entry, (name, detail)| entry.with(name, detail))
    }

    /// Notes that the audit log has the call already, together with what it did.
    pub(super) fn mark_recorded(&mut self) {
        self.recorded = true;
    }
}

fn refused(denial: &Denial) -> Outcome {
    Outcome::Refused(Label::fixed(denial.code()))
}
