//! The clkhash linkage schema, version 3, as in its JSON file.

use serde::Deserialize;
use serde_json::Value;

use super::compare::Comparison;
use super::error::ClkhashError;
use super::format::{Format, TextEncoding};
use super::hash::{BlakeOrDouble, Strategy};
use crate::types::SchemaDigest;

/// Longer than any filter in use, and short enough that a filter is no danger to memory.
const MAX_BITS: u64 = 1 << 16;

/// The BLAKE3 derive_key context of the digest.
const DIGEST_CONTEXT: &str = "linkage-engine 2026-11-22 clkhash schema 3 digest";

/// A clkhash linkage schema of version 3 that has passed every check.
#[derive(Debug)]
pub struct ClkhashSchema {
    pub(super) bits: usize,
    pub(super) folds: u32,
    pub(super) kdf: Kdf,
    pub(super) features: Vec<Feature>,
    digest: SchemaDigest,
}

/// HKDF and its parameters.
#[derive(Debug)]
pub(super) struct Kdf {
    pub(super) sha512: bool,
    pub(super) salt: Option<Vec<u8>>,
    pub(super) info: Vec<u8>,
    pub(super) key_bytes: usize,
}

/// One column.
#[derive(Debug)]
pub(super) struct Feature {
    pub(super) identifier: String,
    /// `None` when the column is ignored.
    pub(super) hashing: Option<Hashing>,
}

