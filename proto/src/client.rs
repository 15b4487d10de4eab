//! Connecting to a linkage service with a credential.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Status};

use crate::REFUSAL_KEY;

/// Why no connection came about. No variant carries the contents of a credential.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// A file of the credential folder is missing or cannot be read.
    #[error(
        "cannot read `{path}`: {source}\nhint: a credential is a folder with ca.pem, cert.pem and key.pem, made by `linkage-service issue`"
    )]
    Credential {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Others can read the private key.
    #[error("`{path}` can be read by others\nhint: chmod 600 {path}")]
    KeyNotPrivate {
        /// The key file.
        path: PathBuf,
    },
    /// The address is not an `https://host:port`.
    #[error("`{url}` is not the address of a linkage service\nhint: write https://host:port")]
    Address {
        /// What was given.
        url: String,
    },
    /// The files of the credential do not make a TLS identity.
    #[error("the credential in `{path}` is not usable: {source}")]
    Identity {
        /// The credential folder.
        path: PathBuf,
        /// What the TLS library said.
        source: tonic::transport::Error,
    },
    /// Nobody answered, or the handshake failed.
    #[error(
        "no connection to {url}: {detail}\nhint: is the service running there, and was the credential issued by it?"
    )]
    Unreachable {
        /// The address.
        url: String,
        /// The whole chain of causes.
        detail: String,
    },
}

/// Opens a connection with mutual TLS. `credential` is a folder with `ca.pem`, `cert.pem` and `key.pem`.
///
/// The certificates of the machine are not trusted: the linkage service has its own authority, and only that counts.
///
/// # Errors
/// When the credential cannot be read or is not private, the address is not `https://…`, or nobody answers there. Note
/// that a server may refuse a client certificate only at the first call.
pub async fn connect(url: &str, credential: &Path) -> Result<Channel, ConnectError> {
    let ca = read(credential.join("ca.pem"))?;
    let certificate = read(credential.join("cert.pem"))?;
    let key = read_private(credential.join("key.pem"))?;
    if !url.starts_with("https://") {
        return Err(ConnectError::Address { url: url.to_owned() });
    }
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| ConnectError::Address { url: url.to_owned() })?;
    let tls =
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca)).identity(Identity::from_pem(certificate, key));
    endpoint
        .tls_config(tls)
        .map_err(|source| ConnectError::Identity { path: credential.to_owned(), source })?
        .connect_timeout(Duration::from_secs(10))
        .http2_keep_alive_interval(Duration::from_secs(20))
        .keep_alive_while_idle(true)
        .connect()
        .await
        .map_err(|error| ConnectError::Unreachable { url: url.to_owned(), detail: chain(&error) })
}

/// Why a call was not answered, for a person: the service's own words, or what is wrong with the connection.
pub fn explain(status: &Status) -> String {
    if status.metadata().contains_key(REFUSAL_KEY) {
        return status.message().to_owned();
    }
    match status.code() {
        Code::Unimplemented => "the service does not know this call\nhint: is it of the same version?".to_owned(),
        _ => format!(
            "the connection failed: {}\nhint: was the credential issued by this service, and is it still running?",
            chain(status)
        ),
    }
}

/// The messages of an error and its causes, from the outside in.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        // Some layers repeat what the one below them says.
        if !text.ends_with(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

fn read(path: PathBuf) -> Result<Vec<u8>, ConnectError> {
    std::fs::read(&path).map_err(|source| ConnectError::Credential { path, source })
}

fn read_private(path: PathBuf) -> Result<Vec<u8>, ConnectError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path)
            .map_err(|source| ConnectError::Credential { path: path.clone(), source })?
            .permissions()
            .mode();
        if mode & 0o077 != 0 {
            return Err(ConnectError::KeyNotPrivate { path });
        }
    }
    read(path)
}
