//! Record refs: the handles by which a custodian knows its rows again, and nobody else does.
//!
//! The site key is an age identity that never leaves the site. A copy of every token file is sealed to it, so that the
//! custodian can inspect what it sent, and the key of the record refs is derived from it. The key differs per database:
//! two files of one site cannot be matched on their refs.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::str::FromStr;

use age::secrecy::ExposeSecret;
use anyhow::{anyhow, bail};
use linkage_core::types::{DatabaseId, RecordRef};
use zeroize::Zeroizing;

use crate::output::at;
use crate::sort::SpillKey;

const REF_KEY_CONTEXT: &str = "linkage-engine 2026-11-22 custodian/1 record ref key";

/// A site key file holds one line and comments.
const MAX_FILE_BYTES: u64 = 4096;

/// The key of one site. Debug shows nothing of it.
pub struct SiteKey {
    identity: age::x25519::Identity,
}

impl SiteKey {
    /// A new key, from the operating system's randomness.
    pub fn generate() -> Self {
        Self { identity: age::x25519::Identity::generate() }
    }

    /// Loads a key from its file.
    ///
    /// # Errors
    /// When the file cannot be read, can be read by others than its owner, or holds no age identity. The message has a
    /// hint and nothing of the file's contents.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).map_err(|error| at(path, error))?;
        refuse_open_permissions(&file, path, "site key")?;
        let mut text = Zeroizing::new(String::with_capacity(MAX_FILE_BYTES as usize + 1));
        let not_a_key = || at(path, "not a site key\nhint: `custodian site-key -o FILE` makes one");
        file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(|_| not_a_key())?;
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        match (lines.next().map(age::x25519::Identity::from_str), lines.next()) {
            (Some(Ok(identity)), None) => Ok(Self { identity }),
            _ => Err(not_a_key()),
        }
    }

    /// Writes the key to a new file that only its owner can read.
    ///
    /// # Errors
    /// When there is a file of that name already, or it cannot be written; nothing is left of it then.
    pub fn create_file(&self, path: &Path) -> anyhow::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                at(path, "there is a file of this name\nhint: whoever loses a site key cannot map results back; move it away first")
            }
            _ => at(path, error),
        })?;
        let text = Zeroizing::new(format!(
            "# site key: keep it; without it no result can be mapped back\n# public key: {}\n{}\n",
            self.recipient(),
            self.identity.to_string().expose_secret()
        ));
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| {
            // Best effort: the error of the write is the one to report.
            let _ = std::fs::remove_file(path);
            at(path, error)
        })
    }

    /// The identity that opens what was sealed to this site.
    pub fn identity(&self) -> &age::x25519::Identity {
        &self.identity
    }

    /// The recipient to seal to.
    pub fn recipient(&self) -> age::x25519::Recipient {
        self.identity.to_public()
    }

    /// The record refs of one database of this site.
    pub fn refs(&self, database: &DatabaseId) -> RecordRefs {
        let mut hasher = blake3::Hasher::new_derive_key(REF_KEY_CONTEXT);
        let identity = self.identity.to_string();
        for part in [identity.expose_secret().as_bytes(), database.as_str().as_bytes()] {
            hasher.update(&(part.len() as u32).to_le_bytes());
            hasher.update(part);
        }
        RecordRefs { key: Zeroizing::new(*hasher.finalize().as_bytes()) }
    }
}

impl fmt::Debug for SiteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SiteKey(..)")
    }
}

/// What identifies a row within its database.
#[derive(Clone, Copy)]
pub enum RecordId<'a> {
    /// The value of the id column; spaces around it do not count.
    Column(&'a str),
    /// The number of the row in its file, where the header is row 1, when there is no id column.
    Row(u64),
}

/// The record refs of one database.
pub struct RecordRefs {
    key: Zeroizing<[u8; 32]>,
}

impl RecordRefs {
    /// The key of a run in a work folder: nobody without the site key can read it.
    pub(crate) fn spill_key(&self, nonce: &[u8; 16]) -> SpillKey {
        Zeroizing::new(*blake3::keyed_hash(&self.key, &[&b"spill run"[..], nonce].concat()).as_bytes())
    }

    /// A hasher for what a work folder states about the extract and the job; without the key it tells nothing.
    pub(crate) fn work_hasher(&self) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(b"work folder");
        hasher
    }
}

impl fmt::Debug for RecordRefs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordRefs(..)")
    }
}

