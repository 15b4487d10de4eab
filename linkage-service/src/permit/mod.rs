//! Permits: the signed decisions of the review committee, and the only way to a [`Permitted`] request.
//!
//! Bytes, a committee, a policy and the time go in; a decision comes out. Nothing here reads a clock, a network or a
//! store, so an auditor can repeat every decision. The format is specified in `docs/spec/permit.md`.
//!
//! The service cannot make a permit: it holds public keys only. And it cannot run without one, because what starts a
//! run takes a [`Permitted`] value, which [`authorise`] alone can make.

mod amend;
mod authorise;
mod committee;
mod conditions;
mod envelope;
mod refusal;
mod revocation;
mod statement;
#[cfg(test)]
pub(crate) mod tests;

pub use amend::{AcceptedPermit, Change, accept_permit, accept_revocation};
pub use authorise::{PermitState, Permitted, Request, RunRequest, VerifiedPermit, authorise, authorise_custodian};
pub use committee::{Committee, CommitteeMember, Endorsement};
pub use conditions::check_conditions;
pub use envelope::{Envelope, EnvelopeSignature};
pub use refusal::Refusal;
pub use revocation::{REVOCATION_TYPE, Revocation, VerifiedRevocation};
pub use statement::{Fingerprint, Hearing, Member, PERMIT_TYPE, Permit, PermitId, Purpose, Statement};