/// How a column enters the CLK.
#[derive(Debug)]
pub(super) struct Hashing {
    pub(super) format: Format,
    pub(super) encoding: TextEncoding,
    pub(super) comparison: Comparison,
    pub(super) strategy: Strategy,
    pub(super) hash: BlakeOrDouble,
    /// The value that stands for a missing one, and what is hashed instead.
    pub(super) missing: Option<(String, String)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Document {
    version: u64,
    clk_config: ClkConfig,
    features: Vec<FeatureDocument>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClkConfig {
    l: u64,
    kdf: KdfDocument,
    /// The key that clkhash's JSON schema documents, and that its code never reads.
    #[serde(rename = "xorFolds")]
    documented_folds: Option<u64>,
    /// The key that its code reads.
    #[serde(rename = "xor_folds")]
    folds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct KdfDocument {
    #[serde(rename = "type")]
    kind: String,
    hash: Option<String>,
    salt: Option<String>,
    info: Option<String>,
    key_size: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FeatureDocument {
    identifier: String,
    #[serde(default)]
    ignored: bool,
    #[serde(rename = "description")]
    _description: Option<String>,
    format: Option<Value>,
    hashing: Option<HashingDocument>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct HashingDocument {
    comparison: Comparison,
    strategy: Strategy,
    hash: Option<HashDocument>,
    missing_value: Option<MissingDocument>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, tag = "type")]
enum HashDocument {
    #[serde(rename = "blakeHash")]
    Blake {},
    #[serde(rename = "doubleHash")]
    Double {
        #[serde(default)]
        prevent_singularity: bool,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct MissingDocument {
    sentinel: String,
    replace_with: Option<String>,
}

impl ClkhashSchema {
    /// Parses and checks a schema.
    ///
    /// # Errors
    /// [`ClkhashError`], with a hint, when the bytes are not JSON of version 3, a key is unknown, or clkhash itself would
    /// fail, or silently do something else than the schema says.
    pub fn parse(bytes: &[u8]) -> Result<Self, ClkhashError> {
        let json = |e: serde_json::Error| ClkhashError::Json { message: e.to_string() };
        let value: Value = serde_json::from_slice(bytes).map_err(json)?;
        if let Some(version) = value.get("version").and_then(Value::as_u64).filter(|version| *version != 3) {
            return Err(ClkhashError::Json { message: format!("the version is {version}") });
        }
        let document: Document = serde_json::from_slice(bytes).map_err(json)?;
        if document.version != 3 {
            return Err(ClkhashError::Json { message: "the version is not 3".to_owned() });
        }
        let config = document.clk_config;
        let folds = config.folds()?;
        let features: Vec<Feature> =
            document.features.into_iter().map(FeatureDocument::check).collect::<Result<_, _>>()?;
        let at_clk_config = |rule: &str| rule_error("clkConfig", rule);
        if !(1..=MAX_BITS).contains(&config.l) || !config.l.is_multiple_of(8) {
            return Err(at_clk_config("`l` must be a multiple of 8 from 8 to 65536"));
        }
        let hashed_bits = config.l << folds;
        if hashed_bits > MAX_BITS {
            return Err(at_clk_config("`l` times two to the power of `xor_folds` is above 65536"));
        }
        let uses_blake = |f: &Feature| matches!(&f.hashing, Some(Hashing { hash: BlakeOrDouble::Blake, .. }));
        if !hashed_bits.is_power_of_two() && features.iter().any(uses_blake) {
            return Err(at_clk_config("blakeHash needs a length, before folding, that is a power of two"));
        }
        let mut canonical = String::new();
        write_sorted(&value, &mut canonical);
        let digest = blake3::derive_key(DIGEST_CONTEXT, canonical.as_bytes());
        Ok(Self {
            bits: config.l as usize,
            folds,
            kdf: config.kdf.check()?,
            features,
            digest: SchemaDigest::from_bytes(digest),
        })
    }

    /// The length of a CLK in bits, after folding.
    pub fn clk_bits(&self) -> usize {
        self.bits
    }

    /// The identifiers of the columns, in order, ignored ones included.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = &str> {
        self.features.iter().map(|feature| feature.identifier.as_str())
    }

    /// The identity of the schema: BLAKE3 of the file's canonical JSON, under a context of its own.
    pub fn digest(&self) -> SchemaDigest {
        self.digest
    }
}

impl ClkConfig {
    fn folds(&self) -> Result<u32, ClkhashError> {
        if self.documented_folds.is_some_and(|folds| folds > 0) {
            let rule = "clkhash ignores `xorFolds`, and makes CLKs that are not folded\n\
                        hint: remove it to get what clkhash makes, or write `xor_folds`, which clkhash obeys";
            return Err(rule_error("clkConfig", rule));
        }
        let folds = self.folds.unwrap_or(0);
        if folds > 8 {
            return Err(rule_error("clkConfig", "`xor_folds` is above 8"));
        }
        Ok(folds as u32)
    }
}

impl KdfDocument {
    fn check(self) -> Result<Kdf, ClkhashError> {
        use base64::Engine as _;
        let refuse = |rule: &str| rule_error("clkConfig, kdf", rule);
        if self.kind != "HKDF" {
            return Err(refuse("the type must be HKDF"));
        }
        let sha512 = match self.hash.as_deref() {
            None | Some("SHA256") => false,
            Some("SHA512") => true,
            Some(_) => return Err(refuse("the hash must be SHA256 or SHA512")),
        };
        let decode = |text: Option<String>, rule| {
            let bytes = text.map(|text| base64::engine::general_purpose::STANDARD.decode(text));
            bytes.transpose().map_err(|_| refuse(rule))
        };
        let key_bytes = self.key_size.unwrap_or(64);
        // BLAKE2b takes no longer key, and HMAC with SHA-1 or MD5 would only hash it down.
        if !(1..=64).contains(&key_bytes) {
            return Err(refuse("`keySize` must be from 1 to 64 bytes"));
        }
        Ok(Kdf {
            sha512,
            salt: decode(self.salt, "`salt` is not base64")?,
            info: decode(self.info, "`info` is not base64")?.unwrap_or_default(),
            key_bytes: key_bytes as usize,
        })
    }
}

impl FeatureDocument {
    fn check(self) -> Result<Feature, ClkhashError> {
        let place = format!("feature {:?}", self.identifier);
        let refuse = |rule: &str| rule_error(&place, rule);
        if self.ignored {
            return Ok(Feature { identifier: self.identifier, hashing: None });
        }
        let (Some(format), Some(hashing)) = (self.format, self.hashing) else {
            return Err(refuse("`format` and `hashing` are required, unless it is ignored"));
        };
        let (format, encoding) = Format::parse(format).map_err(|rule| refuse(&rule))?;
        hashing.comparison.check().map_err(refuse)?;
        hashing.strategy.check().map_err(refuse)?;
        let hash = match hashing.hash {
            None | Some(HashDocument::Blake {}) => BlakeOrDouble::Blake,
            Some(HashDocument::Double { prevent_singularity }) => BlakeOrDouble::Double { prevent_singularity },
        };
        let missing = hashing.missing_value.map(|missing| {
            let replacement = missing.replace_with.unwrap_or_else(|| missing.sentinel.clone());
            (missing.sentinel, replacement)
        });
        let (comparison, strategy) = (hashing.comparison, hashing.strategy);
        let hashing = Hashing { format, encoding, comparison, strategy, hash, missing };
        Ok(Feature { identifier: self.identifier, hashing: Some(hashing) })
    }
}

fn rule_error(place: &str, rule: &str) -> ClkhashError {
    ClkhashError::Schema { place: place.to_owned(), rule: rule.to_owned() }
}

/// JSON without white space and with sorted keys, whatever the features that serde_json was built with.
fn write_sorted(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(key, _)| *key);
            for (index, (key, value)) in members.into_iter().enumerate() {
                out.push(if index == 0 { '{' } else { ',' });
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_sorted(value, out);
            }
            out.push('}');
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                out.push(if index == 0 { '[' } else { ',' });
                write_sorted(value, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}
