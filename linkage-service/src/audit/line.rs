//! The lines of an exported log: what is hashed, what is signed, and their one canonical spelling.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::entry::{Entry, Label};
use super::fault::FaultKind;
use crate::signing::{KeyId, PublicKey, SigningKey, parse_hex};

/// The payload type under which checkpoints are signed.
pub const CHECKPOINT_TYPE: &str = "application/vnd.linkage.audit-checkpoint+json";

/// What the first line of a log says.
pub(super) const FORMAT: &str = "audit-log/1";

/// Domain of the line hash, so that no other BLAKE3 value of ours can stand for one.
const HASH_CONTEXT: &str = "linkage-service audit-log/1 line";

/// `,"hash":"` … `"}`: every line ends so, and the hash covers what stands before.
const SUFFIX_LEN: usize = 9 + 64 + 2;

/// What the service states at a checkpoint: where the log stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The name of the log.
    pub origin: Label,
    /// The number of the last line covered.
    pub covers: u64,
    /// The hash of that line, in hexadecimal.
    pub head: String,
    /// When it was signed.
    #[serde(with = "instant")]
    pub time: OffsetDateTime,
}

/// A line without its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Body {
    Log(LogBody),
    Entry(EntryBody),
    Checkpoint(CheckpointBody),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogBody {
    pub seq: u64,
    pub log: LogStart,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogStart {
    pub format: String,
    pub origin: Label,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryBody {
    pub seq: u64,
    #[serde(with = "instant")]
    pub time: OffsetDateTime,
    pub entry: Entry,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckpointBody {
    pub seq: u64,
    pub checkpoint: Checkpoint,
    pub keyid: KeyId,
    pub sig: String,
}

/// A line as it was read: its body in canonical spelling, and the hash that it claims.
pub(super) struct Line<'a> {
    pub body: Body,
    pub hash: [u8; 32],
    hashed: &'a [u8],
}

impl Body {
    pub(super) fn seq(&self) -> u64 {
        match self {
            Self::Log(LogBody { seq, .. })
            | Self::Entry(EntryBody { seq, .. })
            | Self::Checkpoint(CheckpointBody { seq, .. }) => *seq,
        }
    }

    /// The whole line after `previous`, and its hash.
    pub(super) fn seal(&self, previous: &[u8; 32]) -> (String, [u8; 32]) {
        let mut line = serde_json::to_string(self).expect("a line has only text keys");
        line.pop();
        let hash = line_hash(previous, line.as_bytes());
        line.push_str(&format!(",\"hash\":\"{}\"}}", hex(&hash)));
        (line, hash)
    }
}

impl<'a> Line<'a> {
    /// Reads a line, without its line feed; `None` when it is anything but the canonical spelling of a line.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (hashed, suffix) = bytes.split_at(bytes.len().checked_sub(SUFFIX_LEN)?);
        let hash = suffix.strip_prefix(b",\"hash\":\"")?.strip_suffix(b"\"}")?;
        let hash = parse_hex(std::str::from_utf8(hash).ok()?)?;
        let text = [hashed, b"}"].concat();
        let body: Body = serde_json::from_slice(&text).ok()?;
        let canonical = serde_json::to_vec(&body).ok()? == text;
        canonical.then_some(Self { body, hash, hashed })
    }

    /// Whether the claimed hash is the one of this line after `previous`.
    pub(super) fn follows(&self, previous: &[u8; 32]) -> bool {
        line_hash(previous, self.hashed) == self.hash
    }
}

impl Checkpoint {
    pub(super) fn sign(self, seq: u64, key: &SigningKey) -> CheckpointBody {
        let sig = STANDARD.encode(key.sign(CHECKPOINT_TYPE, &self.signed_bytes()));
        CheckpointBody { seq, checkpoint: self, keyid: key.public_key().key_id(), sig }
    }

    /// Reads a checkpoint that an auditor kept: one line of an export, whose signature must hold.
    ///
    /// # Errors
    /// When the line is no checkpoint, or was not signed with `key`.
    pub fn parse_line(line: &[u8], key: &PublicKey) -> Result<Self, FaultKind> {
        match Line::parse(line.trim_ascii_end()) {
            Some(Line { body: Body::Checkpoint(body), .. }) => body.verify(key).map(|()| body.checkpoint),
            _ => Err(FaultKind::Unreadable),
        }
    }

    fn signed_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a checkpoint has only text keys")
    }
}

impl CheckpointBody {
    pub(super) fn verify(&self, key: &PublicKey) -> Result<(), FaultKind> {
        if self.keyid != key.key_id() {
            return Err(FaultKind::WrongKey);
        }
        let signature = STANDARD.decode(&self.sig).ok().and_then(|bytes| bytes.try_into().ok());
        let holds = signature.is_some_and(|s| key.verifies(CHECKPOINT_TYPE, &self.checkpoint.signed_bytes(), &s));
        if holds { Ok(()) } else { Err(FaultKind::BadCheckpointSignature) }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn line_hash(previous: &[u8; 32], hashed: &[u8]) -> [u8; 32] {
    *blake3::Hasher::new_derive_key(HASH_CONTEXT).update(previous).update(hashed).finalize().as_bytes()
}

/// RFC 3339 in UTC with exactly six decimals: one instant has one spelling.
pub(super) mod instant {
    use serde::{Deserialize, Deserializer, Serializer};
    use time::format_description::BorrowedFormatItem;
    use time::macros::format_description;
    use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset};

    const FORMAT: &[BorrowedFormatItem<'static>] =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

    pub(in crate::audit) fn serialize<S: Serializer>(time: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
        let text = time.to_offset(UtcOffset::UTC).format(FORMAT).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&text)
    }

    pub(in crate::audit) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<OffsetDateTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = PrimitiveDateTime::parse(&text, FORMAT).map_err(serde::de::Error::custom)?;
        Ok(time.assume_utc())
    }
}
