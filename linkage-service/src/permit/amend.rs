//! The arrival of permits, amendments and revocations: what the service accepts into its store.

use time::OffsetDateTime;

use super::authorise::VerifiedPermit;
use super::committee::Committee;
use super::conditions::check_conditions;
use super::refusal::Refusal;
use super::revocation::VerifiedRevocation;
use super::statement::{Permit, Statement};
use crate::policy::{Environment, Policy};
use crate::role::{Caller, Role};

/// A permit that may be stored, and what it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedPermit {
    /// The permit.
    pub permit: VerifiedPermit,
    /// What differs from the version before; empty for a first version.
    pub changes: Vec<Change>,
}

/// One difference between two versions of a permit, for the answer and the audit log: nothing widens silently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The field that differs.
    pub field: &'static str,
    /// Whether the permit now allows more than before.
    pub widens: bool,
}

/// Decides whether a permit may be stored: by the committee, signed, newer, not revoked, and allowed by the policy.
///
/// The version that is stored, `current`, is only compared with: it need not be signed by the committee of today, which
/// may be another one than signed it.
///
/// The policy is taken as it stands when the permit begins, or today if that is later.
///
/// # Errors
/// The first rule that is broken.
pub fn accept_permit(
    envelope: &[u8],
    caller: &Caller,
    committee: &Committee,
    policy: &Policy,
    current: Option<&Permit>,
    revocations: &[Vec<u8>],
    now: OffsetDateTime,
) -> Result<AcceptedPermit, Refusal> {
    require_committee(caller)?;
    let permit = VerifiedPermit::verify(envelope, committee)?;
    let statement = permit.permit().statement();
    for bytes in revocations {
        if VerifiedRevocation::verify(bytes, committee)?.revocation().permit == statement.id {
            return Err(Refusal::Revoked { permit: statement.id.clone() });
        }
    }
    let current = current.map(Permit::statement).filter(|current| current.id == statement.id);
    if let Some(current) = current {
        if statement.version <= current.version {
            let (permit, offered) = (statement.id.clone(), statement.version);
            return Err(Refusal::NotNewer { permit, current: current.version, offered });
        }
        if statement.project != current.project {
            return Err(Refusal::AmendsAnotherProject { permit: statement.id.clone(), named: current.project.clone() });
        }
    }
    if now >= statement.valid_until {
        return Err(Refusal::Expired { until: statement.valid_until });
    }
    check_conditions(permit.permit(), policy, policy.day_of(now.max(statement.valid_from)))?;
    let changes = current.map(|current| changes(current, statement)).unwrap_or_default();
    Ok(AcceptedPermit { permit, changes })
}

/// Decides whether a revocation may be stored. It acts from that moment on.
///
/// # Errors
/// [`Refusal::WrongRole`], or the refusals of [`VerifiedRevocation::verify`].
pub fn accept_revocation(
    envelope: &[u8],
    caller: &Caller,
    committee: &Committee,
) -> Result<VerifiedRevocation, Refusal> {
    require_committee(caller)?;
    VerifiedRevocation::verify(envelope, committee)
}

fn require_committee(caller: &Caller) -> Result<(), Refusal> {
    match &caller.role {
        Role::Committee => Ok(()),
        role => Err(Refusal::WrongRole { role: role.kind(), needed: "committee" }),
    }
}

fn changes(old: &Statement, new: &Statement) -> Vec<Change> {
    let adds_database = new.databases.iter().any(|database| !old.databases.contains(database));
    let adds_member =
        new.members.iter().any(|m| old.members.iter().all(|o| o.certificate_sha256 != m.certificate_sha256));
    let leaves_visiting = old.environment == Environment::Visiting && new.environment != Environment::Visiting;
    [
        ("policy", old.policy != new.policy, true),
        ("purpose", old.purpose != new.purpose, true),
        ("databases", old.databases != new.databases, adds_database),
        ("class", old.class != new.class, new.class > old.class),
        ("necessity", old.necessity != new.necessity, false),
        ("declarations", old.declarations != new.declarations, !new.declarations.is_subset(&old.declarations)),
        ("members", old.members != new.members, adds_member),
        ("environment", old.environment != new.environment, leaves_visiting),
        ("valid_from", old.valid_from != new.valid_from, new.valid_from < old.valid_from),
        ("valid_until", old.valid_until != new.valid_until, new.valid_until > old.valid_until),
        ("hearings", old.hearings != new.hearings, false),
        ("reason", old.reason != new.reason, false),
    ]
    .into_iter()
    .filter_map(|(field, differs, widens)| differs.then_some(Change { field, widens }))
    .collect()
}
