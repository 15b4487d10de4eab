//! Every reason for which the service says no, each with a code that never changes.

use linkage_core::types::DatabaseId;
use time::{Date, OffsetDateTime};

use super::statement::PermitId;
use crate::error::DocumentError;
use crate::policy::{Class, Environment};
use crate::role::ProjectId;

/// One variant per rule. Messages are for the caller and carry a hint; [`Refusal::code`] is for programs and the audit log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the message of a variant says what it and its fields are")]
pub enum Refusal {
    #[error("the role {role} may not do this\nhint: it takes a credential with the role {needed}")]
    WrongRole { role: &'static str, needed: &'static str },
    #[error(
        "the request is for project {requested}, the credential or the permit for {named}\nhint: a permit serves one project"
    )]
    WrongProject { requested: ProjectId, named: ProjectId },
    #[error("there is no permit\nhint: the review committee decides; `linkage permit submit` brings its decision here")]
    NoPermit,
    #[error("{cause}\nhint: `linkage permit new` and `linkage permit sign` write this file")]
    Malformed { cause: DocumentError },
    #[error("the envelope carries another type of statement\nhint: expected {expected}")]
    WrongType { expected: &'static str },
    #[error(
        "the signature of {signer} does not hold: the statement or the signature was altered\nhint: ask the signer for the original file"
    )]
    Altered { signer: String },
    #[error(
        "signed by {have} of the {need} members needed, and by {unknown_signers} unknown keys\nhint: keys outside committee.json count for nothing"
    )]
    UnknownSigner { have: usize, need: usize, unknown_signers: usize },
    #[error("signed by {have} of the {need} distinct members needed\nhint: `linkage permit sign` adds a signature")]
    UnderSigned { have: usize, need: usize },
    #[error("{cause}\nhint: the signatures hold, the statement does not; the committee has to decide again")]
    Invalid { cause: DocumentError },
    #[error("permit {permit} was revoked\nhint: a revocation is final; a new permit needs a new id")]
    Revoked { permit: PermitId },
    #[error(
        "permit {permit} is here in version {current}, the file is version {offered}\nhint: an amendment has a higher version"
    )]
    NotNewer { permit: PermitId, current: u32, offered: u32 },
    #[error("permit {permit} belongs to project {named}\nhint: an amendment cannot move a permit to another project")]
    AmendsAnotherProject { permit: PermitId, named: ProjectId },
    #[error(
        "the permit was decided under the policy `{decided_under}`, this service follows `{followed}`\nhint: the committee has to decide again"
    )]
    OtherPolicy { decided_under: String, followed: String },
    #[error("the permit is valid from {from}\nhint: wait, or ask the committee for an amendment")]
    NotYetValid { from: OffsetDateTime },
    #[error("the permit ended at {until}\nhint: ask the committee for an amendment")]
    Expired { until: OffsetDateTime },
    #[error(
        "this client certificate is not named in the permit\nhint: members are named by the SHA-256 of their certificate; a renewed one needs an amendment"
    )]
    CallerNotNamed,
    #[error("the request is for {requested} data, the permit for {permitted} data\nhint: the classes must be equal")]
    ClassMismatch { requested: Class, permitted: Class },
    #[error("database {database} is outside the permit\nhint: an amendment can add a database")]
    DatabaseOutsidePermit { database: DatabaseId },
    #[error("fewer than two databases\nhint: a linkage is between two databases or more")]
    TooFewDatabases,
    #[error("database {database} is asked for more than once\nhint: a database is not linked with itself")]
    RepeatedDatabase { database: DatabaseId },
    #[error(
        "the purpose is not declared to be of substantial public interest\nhint: `purpose.substantial_public_interest`"
    )]
    NoPublicInterest,
    #[error("the purpose advertises or promotes a product or service\nhint: the policy allows no permit for that")]
    Advertising,
    #[error("{class} data, and no reason why anonymised data would not do\nhint: `necessity` states it")]
    NoNecessity { class: Class },
    #[error(
        "{class} keys are not released into the environment `{environment}`\nhint: only into the visiting environment"
    )]
    EnvironmentNotVisiting { class: Class, environment: Environment },
    #[error("{class} data of {database} need the consent of the living persons\nhint: the declaration `consent`")]
    ConsentMissing { database: DatabaseId, class: Class },
    #[error("{class} data of {database} are for certified users\nhint: the declaration `certified-user`")]
    NotCertified { database: DatabaseId, class: Class },
    #[error(
        "{database} gives max-quality tokens, and the permit does not accept their risk\nhint: the declaration `max-quality-risk`"
    )]
    RiskNotAccepted { database: DatabaseId },
    #[error("no hearing body is named for {database}\nhint: `hearings` needs one per database")]
    HearingMissing { database: DatabaseId },
    #[error("the policy `{policy}` knows no database {database}\nhint: check the spelling of the id")]
    UnknownDatabase { database: DatabaseId, policy: String },
    #[error("{database} offers no {class} data on {day}\nhint: the policy file lists the classes and their dates")]
    ClassNotOffered { database: DatabaseId, class: Class, day: Date },
    #[error("the policy `{policy}` is not in force on {day}\nhint: its first revision is later")]
    PolicyNotInForce { policy: String, day: Date },
    #[error(
        "{first} and {second} may not be linked as {class} data (policy `{policy}`, revision of {revision})\nhint: drop one of the two databases"
    )]
    PairNotOpen { first: DatabaseId, second: DatabaseId, class: Class, policy: String, revision: Date },
    #[error(
        "{first} and {second} may not be linked as {class} data, also not through {via} (policy `{policy}`, revision of {revision})\nhint: every pair of the databases must be open"
    )]
    Bridging { first: DatabaseId, second: DatabaseId, via: DatabaseId, class: Class, policy: String, revision: Date },
}

