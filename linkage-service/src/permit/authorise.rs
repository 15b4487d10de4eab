//! From a request to a [`Permitted`] request, or a [`Refusal`].

use linkage_core::types::DatabaseId;
use time::OffsetDateTime;

use super::committee::{Committee, Endorsement};
use super::conditions::check_conditions;
use super::envelope::Envelope;
use super::refusal::Refusal;
use super::revocation::VerifiedRevocation;
use super::statement::{Fingerprint, PERMIT_TYPE, Permit};
use crate::policy::{Class, Policy};
use crate::role::{Caller, ProjectId, Role};

/// What can be authorised: anything that says which project wants which databases in which class.
pub trait Request {
    /// The project that asks.
    fn project(&self) -> &ProjectId;
    /// The databases that it wants linked.
    fn databases(&self) -> &[DatabaseId];
    /// The class of data.
    fn class(&self) -> Class;
}

/// The plainest request: a run over some databases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRequest {
    /// The project that asks.
    pub project: ProjectId,
    /// The databases that it wants linked; a subset of the permit's is fine.
    pub databases: Vec<DatabaseId>,
    /// The class of data.
    pub class: Class,
}

impl Request for RunRequest {
    fn project(&self) -> &ProjectId {
        &self.project
    }

    fn databases(&self) -> &[DatabaseId] {
        &self.databases
    }

    fn class(&self) -> Class {
        self.class
    }
}

/// What the service knows about a permit, as bytes: they are verified again at every decision, so that whoever can
/// write to the store still cannot permit anything.
#[derive(Debug, Clone, Copy)]
pub struct PermitState<'a> {
    /// Whose signatures count.
    pub committee: &'a Committee,
    /// The envelope with the highest version of the permit, if there is any.
    pub permit: Option<&'a [u8]>,
    /// The envelopes of all revocations that may concern it.
    pub revocations: &'a [Vec<u8>],
}

/// A permit that the committee signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedPermit {
    permit: Permit,
    endorsement: Endorsement,
    digest: [u8; 32],
}

impl VerifiedPermit {
    /// Verifies an envelope and then, only then, parses what it carries.
    ///
    /// # Errors
    /// The refusals of [`Committee::verify`], [`Refusal::Malformed`] and [`Refusal::Invalid`].
    pub fn verify(bytes: &[u8], committee: &Committee) -> Result<Self, Refusal> {
        let envelope = Envelope::parse(bytes).map_err(|cause| Refusal::Malformed { cause })?;
        let endorsement = committee.verify(&envelope, PERMIT_TYPE)?;
        let permit = Permit::parse(envelope.payload()).map_err(|cause| Refusal::Invalid { cause })?;
        Ok(Self { permit, endorsement, digest: *blake3::hash(envelope.payload()).as_bytes() })
    }

    /// What was decided.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// Who signed.
    pub fn endorsement(&self) -> &Endorsement {
        &self.endorsement
    }

    /// BLAKE3 of the exact bytes that were signed.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

/// A request that a permit covers, at the time of asking. Only [`authorise`] and [`authorise_custodian`] make one:
///
/// ```compile_fail
/// use linkage_service::permit::{Permitted, RunRequest};
/// fn forge(request: RunRequest) -> Permitted<RunRequest> {
///     Permitted { request, permit: unimplemented!() } // the fields are private
/// }
/// ```
#[derive(Debug)]
pub struct Permitted<T> {
    request: T,
    permit: VerifiedPermit,
}

impl<T> Permitted<T> {
    /// What was asked.
    pub fn request(&self) -> &T {
        &self.request
    }

    /// The permit that covers it.
    pub fn permit(&self) -> &Permit {
        self.permit.permit()
    }

    /// The permit with its signers and digest.
    pub fn verified_permit(&self) -> &VerifiedPermit {
        &self.permit
    }

