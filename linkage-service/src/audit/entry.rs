//! What one entry of the audit log can say.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use linkage_core::types::DatabaseId;
use serde::{Deserialize, Serialize};

use crate::error::LabelError;
use crate::permit::{PermitId, Refusal};
use crate::role::{Caller, ProjectId};
use crate::signing::{parse_hex, write_hex};

/// 1 to 128 characters of `a-z 0-9 . _ : / -`: ids, codes, digests in hexadecimal.
///
/// No kana, no kanji, no capital, no space: a name as it stands in an extract, or a linkage key, does not fit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(Cow<'static, str>);

/// One thing that somebody did or was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Who.
    pub actor: Actor,
    /// What: `run.start`, `permit.submit` …
    pub action: Label,
    /// To what: `permit:heart-2026`, `database:ndb` …
    pub object: Label,
    /// Whether it was allowed.
    pub outcome: Outcome,
    /// More facts, each a label or a count.
    pub detail: BTreeMap<Label, Detail>,
}

/// Who acted: read from the client certificate, never from a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    role: Label,
    name: ActorName,
    certificate: Option<ShortFingerprint>,
}

/// Allowed, or refused by a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was done.
    Allowed,
    /// It was refused; the code of the rule.
    Refused(Label),
}

/// The value of a further fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Detail {
    /// How many.
    Count(u64),
    /// An id, a code or a digest.
    Label(Label),
}

/// The common name of a certificate, cut to 64 characters that show as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct ActorName(String);

/// The first 8 bytes of a certificate's SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct ShortFingerprint([u8; 8]);

impl Entry {
    /// An entry without further facts.
    pub fn new(actor: Actor, action: Label, object: Label, outcome: Outcome) -> Self {
        Self { actor, action, object, outcome, detail: BTreeMap::new() }
    }

    /// Adds a fact.
    pub fn with(mut self, name: Label, value: impl Into<Detail>) -> Self {
        self.detail.insert(name, value.into());
        self
    }
}

impl Actor {
    /// The caller of a request.
    pub fn caller(caller: &Caller) -> Self {
        let role = Label::from_str(&caller.role.to_string());
        let certificate = caller.fingerprint[..8].try_into().expect("a SHA-256 has 32 bytes");
        Self {
            role: role.expect("roles, databases and projects are made of the characters of labels"),
            name: ActorName::shown(&caller.name),
            certificate: Some(ShortFingerprint(certificate)),
        }
    }

    /// The service itself: starts, expiries, checkpoints of its own accord.
    pub fn service() -> Self {
        Self { role: Label::fixed("service"), name: ActorName(String::new()), certificate: None }
    }
}

impl Label {
    /// A label that stands in the program text.
    ///
    /// # Panics
    /// When `text` is no label; in a `const` that is a compile error.
    pub const fn fixed(text: &'static str) -> Self {
        assert!(is_label(text), "labels are 1 to 128 characters of a-z 0-9 . _ : / -");
        Self(Cow::Borrowed(text))
    }

    /// `kind:id`.
    ///
    /// # Errors
    /// When the two do not make a label.
    pub fn object(kind: &str, id: impl fmt::Display) -> Result<Self, LabelError> {
        format!("{kind}:{id}").parse()
    }

    /// Lower-case hexadecimal of a digest of up to 64 bytes; a longer one is cut.
    pub fn hex(digest: &[u8]) -> Self {
        Self(Cow::Owned(digest.iter().take(64).map(|byte| format!("{byte:02x}")).collect()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        if !matches!(bytes[i], b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b':' | b'/' | b'-') {
            return false;
        }
        i += 1;
    }
    !bytes.is_empty() && bytes.len() <= 128
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for Label {
    type Error = LabelError;

    fn try_from(text: String) -> Result<Self, LabelError> {
        if is_label(&text) { Ok(Self(Cow::Owned(text))) } else { Err(LabelError) }
    }
}

impl From<Label> for String {
    fn from(label: Label) -> String {
        label.0.into_owned()
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&DatabaseId> for Label {
    fn from(id: &DatabaseId) -> Self {
        id.as_str().parse().expect("database ids are made of the characters of labels")
    }
}

impl From<&ProjectId> for Label {
    fn from(id: &ProjectId) -> Self {
        id.as_str().parse().expect("project ids are made of the characters of labels")
    }
}

impl From<&PermitId> for Label {
    fn from(id: &PermitId) -> Self {
        id.as_str().parse().expect("permit ids are made of the characters of labels")
    }
}

impl From<&Refusal> for Outcome {
    fn from(refusal: &Refusal) -> Self {
        Self::Refused(Label::fixed(refusal.code()))
    }
}

impl From<Label> for Detail {
    fn from(label: Label) -> Self {
        Self::Label(label)
    }
}

impl From<u64> for Detail {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl ActorName {
    /// What of a common name is shown: a certificate's text must not forge the look of a log.
    fn shown(name: &str) -> Self {
        Self(name.chars().filter(|c| shows(*c)).take(64).collect())
    }
}

fn shows(c: char) -> bool {
    c == ' ' || c.is_alphanumeric() || (c.is_ascii_punctuation() && c != '"' && c != '\\')
}

impl TryFrom<String> for ActorName {
    type Error = LabelError;

    fn try_from(text: String) -> Result<Self, LabelError> {
        if text.chars().all(shows) && text.chars().count() <= 64 { Ok(Self(text)) } else { Err(LabelError) }
    }
}

impl From<ActorName> for String {
    fn from(name: ActorName) -> String {
        name.0
    }
}

impl TryFrom<String> for ShortFingerprint {
    type Error = LabelError;

    fn try_from(text: String) -> Result<Self, LabelError> {
        parse_hex(&text).map(Self).ok_or(LabelError)
    }
}

impl From<ShortFingerprint> for String {
    fn from(fingerprint: ShortFingerprint) -> String {
        fingerprint.to_string()
    }
}

impl fmt::Display for ShortFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}
