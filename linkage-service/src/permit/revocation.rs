//! The end of a permit before its time: a second kind of signed statement, `revocation/1`.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::committee::{Committee, Endorsement};
use super::envelope::Envelope;
use super::refusal::Refusal;
use super::statement::{PermitId, parse_json, text_rule};
use crate::error::DocumentError;

/// The payload type under which revocations are signed.
pub const REVOCATION_TYPE: &str = "application/vnd.linkage.permit-revocation+json";

const DOCUMENT: &str = "revocation";

/// Ends every version of a permit, at once and for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// `revocation/1`.
    pub format: String,
    /// The permit that ends.
    pub permit: PermitId,
    /// When the committee decided. It takes effect when it arrives, whatever this says.
    #[serde(with = "time::serde::rfc3339")]
    pub decided_at: OffsetDateTime,
    /// Why.
    pub reason: String,
}

/// A revocation that the committee signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedRevocation {
    revocation: Revocation,
    endorsement: Endorsement,
}

impl Revocation {
    /// A revocation of every version of `permit`.
    ///
    /// # Errors
    /// When the reason is empty or cannot be shown as it is.
    pub fn new(permit: PermitId, decided_at: OffsetDateTime, reason: String) -> Result<Self, DocumentError> {
        Self { format: "revocation/1".to_owned(), permit, decided_at, reason }.checked()
    }

    /// Parses the payload of a revocation.
    ///
    /// # Errors
    /// When the bytes are not of format `revocation/1`.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        parse_json::<Self>(DOCUMENT, bytes)?.checked()
    }

    /// The bytes that a new revocation is signed over.
    pub fn to_payload(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("a revocation has only text keys");
        bytes.push(b'\n');
        bytes
    }

    fn checked(self) -> Result<Self, DocumentError> {
        let field = |field, rule| Err(DocumentError::Field { document: DOCUMENT, field, rule });
        if self.format != "revocation/1" {
            return field("format", "this program reads `revocation/1`");
        }
        if !(2000..3000).contains(&self.decided_at.year()) {
            return field("decided_at", "a year from 2000 to 2999, so that every time zone can write it");
        }
        match text_rule(&self.reason) {
            Some(rule) => field("reason", rule),
            None => Ok(self),
        }
    }
}

impl VerifiedRevocation {
    /// Verifies an envelope and then parses what it carries.
    ///
    /// # Errors
    /// The refusals of [`Committee::verify`], [`Refusal::Malformed`] and [`Refusal::Invalid`].
    pub fn verify(bytes: &[u8], committee: &Committee) -> Result<Self, Refusal> {
        let envelope = Envelope::parse(bytes).map_err(|cause| Refusal::Malformed { cause })?;
        let endorsement = committee.verify(&envelope, REVOCATION_TYPE)?;
        let revocation = Revocation::parse(envelope.payload()).map_err(|cause| Refusal::Invalid { cause })?;
        Ok(Self { revocation, endorsement })
    }

    /// What was decided.
    pub fn revocation(&self) -> &Revocation {
        &self.revocation
    }

    /// Who signed.
    pub fn endorsement(&self) -> &Endorsement {
        &self.endorsement
    }
}