impl Refusal {
    /// The code: kebab-case, stable, and what the audit log records.
    pub fn code(&self) -> &'static str {
        match self {
            Self::WrongRole { .. } => "wrong-role",
            Self::WrongProject { .. } => "wrong-project",
            Self::NoPermit => "no-permit",
            Self::Malformed { .. } => "malformed",
            Self::WrongType { .. } => "wrong-type",
            Self::Altered { .. } => "altered",
            Self::UnknownSigner { .. } => "unknown-signer",
            Self::UnderSigned { .. } => "under-signed",
            Self::Invalid { .. } => "invalid-statement",
            Self::Revoked { .. } => "revoked",
            Self::NotNewer { .. } => "not-newer",
            Self::AmendsAnotherProject { .. } => "amends-another-project",
            Self::OtherPolicy { .. } => "other-policy",
            Self::NotYetValid { .. } => "not-yet-valid",
            Self::Expired { .. } => "expired",
            Self::CallerNotNamed => "caller-not-named",
            Self::ClassMismatch { .. } => "class-mismatch",
            Self::DatabaseOutsidePermit { .. } => "database-outside-permit",
            Self::TooFewDatabases => "too-few-databases",
            Self::RepeatedDatabase { .. } => "repeated-database",
            Self::NoPublicInterest => "no-public-interest",
            Self::Advertising => "advertising",
            Self::NoNecessity { .. } => "no-necessity",
            Self::EnvironmentNotVisiting { .. } => "environment-not-visiting",
            Self::ConsentMissing { .. } => "consent-missing",
            Self::NotCertified { .. } => "not-certified",
            Self::RiskNotAccepted { .. } => "risk-not-accepted",
            Self::HearingMissing { .. } => "hearing-missing",
            Self::UnknownDatabase { .. } => "unknown-database",
            Self::ClassNotOffered { .. } => "class-not-offered",
            Self::PolicyNotInForce { .. } => "policy-not-in-force",
            Self::PairNotOpen { .. } => "pair-not-open",
            Self::Bridging { .. } => "bridging",
        }
    }
}
