//! The linkage secret: the key that custodians share and the linkage unit never has.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use bech32::{Bech32m, Hrp};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::error::SecretError;
use crate::schema::HashingProfile;
use crate::types::{KeyCheck, SchemaDigest};

/// What every secret's text starts with, before bech32's separator `1`.
const PREFIX: Hrp = Hrp::parse_unchecked("linkage-secret");

/// A secret file holds one line and comments; anything longer is another file.
const MAX_FILE_BYTES: u64 = 4096;

const KEY_CHECK_CONTEXT: &str = "linkage-engine 2026-11-22 linkage-secret/1 key check";

/// What a derived key is for; each use has a context of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyUse {
    /// The positions of an encoded field.
    Field,
    /// An exact token.
    ExactToken,
    /// A blocking key.
    BlockingKey,
    /// A step of hardening, named by its kind.
    Hardening,
}

/// A key that is wiped when it is dropped.
pub(crate) type Key = Zeroizing<[u8; 32]>;

/// A linkage secret of 256 bits. Wiped when dropped; Debug shows nothing of it.
pub struct LinkageSecret {
    // Boxed, so that moving the secret leaves no copies on the stack.
    bytes: Box<Key>,
}

impl LinkageSecret {
    /// A new secret from a source of randomness, which must be the operating system's outside tests:
    /// `LinkageSecret::generate(getrandom::fill)`.
    ///
    /// # Errors
    /// Whatever the source fails with.
    pub fn generate<E>(fill: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        let mut bytes = Box::new(Key::default());
        fill(bytes.as_mut_slice())?;
        Ok(Self { bytes })
    }

    /// The secret of these 32 bytes.
    pub fn from_bytes(mut bytes: [u8; 32]) -> Self {
        let secret = Self { bytes: Box::new(Zeroizing::new(bytes)) };
        bytes.zeroize();
        secret
    }

