//! Who calls: the role in a client certificate.
//!
//! A certificate of the linkage unit's own authority carries exactly one URI among its subject alternative names, such
//! as `urn:linkage:custodian:ndb`. TLS has verified the chain before anything here is read, so the URI is what the
//! operator wrote when he issued the credential, and nothing that a caller says in a message can change it.

use std::fmt;
use std::str::FromStr;

use linkage_core::types::DatabaseId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::error::RoleError;

const PREFIX: &str = "urn:linkage:";

/// Name of a project: a lower-case letter, then up to 63 letters, digits, `_` or `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProjectId(String);

impl ProjectId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProjectId {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        let well_formed =
            text.len() <= 64 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(rest);
        if well_formed { Ok(Self(text.to_owned())) } else { Err(RoleError::ProjectName) }
    }
}

impl TryFrom<String> for ProjectId {
    type Error = RoleError;

    fn try_from(text: String) -> Result<Self, RoleError> {
        text.parse()
    }
}

impl From<ProjectId> for String {
    fn from(project: ProjectId) -> String {
        project.0
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a caller may do; one certificate has one role.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Submits and receives for one database.
    Custodian(DatabaseId),
    /// Submits and revokes permits.
    Committee,
    /// Starts the runs of one project and receives its linkage keys.
    Project(ProjectId),
    /// Keeps the service running; sees the catalogue and the runs, never a key.
    Operator,
    /// Exports the audit log.
    Auditor,
    /// Does parts of the linkage unit's runs; may call nothing.
    Worker,
    /// The linkage unit itself, when it calls its workers; issued to nobody.
    Unit,
}

impl Role {
    /// The role without its database or project, as it appears in messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Custodian(_) => "custodian",
            Self::Committee => "committee",
            Self::Project(_) => "project",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::Worker => "worker",
            Self::Unit => "unit",
        }
    }

    /// The URI that stands in the certificate.
    pub fn urn(&self) -> String {
        match self {
            Self::Custodian(database) => format!("{PREFIX}custodian:{database}"),
            Self::Project(project) => format!("{PREFIX}project:{project}"),
            Self::Committee | Self::Operator | Self::Auditor | Self::Worker | Self::Unit => {
                format!("{PREFIX}{}", self.kind())
            }
        }
    }
}

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(urn: &str) -> Result<Self, RoleError> {
        let text = urn.strip_prefix(PREFIX).ok_or(RoleError::NoRole)?;
        match text.split_once(':') {
            Some(("custodian", database)) => database.parse().map(Self::Custodian).map_err(|_| RoleError::DatabaseName),
            Some(("project", project)) => project.parse().map(Self::Project),
            None if text == "committee" => Ok(Self::Committee),
            None if text == "operator" => Ok(Self::Operator),
            None if text == "auditor" => Ok(Self::Auditor),
            None if text == "worker" => Ok(Self::Worker),
            None if text == "unit" => Ok(Self::Unit),
            _ => Err(RoleError::NoRole),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.urn()[PREFIX.len()..])
    }
}

/// An authenticated caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The role in the certificate.
    pub role: Role,
    /// The common name, for people to read; decides nothing.
    pub name: String,
    /// SHA-256 of the certificate in DER form: what permits name.
    pub fingerprint: [u8; 32],
}

impl Caller {
    /// Reads the caller from the leaf certificate that TLS has verified.
    ///
    /// # Errors
    /// When the certificate carries no role, more than one, or a malformed one.
    pub fn from_certificate(der: &[u8]) -> Result<Self, RoleError> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| RoleError::Certificate)?;
        let names = certificate.subject_alternative_name().map_err(|_| RoleError::Certificate)?;
        let mut roles =
            names.iter().flat_map(|extension| &extension.value.general_names).filter_map(|name| match name {
                GeneralName::URI(uri) if uri.starts_with(PREFIX) => Some(uri.parse::<Role>()),
                _ => None,
            });
        let role = roles.next().ok_or(RoleError::NoRole)??;
        if roles.next().is_some() {
            return Err(RoleError::SeveralRoles);
        }
        let name =
            certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok()).unwrap_or_default();
        Ok(Self { role, name: name.to_owned(), fingerprint: Sha256::digest(der).into() })
    }

    /// The fingerprint in hexadecimal.
    pub fn fingerprint_hex(&self) -> String {
        self.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_survives_its_urn() {
        for urn in [
            "urn:linkage:custodian:ndb",
            "urn:linkage:project:heart-2026",
            "urn:linkage:committee",
            "urn:linkage:operator",
            "urn:linkage:auditor",
            "urn:linkage:worker",
            "urn:linkage:unit",
        ] {
            assert_eq!(urn.parse::<Role>().unwrap().urn(), urn);
        }
    }

    #[test]
    fn what_is_not_exactly_a_role_is_none() {
        for urn in [
            "",
            "urn:linkage:",
            "urn:linkage:custodian",
            "urn:linkage:custodian:",
            "urn:linkage:custodian:NDB",
            "urn:linkage:custodian:ndb:dpc",
            "urn:linkage:committee:",
            "urn:linkage:committee:x",
            "urn:linkage:project:a b",
            "urn:linkage:root",
            "urn:other:committee",
            "URN:LINKAGE:committee",
        ] {
            assert!(urn.parse::<Role>().is_err(), "{urn}");
        }
    }
}