/// The record ref of a row: keyed BLAKE3 of its id, cut to 128 bits.
pub fn record_ref(refs: &RecordRefs, id: RecordId<'_>) -> RecordRef {
    let hash = match id {
        RecordId::Column(id) => keyed(&refs.key, b"id", trim_id(id).as_bytes()),
        RecordId::Row(row) => keyed(&refs.key, b"row", &row.to_le_bytes()),
    };
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_bytes()[..16]);
    RecordRef(bytes)
}

/// Keyed BLAKE3 of two parts. Hashing one slice is quicker than a hasher, whose state takes two kilobytes; a short one
/// needs no memory of its own.
fn keyed(key: &[u8; 32], tag: &[u8], id: &[u8]) -> blake3::Hash {
    let mut short = [0; 64];
    match short.get_mut(..tag.len() + id.len()) {
        Some(message) => {
            message[..tag.len()].copy_from_slice(tag);
            message[tag.len()..].copy_from_slice(id);
            blake3::keyed_hash(key, message)
        }
        None => blake3::keyed_hash(key, &[tag, id].concat()),
    }
}

/// A record id without the spaces around it, of any width.
pub(crate) fn trim_id(id: &str) -> &str {
    // Nearly all begin and end with a letter or digit.
    let ends = [id.as_bytes().first(), id.as_bytes().last()];
    if ends.iter().all(|end| end.is_some_and(u8::is_ascii_graphic)) { id } else { id.trim() }
}

/// Reads the linkage unit's public key: a file with one `age1…` line.
///
/// # Errors
/// When the file cannot be read or holds anything else.
pub(crate) fn load_recipient(path: &Path) -> anyhow::Result<age::x25519::Recipient> {
    let text = std::fs::read_to_string(path).map_err(|error| at(path, error))?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    match (lines.next().map(age::x25519::Recipient::from_str), lines.next()) {
        (Some(Ok(recipient)), None) => Ok(recipient),
        _ => bail!(
            "{}",
            at(
                path,
                "not the public key of a linkage unit\nhint: it is one line that begins with `age1`; ask the linkage unit for it"
            )
        ),
    }
}

/// Looks at the open file, not at the path, so that nobody can swap it in between.
#[cfg(unix)]
pub(crate) fn refuse_open_permissions(file: &File, path: &Path, what: &str) -> anyhow::Result<()> {
    let metadata = file.metadata().map_err(|error| at(path, error))?;
    // Nobody shall be told to change the permissions of a folder.
    if metadata.is_dir() {
        return Err(at(path, format!("a folder, not a file\nhint: name the file of the {what}")));
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
    if mode & 0o077 != 0 {
        return Err(anyhow!(
            "`{0}`: others can read this {what} (mode {mode:03o})\nhint: chmod 600 {0}",
            path.display()
        ));
    }
    Ok(())
}

/// Without Unix permissions there is nothing to look at.
#[cfg(not(unix))]
pub(crate) fn refuse_open_permissions(_: &File, _: &Path, _: &str) -> anyhow::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> &'static SiteKey {
        static KEY: std::sync::LazyLock<SiteKey> = std::sync::LazyLock::new(SiteKey::generate);
        &KEY
    }

    #[test]
    fn a_ref_depends_on_the_key_the_database_and_the_id_alone() {
        let (ndb, dpc) = ("ndb".parse().unwrap(), "dpc".parse().unwrap());
        let refs = key().refs(&ndb);
        let one = record_ref(&refs, RecordId::Column("1"));
        assert_eq!(one, record_ref(&key().refs(&ndb), RecordId::Column("\u{3000}1 ")));
        for other in [
            record_ref(&refs, RecordId::Column("2")),
            record_ref(&refs, RecordId::Row(1)),
            record_ref(&key().refs(&dpc), RecordId::Column("1")),
            record_ref(&SiteKey::generate().refs(&ndb), RecordId::Column("1")),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn a_key_survives_its_file_and_debug_shows_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        key().create_file(&path).unwrap();
        assert_eq!(SiteKey::load(&path).unwrap().recipient().to_string(), key().recipient().to_string());
        assert!(key().create_file(&path).unwrap_err().to_string().contains("hint: "));
        assert_eq!(format!("{:?} {:?}", key(), key().refs(&"ndb".parse().unwrap())), "SiteKey(..) RecordRefs(..)");
    }
}
