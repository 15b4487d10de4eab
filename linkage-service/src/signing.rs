//! Ed25519 keys of the committee and of the service's audit log, their files, and what exactly is signed.
//!
//! Key files are PKCS#8 and SPKI in PEM, so that a committee member can make and use a key with `openssl` or a
//! hardware token and needs none of our programs. Signatures are over the DSSE pre-authentication encoding, which
//! binds the payload's type: a signature under a permit can never be replayed as one under a revocation.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::str::FromStr;

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, KeypairBytes};
use ed25519_dalek::{Signer, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::error::KeyError;

/// An Ed25519 private key: zeroised when dropped, and never printed.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// A new key from 32 bytes of randomness that `fill` writes; the caller chooses the source.
    pub fn generate(fill: impl FnOnce(&mut [u8])) -> Self {
        let mut seed = Zeroizing::new([0u8; 32]);
        fill(seed.as_mut_slice());
        Self(ed25519_dalek::SigningKey::from_bytes(&seed))
    }

    /// Reads a private key from a PKCS#8 PEM file.
    ///
    /// # Errors
    /// When the file cannot be read, when its group or others may read it, or when it holds no Ed25519 private key.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        refuse_exposed(path)?;
        let read = std::fs::read_to_string(path);
        let pem = Zeroizing::new(read.map_err(|cause| KeyError::Read { path: path.into(), cause })?);
        ed25519_dalek::SigningKey::from_pkcs8_pem(&pem)
            .map(Self)
            .map_err(|_| KeyError::NotAPrivateKey { path: path.into() })
    }

    /// Writes the key as PKCS#8 PEM into a new file of mode 0600.
    ///
    /// # Errors
    /// When the file exists already or cannot be written: an existing key is never overwritten.
    pub fn create_file(&self, path: &Path) -> Result<(), KeyError> {
        // Version 1 of PKCS#8, without the public half: OpenSSL before 3.5 does not read version 2.
        let bytes = KeypairBytes { secret_key: self.0.to_bytes(), public_key: None };
        let pem = bytes.to_pkcs8_pem(LineEnding::LF).expect("32 bytes always encode as PKCS#8");
        create_new(path, pem.as_bytes(), 0o600)
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs `payload` under `payload_type`; the same key and bytes always give the same signature.
    pub fn sign(&self, payload_type: &str, payload: &[u8]) -> [u8; 64] {
        self.0.sign(&pre_authentication_encoding(payload_type, payload)).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, private half redacted)", self.public_key().key_id())
    }
}

/// An Ed25519 public key. Weak keys, under which a signature proves nothing, are refused on parsing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads a public key from an SPKI PEM file.
    ///
    /// # Errors
    /// When the file cannot be read or holds no usable Ed25519 public key.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let pem = std::fs::read_to_string(path).map_err(|cause| KeyError::Read { path: path.into(), cause })?;
        VerifyingKey::from_public_key_pem(&pem)
            .ok()
            .filter(|key| !key.is_weak())
            .map(Self)
            .ok_or_else(|| KeyError::NotAPublicKey { path: path.into() })
    }

    /// Writes the key as SPKI PEM into a new file.
    ///
    /// # Errors
    /// When the file exists already or cannot be written.
    pub fn create_file(&self, path: &Path) -> Result<(), KeyError> {
        create_new(path, self.to_pem().as_bytes(), 0o644)
    }

    /// The key as SPKI PEM text.
    pub fn to_pem(&self) -> String {
        self.0.to_public_key_pem(LineEnding::LF).expect("32 bytes always encode as SPKI")
    }

    /// The name by which signatures point at this key: it selects a key and proves nothing.
    pub fn key_id(&self) -> KeyId {
        let hash = blake3::hash(self.0.as_bytes());
        KeyId(hash.as_bytes()[..8].try_into().expect("a BLAKE3 hash has 32 bytes"))
    }

    /// Whether `signature` is this key's over `payload` under `payload_type`, by the strict rules of RFC 8032.
    pub fn verifies(&self, payload_type: &str, payload: &[u8], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        self.0.verify_strict(&pre_authentication_encoding(payload_type, payload), &signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, self.0.as_bytes())
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bytes = parse_hex::<32>(text).ok_or(KeyError::NotAPublicKeyText)?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::NotAPublicKeyText)?;
        if key.is_weak() { Err(KeyError::NotAPublicKeyText) } else { Ok(Self(key)) }
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The first 8 bytes of the BLAKE3 hash of a public key, shown as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        parse_hex(text).map(Self).ok_or(KeyError::NotAKeyId)
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The bytes that are signed: DSSE v1's `PAE(type, payload)`.
pub fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// Lower-case hexadecimal digits only: one value has one text.
pub(crate) fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

pub(crate) fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

#[cfg(unix)]
pub(crate) fn refuse_exposed(path: &Path) -> Result<(), KeyError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = std::fs::metadata(path).map_err(|cause| KeyError::Read { path: path.into(), cause })?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 { Err(KeyError::Exposed { path: path.into(), mode }) } else { Ok(()) }
}

#[cfg(not(unix))]
pub(crate) fn refuse_exposed(_path: &Path) -> Result<(), KeyError> {
    Ok(())
}

fn create_new(path: &Path, contents: &[u8], mode: u32) -> Result<(), KeyError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let write = || {
        let mut file = options.open(path)?;
        file.write_all(contents)?;
        file.sync_all()
    };
    write().map_err(|cause| KeyError::Write { path: path.into(), cause })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::generate(|bytes| bytes.fill(seed))
    }

    #[test]
    fn a_key_survives_its_file_and_the_file_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let (secret, public) = (folder.path().join("a.key"), folder.path().join("a.pub"));
        key(1).create_file(&secret).unwrap();
        key(1).public_key().create_file(&public).unwrap();
        assert_eq!(SigningKey::load(&secret).unwrap().public_key(), PublicKey::load(&public).unwrap());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
            std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o640)).unwrap();
            assert!(matches!(SigningKey::load(&secret), Err(KeyError::Exposed { mode: 0o640, .. })));
        }
    }

    #[test]
    fn an_existing_key_file_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        key(1).create_file(&path).unwrap();
        assert!(matches!(key(2).create_file(&path), Err(KeyError::Write { .. })));
        assert_eq!(SigningKey::load(&path).unwrap().public_key(), key(1).public_key());
    }

    #[test]
    fn debug_shows_no_private_byte() {
        let secret: String = [7u8; 32].iter().map(|byte| format!("{byte:02x}")).collect();
        let shown = format!("{:?}", key(7));
        assert!(shown.contains("redacted") && !shown.contains(&secret));
    }

    #[test]
    fn a_signature_holds_for_its_payload_type_only() {
        let signature = key(1).sign("type/a", b"payload");
        let public = key(1).public_key();
        assert!(public.verifies("type/a", b"payload", &signature));
        assert!(!public.verifies("type/b", b"payload", &signature));
        assert!(!public.verifies("type/a", b"payloae", &signature));
        assert!(!key(2).public_key().verifies("type/a", b"payload", &signature));
    }

    #[test]
    fn the_encoding_is_the_one_of_the_dsse_specification() {
        // The example of the DSSE protocol document.
        let encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world");
        assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn weak_and_upper_case_public_keys_are_refused() {
        assert!("00".repeat(32).parse::<PublicKey>().is_err());
        let text = key(1).public_key().to_string();
        assert!(text.parse::<PublicKey>().is_ok());
        assert!(text.to_uppercase().parse::<PublicKey>().is_err());
    }
}
