//! Keyed 128-bit values that are compared by equality alone: exact tokens and blocking keys (docs/spec/encoding.md, §6).

use super::hash::short_hash;
use super::part;
use crate::normalise::WILDCARD;
use crate::schema::{BlockingPart, ExactComponent, HashingProfile};
use crate::secret::Key;

pub(super) struct ExactPlan {
    pub(super) hashing: HashingProfile,
    pub(super) key: Key,
    pub(super) components: Vec<ExactComponent>,
}

pub(super) struct BlockingPlan {
    pub(super) hashing: HashingProfile,
    pub(super) key: Key,
    pub(super) parts: Vec<BlockingPart>,
}

impl ExactPlan {
    /// The exact token of a record; `message` is room to work in.
    pub(super) fn encode<S: AsRef<str>>(&self, record: &[Option<S>], message: &mut Vec<u8>) -> Option<[u8; 16]> {
        message.clear();
        for component in &self.components {
            match record[component.field()].as_ref().map(AsRef::as_ref).filter(|value: &&str| !value.is_empty()) {
                // What cannot be read is neither equal nor absent.
                Some(value) if value.contains(WILDCARD) => return None,
                Some(value) => push(value, message),
                None if component.optional() => message.push(0),
                None => return None,
            }
        }
        Some(short_hash(self.hashing, &self.key, message))
    }
}

impl BlockingPlan {
    /// The blocking key of a record; `message` is room to work in.
    pub(super) fn encode<S: AsRef<str>>(&self, record: &[Option<S>], message: &mut Vec<u8>) -> Option<[u8; 16]> {
        message.clear();
        for part in &self.parts {
            let value = record[part.field()].as_ref().map(AsRef::as_ref).unwrap_or_default();
            push(&part::take(part.take(), value)?, message);
        }
        Some(short_hash(self.hashing, &self.key, message))
    }
}

/// Appends a value with its length before it, so that no two lists of values make one message.
fn push(value: &str, message: &mut Vec<u8>) {
    message.push(1);
    message.extend_from_slice(&(value.len() as u32).to_le_bytes());
    message.extend_from_slice(value.as_bytes());
}