    /// Gives the request up, and with it the proof.
    pub fn into_request(self) -> T {
        self.request
    }
}

/// Decides whether a member of a project may have what it asks: a run, or the linkage keys of one.
///
/// Ask again before every release: a run may outlast its permit, and a revocation acts at once.
///
/// # Errors
/// The first rule that is broken: first who asks, then the permit, then what is asked, then the policy of the day.
pub fn authorise<T: Request>(
    request: T,
    caller: &Caller,
    state: PermitState<'_>,
    policy: &Policy,
    now: OffsetDateTime,
) -> Result<Permitted<T>, Refusal> {
    let Role::Project(project) = &caller.role else {
        return Err(Refusal::WrongRole { role: caller.role.kind(), needed: "project" });
    };
    if project != request.project() {
        return Err(Refusal::WrongProject { requested: request.project().clone(), named: project.clone() });
    }
    let named = |permit: &Permit| {
        let members = &permit.statement().members;
        let fingerprint = Fingerprint(caller.fingerprint);
        if members.iter().any(|member| member.certificate_sha256 == fingerprint) {
            Ok(())
        } else {
            Err(Refusal::CallerNotNamed)
        }
    };
    decide(request, named, state, policy, now)
}

/// Decides whether a custodian may have its part of a request: the crosswalk of its own records.
///
/// # Errors
/// As [`authorise`]; the caller must be the custodian of a database in the request.
pub fn authorise_custodian<T: Request>(
    request: T,
    caller: &Caller,
    state: PermitState<'_>,
    policy: &Policy,
    now: OffsetDateTime,
) -> Result<Permitted<T>, Refusal> {
    let Role::Custodian(database) = &caller.role else {
        return Err(Refusal::WrongRole { role: caller.role.kind(), needed: "custodian" });
    };
    if !request.databases().contains(database) {
        return Err(Refusal::DatabaseOutsidePermit { database: database.clone() });
    }
    decide(request, |_| Ok(()), state, policy, now)
}

fn decide<T: Request>(
    request: T,
    check_caller: impl FnOnce(&Permit) -> Result<(), Refusal>,
    state: PermitState<'_>,
    policy: &Policy,
    now: OffsetDateTime,
) -> Result<Permitted<T>, Refusal> {
    let verified = VerifiedPermit::verify(state.permit.ok_or(Refusal::NoPermit)?, state.committee)?;
    let statement = verified.permit.statement();
    for bytes in state.revocations {
        // A revocation that does not verify means a damaged store. Passing over it would let a revoked permit live on.
        let revocation = VerifiedRevocation::verify(bytes, state.committee)?;
        if revocation.revocation().permit == statement.id {
            return Err(Refusal::Revoked { permit: statement.id.clone() });
        }
    }
    if now < statement.valid_from {
        return Err(Refusal::NotYetValid { from: statement.valid_from });
    }
    if now >= statement.valid_until {
        return Err(Refusal::Expired { until: statement.valid_until });
    }
    if &statement.project != request.project() {
        return Err(Refusal::WrongProject { requested: request.project().clone(), named: statement.project.clone() });
    }
    check_caller(&verified.permit)?;
    check_request(&request, &verified.permit)?;
    check_conditions(&verified.permit, policy, policy.day_of(now))?;
    Ok(Permitted { request, permit: verified })
}

fn check_request(request: &impl Request, permit: &Permit) -> Result<(), Refusal> {
    let statement = permit.statement();
    if request.class() != statement.class {
        return Err(Refusal::ClassMismatch { requested: request.class(), permitted: statement.class });
    }
    if let Some(database) = request.databases().iter().find(|database| !statement.databases.contains(database)) {
        return Err(Refusal::DatabaseOutsidePermit { database: database.clone() });
    }
    let databases = request.databases();
    if let Some((_, database)) = databases.iter().enumerate().find(|(i, database)| databases[..*i].contains(database)) {
        return Err(Refusal::RepeatedDatabase { database: database.clone() });
    }
    if databases.len() < 2 { Err(Refusal::TooFewDatabases) } else { Ok(()) }
}
