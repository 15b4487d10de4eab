//! The DSSE envelope: exact payload bytes, and signatures over them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::statement::MAX_STATEMENT_BYTES;
use crate::error::DocumentError;
use crate::signing::SigningKey;

const DOCUMENT: &str = "envelope";

/// A payload in base64 grows by a third, and every signature adds less than 200 bytes.
const MAX_ENVELOPE_BYTES: usize = 2 * MAX_STATEMENT_BYTES;

/// A payload and the signatures that somebody claims for it: nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    payload_type: String,
    payload: Vec<u8>,
    signatures: Vec<EnvelopeSignature>,
}

/// One signature, and the name of the key that is said to have made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeSignature {
    /// Selects a key; it is not signed and proves nothing.
    pub key_id: String,
    /// An Ed25519 signature.
    pub signature: [u8; 64],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct EnvelopeJson {
    payload_type: String,
    payload: String,
    signatures: Vec<SignatureJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureJson {
    keyid: String,
    sig: String,
}

impl Envelope {
    /// An envelope without signatures.
    pub fn new(payload_type: &str, payload: Vec<u8>) -> Self {
        Self { payload_type: payload_type.to_owned(), payload, signatures: Vec::new() }
    }

    /// Parses the JSON form of an envelope.
    ///
    /// # Errors
    /// When the bytes are no envelope, are too long, or carry something else than canonical base64 where it belongs.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        if bytes.len() > MAX_ENVELOPE_BYTES {
            return Err(DocumentError::TooLong { document: DOCUMENT, limit: MAX_ENVELOPE_BYTES });
        }
        let json: EnvelopeJson =
            serde_json::from_slice(bytes).map_err(|cause| DocumentError::Json { document: DOCUMENT, cause })?;
        let payload = STANDARD.decode(&json.payload).map_err(|_| field("payload", "canonical base64 with padding"))?;
        let signatures = json.signatures.into_iter().map(|SignatureJson { keyid, sig }| {
            let bytes = STANDARD.decode(&sig).ok().and_then(|bytes| bytes.try_into().ok());
            let signature = bytes.ok_or_else(|| field("sig", "canonical base64 of 64 bytes"))?;
            Ok(EnvelopeSignature { key_id: keyid, signature })
        });
        Ok(Self { payload_type: json.payload_type, payload, signatures: signatures.collect::<Result<_, _>>()? })
    }

    /// The JSON form.
    pub fn to_json(&self) -> Vec<u8> {
        let signature =
            |s: &EnvelopeSignature| SignatureJson { keyid: s.key_id.clone(), sig: STANDARD.encode(s.signature) };
        let json = EnvelopeJson {
            payload_type: self.payload_type.clone(),
            payload: STANDARD.encode(&self.payload),
            signatures: self.signatures.iter().map(signature).collect(),
        };
        let mut bytes = serde_json::to_vec_pretty(&json).expect("an envelope has only text keys");
        bytes.push(b'\n');
        bytes
    }

    /// Adds the signature of `key`, unless it is there already.
    pub fn sign(&mut self, key: &SigningKey) {
        let signature = key.sign(&self.payload_type, &self.payload);
        let signature = EnvelopeSignature { key_id: key.public_key().key_id().to_string(), signature };
        if !self.signatures.contains(&signature) {
            self.signatures.push(signature);
        }
    }

    /// What kind of statement the payload is said to be.
    pub fn payload_type(&self) -> &str {
        &self.payload_type
    }

    /// The exact bytes that were signed.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The signatures, none of them verified.
    pub fn signatures(&self) -> &[EnvelopeSignature] {
        &self.signatures
    }
}

fn field(field: &'static str, rule: &'static str) -> DocumentError {
    DocumentError::Field { document: DOCUMENT, field, rule }
}
