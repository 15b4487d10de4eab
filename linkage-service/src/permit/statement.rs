//! What the committee decides: the permit statement, `permit/1`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use linkage_core::types::DatabaseId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use x509_parser::pem::parse_x509_pem;

use crate::error::DocumentError;
use crate::policy::{Class, Environment, Need};
use crate::role::ProjectId;
use crate::signing::{parse_hex, write_hex};

/// The payload type under which permits are signed.
pub const PERMIT_TYPE: &str = "application/vnd.linkage.permit+json";

/// What the `format` field of a permit statement says.
const FORMAT: &str = "permit/1";

const DOCUMENT: &str = "permit";

/// No honest statement comes near this; a larger one is refused before it is parsed.
pub(super) const MAX_STATEMENT_BYTES: usize = 128 * 1024;

/// The name of a permit, the same in all its versions: 1 to 64 lower-case letters, digits and `-`, not first a `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PermitId(String);

/// SHA-256 of a client certificate in DER form, as 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// The fields of a permit, as they are written; a [`Permit`] is one of which the rules hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// `permit/1`.
    pub format: String,
    /// The permit's name.
    pub id: PermitId,
    /// 1, and more for every amendment.
    pub version: u32,
    /// The project that may run.
    pub project: ProjectId,
    /// The name of the policy that the committee decided under.
    pub policy: String,
    /// What for.
    pub purpose: Purpose,
    /// The databases that may be linked with one another, two or more.
    pub databases: Vec<DatabaseId>,
    /// The class of data, the same on every side.
    pub class: Class,
    /// Why anonymised data would not do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub necessity: Option<String>,
    /// What the committee has seen proof of: `consent`, `certified-user`; or accepts: `max-quality-risk`.
    #[serde(default)]
    pub declarations: BTreeSet<Need>,
    /// Who may start runs and receive linkage keys.
    pub members: Vec<Member>,
    /// Where the members work with what they receive.
    pub environment: Environment,
    /// The first instant of validity.
    #[serde(with = "time::serde::rfc3339")]
    pub valid_from: OffsetDateTime,
    /// The first instant after validity.
    #[serde(with = "time::serde::rfc3339")]
    pub valid_until: OffsetDateTime,
    /// The body that was heard, for each database.
    pub hearings: Vec<Hearing>,
    /// Why the committee decided so.
    pub reason: String,
}

/// What a project is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Purpose {
    /// In words.
    pub text: String,
    /// 相当の公益性.
    pub substantial_public_interest: bool,
    /// Whether it advertises or promotes a specific product or service.
    pub advertising: bool,
}

/// A client certificate that the permit names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Whose it is, for people to read.
    pub name: String,
    /// The certificate; this decides.
    pub certificate_sha256: Fingerprint,
}

/// The hearing held for a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hearing {
    /// The database.
    pub database: DatabaseId,
    /// The body that was heard.
    pub body: String,
}

/// A statement that is complete and agrees with itself. Whether the policy allows it is another question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit(Statement);

impl Permit {
    /// Parses the payload of a permit.
    ///
    /// # Errors
    /// When the bytes are not a statement of format `permit/1`, or a field breaks a rule of it.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let statement: Statement = parse_json(DOCUMENT, bytes)?;
        Self::try_from(statement)
    }

    /// The fields.
    pub fn statement(&self) -> &Statement {
        &self.0
    }

    /// The bytes that a new permit is signed over. Who verifies never calls this: signatures hold for exact bytes.
    pub fn to_payload(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(&self.0).expect("a statement has only text keys");
        bytes.push(b'\n');
        bytes
    }
}

impl TryFrom<Statement> for Permit {
    type Error = DocumentError;