    /// Reads the text of a secret: bech32m, `linkage-secret1…`.
    ///
    /// # Errors
    /// [`SecretError`], which never quotes the text: another prefix, a character that does not belong, a checksum that
    /// does not match, or another length.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        let unchecked =
            bech32::primitives::decode::UncheckedHrpstring::new(text).map_err(|_| SecretError::NotASecret)?;
        if unchecked.hrp() != PREFIX {
            return Err(SecretError::NotASecret);
        }
        let checked = bech32::primitives::decode::CheckedHrpstring::new::<Bech32m>(text);
        let checked = checked.map_err(|_| SecretError::Checksum)?;
        let mut bytes = Box::new(Key::default());
        let mut data = checked.byte_iter();
        for byte in bytes.iter_mut() {
            *byte = data.next().ok_or(SecretError::Length)?;
        }
        let secret = Self { bytes };
        // One secret has one text: what is left over, or padding bits that are set, would make another one.
        if data.next().is_some() || !secret.danger_expose().eq_ignore_ascii_case(text) {
            return Err(SecretError::Length);
        }
        Ok(secret)
    }

    /// Loads a secret from its file.
    ///
    /// # Errors
    /// [`SecretError::Folder`] when the path is that of a folder, [`SecretError::Permissions`] when others than the owner can read the file; [`SecretError::Io`] when it cannot be
    /// read; otherwise as [`Self::parse`].
    pub fn load(path: &Path) -> Result<Self, SecretError> {
        let io = |source| SecretError::Io { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(io)?;
        // Before the permissions: nobody shall be told to change those of a folder.
        if file.metadata().map_err(io)?.is_dir() {
            return Err(SecretError::Folder { path: path.to_owned() });
        }
        refuse_open_permissions(&file, path)?;
        let not_a_secret = || SecretError::NotASecretFile { path: path.to_owned() };
        let mut text = Zeroizing::new(String::new());
        // Room for all of it at once, so that a growing buffer leaves no copy behind.
        text.reserve_exact(MAX_FILE_BYTES as usize + 1);
        let mut limited = Read::by_ref(&mut file).take(MAX_FILE_BYTES + 1);
        if let Err(e) = limited.read_to_string(&mut text) {
            return Err(if e.kind() == std::io::ErrorKind::InvalidData { not_a_secret() } else { io(e) });
        }
        if text.len() as u64 > MAX_FILE_BYTES {
            return Err(not_a_secret());
        }
        let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return Err(not_a_secret());
        };
        match Self::parse(line) {
            Err(SecretError::NotASecret) => Err(not_a_secret()),
            parsed => parsed,
        }
    }

    /// Writes the secret to a new file that only its owner can read.
    ///
    /// # Errors
    /// [`SecretError::Exists`] when there is a file of that name; a secret that is overwritten is lost for good.
    /// [`SecretError::Io`] when the file cannot be written; nothing is left of it then.
    pub fn create_file(&self, path: &Path) -> Result<(), SecretError> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::AlreadyExists => SecretError::Exists { path: path.to_owned() },
            _ => SecretError::Io { path: path.to_owned(), source },
        })?;
        let text = Zeroizing::new(format!("# key check: {}\n{}\n", self.key_check(), *self.danger_expose()));
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        written.map_err(|source| {
            // Best effort: the error of the write is the one to report.
            let _ = std::fs::remove_file(path);
            SecretError::Io { path: path.to_owned(), source }
        })
    }

    /// The public key-check value: equal for equal secrets, and useless for finding one.
    pub fn key_check(&self) -> KeyCheck {
        let key = self.derive_blake3(KEY_CHECK_CONTEXT, &[]);
        let mut check = [0; 8];
        check.copy_from_slice(&key[..8]);
        KeyCheck::from_bytes(check)
    }

    /// The text of the secret. Whoever has it can re-identify every person in every token file made with it.
    pub fn danger_expose(&self) -> Zeroizing<String> {
        let text = bech32::encode::<Bech32m>(PREFIX, self.bytes.as_slice());
        Zeroizing::new(text.expect("32 bytes and this prefix are far below the length limit of bech32m"))
    }

    /// The key of one use and name, bound to the schema: other schemas and other fields share no hash positions.
    pub(crate) fn key(&self, hashing: HashingProfile, usage: KeyUse, schema: &SchemaDigest, name: &str) -> Key {
        let parts = [&schema.as_bytes()[..], name.as_bytes()];
        match hashing {
            HashingProfile::Blake3 => self.derive_blake3(usage.context(), &parts),
            HashingProfile::HmacSha256 => self.derive_hmac(usage.context(), &parts),
        }
    }

    /// NIST SP 800-108 in counter mode with HMAC-SHA-256, one block: the context is the label, the parts, each with its
    /// length before it, are the context.
    fn derive_hmac(&self, context: &str, parts: &[&[u8]]) -> Key {
        let mut mac: Hmac<Sha256> = Hmac::new_from_slice(&self.bytes[..]).expect("HMAC takes keys of any length");
        mac.update(&1u32.to_be_bytes());
        mac.update(context.as_bytes());
        mac.update(&[0]);
        for part in parts {
            mac.update(&(part.len() as u32).to_le_bytes());
            mac.update(part);
        }
        mac.update(&256u32.to_be_bytes());
        let mut block = mac.finalize().into_bytes();
        let key = Zeroizing::new(block.into());
        block.as_mut_slice().zeroize();
        key
    }

    /// BLAKE3 derive_key over the secret and the parts, each with its length before it so that no two lists collide.
    fn derive_blake3(&self, context: &str, parts: &[&[u8]]) -> Key {
        let mut hasher = blake3::Hasher::new_derive_key(context);
        for part in std::iter::once(&self.bytes[..]).chain(parts.iter().copied()) {
            hasher.update(&(part.len() as u32).to_le_bytes());
            hasher.update(part);
        }
        let mut hash = hasher.finalize();
        let key = Zeroizing::new(*hash.as_bytes());
        hash.zeroize();
        hasher.zeroize();
        key
    }
}

impl KeyUse {
    fn context(self) -> &'static str {
        match self {
            Self::Field => "linkage-engine 2026-11-22 encoding/1 field key",
            Self::ExactToken => "linkage-engine 2026-11-22 encoding/1 exact token key",
            Self::BlockingKey => "linkage-engine 2026-11-22 encoding/1 blocking key",
            Self::Hardening => "linkage-engine 2026-11-22 encoding/1 hardening key",
        }
    }
}

impl fmt::Debug for LinkageSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkageSecret(..)")
    }
}

/// Looks at the open file, not at the path, so that nobody can swap it in between.
#[cfg(unix)]
fn refuse_open_permissions(file: &File, path: &Path) -> Result<(), SecretError> {
    let metadata = file.metadata().map_err(|source| SecretError::Io { path: path.to_owned(), source })?;
    let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
    if mode & 0o077 != 0 {
        return Err(SecretError::Permissions { path: path.to_owned(), mode });
    }
    Ok(())
}

/// Without Unix permissions there is nothing to look at.
#[cfg(not(unix))]
fn refuse_open_permissions(_: &File, _: &Path) -> Result<(), SecretError> {
    Ok(())
}

#[cfg(test)]
mod tests;
