//! The linkage unit's certificate authority: who may connect at all.
//!
//! The authority is private to one unit. A credential is a folder with three files, made here and handed over once; the
//! service keeps no copy of its private key.

use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use crate::error::SetupError;
use crate::role::Role;
use crate::signing::refuse_exposed;

/// How long a credential is good for.
const CREDENTIAL_DAYS: i64 = 398;
/// How long the authority and the server's own certificate are good for.
const AUTHORITY_DAYS: i64 = 3650;

/// The unit's authority, opened for signing.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
}

/// A certificate and its private key, in PEM.
pub struct Identity {
    /// The certificate.
    pub certificate_pem: String,
    /// The private key; for a file of mode 0600 only.
    pub key_pem: String,
}

impl Authority {
    /// Makes a new authority in `unit`: `ca.pem` and `ca.key` (0600).
    ///
    /// # Errors
    /// When the files exist or cannot be written.
    pub fn create(unit: &Path, now: OffsetDateTime) -> Result<Self, SetupError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "linkage unit authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        (params.not_before, params.not_after) = validity(now, AUTHORITY_DAYS);
        let certificate_pem = params.self_signed(&key)?.pem();
        write_private(&unit.join("ca.key"), key.serialize_pem().as_bytes())?;
        write_public(&unit.join("ca.pem"), certificate_pem.as_bytes())?;
        Ok(Self { issuer: Issuer::new(params, key), certificate_pem })
    }

    /// Opens the authority of `unit`.
    ///
    /// # Errors
    /// When its files are missing or damaged.
    pub fn open(unit: &Path) -> Result<Self, SetupError> {
        let certificate_pem = read(&unit.join("ca.pem"))?;
        let key = KeyPair::from_pem(&read_private(&unit.join("ca.key"))?)?;
        let issuer = Issuer::from_ca_cert_pem(&certificate_pem, key)?;
        Ok(Self { issuer, certificate_pem })
    }

    /// The certificate that both sides trust, in PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// A certificate for the server under the names and addresses by which clients reach it.
    ///
    /// # Errors
    /// When a host is neither a DNS name nor an address.
    pub fn issue_server(&self, hosts: &[String], now: OffsetDateTime) -> Result<Identity, SetupError> {
        let mut params = leaf("linkage service", now, AUTHORITY_DAYS);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.subject_alt_names = host_names(hosts)?;
        self.sign(params)
    }

    /// A certificate for a worker under the names and addresses by which the linkage unit reaches it. It serves with it
    /// and can call nobody.
    ///
    /// # Errors
    /// When a host is neither a DNS name nor an address.
    pub fn issue_worker(&self, hosts: &[String], name: &str, now: OffsetDateTime) -> Result<Identity, SetupError> {
        let mut params = leaf(name, now, CREDENTIAL_DAYS);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.subject_alt_names = host_names(hosts)?;
        params.subject_alt_names.push(SanType::URI(Role::Worker.urn().as_str().try_into()?));
        self.sign(params)
    }

    /// A client certificate for one role. `name` is for people to read.
    ///
    /// # Errors
    /// When signing fails.
    pub fn issue_client(&self, role: &Role, name: &str, now: OffsetDateTime) -> Result<Identity, SetupError> {
        let mut params = leaf(name, now, CREDENTIAL_DAYS);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names.push(SanType::URI(role.urn().as_str().try_into()?));
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Result<Identity, SetupError> {
        let key = KeyPair::generate()?;
        let certificate_pem = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Identity { certificate_pem, key_pem: key.serialize_pem() })
    }
}

impl Identity {
    /// Writes a credential folder: `ca.pem`, `cert.pem` and `key.pem` (0600).
    ///
    /// # Errors
    /// When the folder exists already or cannot be written.
    pub fn write_credential(&self, authority: &Authority, folder: &Path) -> Result<(), SetupError> {
        create_folder(folder)?;
        write_private(&folder.join("key.pem"), self.key_pem.as_bytes())?;
        write_public(&folder.join("cert.pem"), self.certificate_pem.as_bytes())?;
        write_public(&folder.join("ca.pem"), authority.certificate_pem.as_bytes())
    }
}

/// Makes a folder of mode 0700 that must not exist yet or be empty.
///
/// # Errors
/// When it holds something already, or cannot be made.
pub fn create_folder(folder: &Path) -> Result<(), SetupError> {
    let failed = |source| SetupError::File { path: folder.to_owned(), source };
    fs::create_dir_all(folder).map_err(failed)?;
    if fs::read_dir(folder).map_err(failed)?.next().is_some() {
        return Err(SetupError::NotEmpty { path: folder.to_owned() });
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(failed)?;
    }
    Ok(())
}

/// Writes a new file that its owner alone can read.
///
/// # Errors
/// When the file exists already or cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), SetupError> {
    write_new(path, bytes, 0o600)
}

/// Writes a new file that may be handed around.
///
/// # Errors
/// When the file exists already or cannot be written.
pub fn write_public(path: &Path, bytes: &[u8]) -> Result<(), SetupError> {
    write_new(path, bytes, 0o644)
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), SetupError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(mode);
    }
    #[cfg(not(unix))]
    let _ = mode;
    options
        .open(path)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(|source| SetupError::File { path: path.to_owned(), source })
}

/// Reads a text file of the unit.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path) -> Result<String, SetupError> {
    fs::read_to_string(path).map_err(|source| SetupError::File { path: path.to_owned(), source })
}

/// Reads a secret file of the unit, which nobody but its owner may be able to read.
///
/// # Errors
/// When it cannot be read, or others can read it too.
pub fn read_private(path: &Path) -> Result<Zeroizing<String>, SetupError> {
    refuse_exposed(path)?;
    read(path).map(Zeroizing::new)
}

fn host_names(hosts: &[String]) -> Result<Vec<SanType>, SetupError> {
    let names = hosts.iter().map(|host| match host.parse::<IpAddr>() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) => Ok(SanType::DnsName(host.as_str().try_into()?)),
    });
    names.collect()
}

fn leaf(name: &str, now: OffsetDateTime, days: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = validity(now, days);
    params
}

/// From an hour ago, because clocks of two sites differ.
fn validity(now: OffsetDateTime, days: i64) -> (OffsetDateTime, OffsetDateTime) {
    (now - Duration::hours(1), now + Duration::days(days))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::Caller;

    #[test]
    fn a_credential_names_its_role_and_keeps_its_key_to_itself() {
        let unit = tempfile::tempdir().unwrap();
        let now = OffsetDateTime::now_utc();
        Authority::create(unit.path(), now).unwrap();
        let authority = Authority::open(unit.path()).unwrap();
        let role: Role = "urn:linkage:custodian:ndb".parse().unwrap();
        let folder = unit.path().join("ndb");
        let identity = authority.issue_client(&role, "NDB section", now).unwrap();
        identity.write_credential(&authority, &folder).unwrap();
        let (_, pem) = x509_parser::pem::parse_x509_pem(identity.certificate_pem.as_bytes()).unwrap();
        let caller = Caller::from_certificate(&pem.contents).unwrap();
        assert_eq!((caller.role, caller.name.as_str()), (role, "NDB section"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            for private in [unit.path().join("ca.key"), folder.join("key.pem")] {
                assert_eq!(fs::metadata(private).unwrap().permissions().mode() & 0o077, 0);
            }
        }
        assert!(matches!(identity.write_credential(&authority, &folder), Err(SetupError::NotEmpty { .. })));
    }
}