    fn try_from(statement: Statement) -> Result<Self, DocumentError> {
        let Statement { databases, members, hearings, .. } = &statement;
        require(statement.format == FORMAT, "format", "this program reads `permit/1`")?;
        require(statement.version >= 1, "version", "versions count from 1")?;
        require(!statement.policy.is_empty(), "policy", "name the policy that was decided under")?;
        check_text("purpose.text", &statement.purpose.text)?;
        check_text("reason", &statement.reason)?;
        if let Some(necessity) = &statement.necessity {
            check_text("necessity", necessity)?;
        }
        require(databases.len() >= 2, "databases", "a linkage is between two databases or more")?;
        require(all_differ(databases), "databases", "each database once")?;
        require(!members.is_empty(), "members", "name one client certificate or more")?;
        require(all_differ(members.iter().map(|m| m.certificate_sha256)), "members", "each certificate once")?;
        members.iter().try_for_each(|member| check_text("members.name", &member.name))?;
        require(all_differ(hearings.iter().map(|h| &h.database)), "hearings", "each database once")?;
        let heard_for = |hearing: &Hearing| databases.contains(&hearing.database);
        require(hearings.iter().all(heard_for), "hearings", "only for databases of the permit")?;
        hearings.iter().try_for_each(|hearing| check_text("hearings.body", &hearing.body))?;
        let in_reach = |time: OffsetDateTime| (2000..3000).contains(&time.year());
        let years = "a year from 2000 to 2999, so that every time zone can write it";
        require(in_reach(statement.valid_from), "valid_from", years)?;
        require(in_reach(statement.valid_until), "valid_until", years)?;
        let lasts = statement.valid_from < statement.valid_until;
        require(lasts, "valid_until", "later than `valid_from`")?;
        Ok(Self(statement))
    }
}

impl FromStr for PermitId {
    type Err = DocumentError;

    fn from_str(text: &str) -> Result<Self, DocumentError> {
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let well_formed = plain && (1..=64).contains(&text.len()) && !text.starts_with('-');
        require(well_formed, "id", "1 to 64 lower-case letters, digits and `-`")?;
        Ok(Self(text.to_owned()))
    }
}

impl PermitId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PermitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Fingerprint {
    /// The fingerprint of the first certificate in a PEM text.
    ///
    /// # Errors
    /// When the text holds no certificate in PEM.
    pub fn of_certificate_pem(text: &str) -> Result<Self, DocumentError> {
        let (field, rule) =
            ("certificate", "a client certificate in PEM: it begins with `-----BEGIN CERTIFICATE-----`");
        match parse_x509_pem(text.as_bytes()) {
            Ok((_, pem)) if pem.label == "CERTIFICATE" => Ok(Self(Sha256::digest(&pem.contents).into())),
            _ => Err(DocumentError::Field { document: DOCUMENT, field, rule }),
        }
    }
}

impl FromStr for Fingerprint {
    type Err = DocumentError;

    fn from_str(text: &str) -> Result<Self, DocumentError> {
        let rule = "64 lower-case hexadecimal digits: SHA-256 of the certificate in DER form";
        parse_hex(text).map(Self).ok_or(DocumentError::Field { document: DOCUMENT, field: "certificate_sha256", rule })
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

/// Serde through Display and FromStr, so that the rules of the parser also hold for JSON.
macro_rules! serde_as_text {
    ($($name:ty),+) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

serde_as_text!(PermitId, Fingerprint);

pub(super) fn parse_json<'a, T: Deserialize<'a>>(document: &'static str, bytes: &'a [u8]) -> Result<T, DocumentError> {
    if bytes.len() > MAX_STATEMENT_BYTES {
        return Err(DocumentError::TooLong { document, limit: MAX_STATEMENT_BYTES });
    }
    serde_json::from_slice(bytes).map_err(|cause| DocumentError::Json { document, cause })
}

/// What people read before they sign must be what they see: no control characters, none that reorder text, none that are invisible.
pub(super) fn text_rule(text: &str) -> Option<&'static str> {
    let deceives = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    if text.trim().is_empty() {
        Some("not empty")
    } else if text.chars().count() > 2000 {
        Some("at most 2000 characters")
    } else if text.contains(deceives) {
        Some("no control characters and none that hide or reorder text")
    } else {
        None
    }
}

fn check_text(field: &'static str, text: &str) -> Result<(), DocumentError> {
    text_rule(text).map_or(Ok(()), |rule| Err(DocumentError::Field { document: DOCUMENT, field, rule }))
}

fn require(holds: bool, field: &'static str, rule: &'static str) -> Result<(), DocumentError> {
    if holds { Ok(()) } else { Err(DocumentError::Field { document: DOCUMENT, field, rule }) }
}

fn all_differ<T: Ord>(items: impl IntoIterator<Item = T>) -> bool {
    let mut seen = BTreeSet::new();
    items.into_iter().all(|item| seen.insert(item))
}
