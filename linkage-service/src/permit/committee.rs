//! The review committee: whose signatures count, and how many of them a decision takes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::envelope::Envelope;
use super::refusal::Refusal;
use super::statement::{parse_json, text_rule};
use crate::error::DocumentError;
use crate::signing::{KeyId, PublicKey};

const DOCUMENT: &str = "committee";

/// The members whose signatures count, and the number that makes a decision (`committee/1`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committee {
    threshold: usize,
    members: Vec<CommitteeMember>,
    by_key: BTreeMap<KeyId, usize>,
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitteeMember {
    /// For people to read.
    pub name: String,
    /// Verifies the member's signatures.
    pub public_key: PublicKey,
}

/// Who signed, once the committee's threshold is met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endorsement {
    /// Names and keys of the members whose signatures hold, each once, in the committee's order.
    pub signers: Vec<(String, KeyId)>,
    /// Key ids of signatures that nobody in the committee could have made; they count for nothing. What is no key id
    /// at all is `None`: it is a stranger's text, and stays out of logs.
    pub unknown: Vec<Option<KeyId>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CommitteeJson {
    format: String,
    threshold: usize,
    members: Vec<CommitteeMember>,
}

impl Committee {
    /// A committee in which `threshold` distinct members decide.
    ///
    /// # Errors
    /// When the threshold is 0 or above the number of members, or two members share a name or a key.
    pub fn new(threshold: usize, members: Vec<CommitteeMember>) -> Result<Self, DocumentError> {
        let field = |field, rule| Err(DocumentError::Field { document: DOCUMENT, field, rule });
        if threshold == 0 || threshold > members.len() {
            return field("threshold", "at least 1 and at most the number of members");
        }
        if let Some(rule) = members.iter().find_map(|member| text_rule(&member.name)) {
            return field("members.name", rule);
        }
        if members.iter().map(|member| &member.name).collect::<BTreeSet<_>>().len() < members.len() {
            return field("members.name", "each name once");
        }
        let by_key: BTreeMap<_, _> = members.iter().enumerate().map(|(i, m)| (m.public_key.key_id(), i)).collect();
        if by_key.len() < members.len() {
            return field("members.public_key", "each key once: two seats with one key would be one person's decision");
        }
        Ok(Self { threshold, members, by_key })
    }

    /// Parses `committee.json`.
    ///
    /// # Errors
    /// When the bytes are not of that shape, or break a rule of [`Committee::new`].
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let json: CommitteeJson = parse_json(DOCUMENT, bytes)?;
        if json.format != "committee/1" {
            let rule = "this program reads `committee/1`";
            return Err(DocumentError::Field { document: DOCUMENT, field: "format", rule });
        }
        Self::new(json.threshold, json.members)
    }

    /// The JSON form.
    pub fn to_json(&self) -> Vec<u8> {
        let json = CommitteeJson {
            format: "committee/1".to_owned(),
            threshold: self.threshold,
            members: self.members.clone(),
        };
        let mut bytes = serde_json::to_vec_pretty(&json).expect("a committee has only text keys");
        bytes.push(b'\n');
        bytes
    }

    /// How many members decide.
    pub fn threshold(&self) -> usize {
        self.threshold
    }

    /// All members.
    pub fn members(&self) -> &[CommitteeMember] {
        &self.members
    }

    /// Whether enough members signed exactly these bytes as a statement of this type.
    ///
    /// # Errors
    /// [`Refusal::WrongType`], [`Refusal::Altered`] when a signature in a member's name does not hold (even if others
    /// would suffice: somebody tampered), [`Refusal::UnknownSigner`] or [`Refusal::UnderSigned`] when too few remain.
    pub fn verify(&self, envelope: &Envelope, payload_type: &'static str) -> Result<Endorsement, Refusal> {
        if envelope.payload_type() != payload_type {
            return Err(Refusal::WrongType { expected: payload_type });
        }
        let mut seats = BTreeSet::new();
        let mut unknown = Vec::new();
        for claim in envelope.signatures() {
            let key_id = claim.key_id.parse::<KeyId>().ok();
            let Some(&seat) = key_id.and_then(|key_id| self.by_key.get(&key_id)) else {
                unknown.push(key_id);
                continue;
            };
            let member = &self.members[seat];
            if !member.public_key.verifies(payload_type, envelope.payload(), &claim.signature) {
                return Err(Refusal::Altered { signer: member.name.clone() });
            }
            seats.insert(seat);
        }
        let (have, need) = (seats.len(), self.threshold);
        if have < need {
            let unknown_signers = unknown.len();
            return Err(match unknown_signers {
                0 => Refusal::UnderSigned { have, need },
                _ => Refusal::UnknownSigner { have, need, unknown_signers },
            });
        }
        let signer = |seat: usize| (self.members[seat].name.clone(), self.members[seat].public_key.key_id());
        Ok(Endorsement { signers: seats.into_iter().map(signer).collect(), unknown })
    }
}
