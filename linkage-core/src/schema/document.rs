//! The schema as it stands in the JSON file: optional keys still optional, nothing checked yet.

use serde::Deserialize;
use serde_json::Value;

use super::{FieldKind, HashingProfile};
use crate::error::SchemaError;

/// More than any schema needs, and too little to exhaust memory.
const MAX_BYTES: usize = 256 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    #[serde(rename = "format")]
    _format: String,
    pub(super) name: String,
    pub(super) normalisation: String,
    #[serde(default)]
    pub(super) layout: Layout,
    #[serde(default)]
    pub(super) hashing: HashingProfile,
    pub(super) threshold: String,
    pub(super) fields: Vec<Field>,
    #[serde(default)]
    pub(super) exact_tokens: Vec<ExactToken>,
    #[serde(default)]
    pub(super) hardening: Vec<Hardening>,
    #[serde(default)]
    pub(super) blocking_keys: Vec<BlockingKey>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Layout {
    #[serde(default)]
    pub(super) kind: LayoutKind,
    pub(super) bits: Option<u64>,
    pub(super) segments: Option<u64>,
    pub(super) segment_bits: Option<u64>,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LayoutKind {
    #[default]
    Composite,
    Segmented,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) kind: FieldKind,
    pub(super) encode: Option<Encoding>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Encoding {
    pub(super) q: Option<u64>,
    pub(super) pad: Option<bool>,
    pub(super) positional: Option<bool>,
    pub(super) bits: u64,
    pub(super) segment: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExactToken {
    pub(super) name: String,
    pub(super) required: Vec<String>,
    #[serde(default)]
    pub(super) optional: Vec<String>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Hardening {
    Salt {
        field: String,
        #[serde(default)]
        take: Take,
        characters: Option<u64>,
    },
    Diffusion {
        rho: String,
        density: Option<String>,
    },
    XorFold {},
    Rule90 {},
    Balance {},
    Blip {
        flip: String,
    },
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Take {
    #[default]
    Whole,
    Prefix,
    Year,
    Phonetic,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BlockingKey {
    pub(super) name: String,
    pub(super) fields: Vec<BlockingPart>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BlockingPart {
    pub(super) field: String,
    #[serde(default)]
    pub(super) take: Take,
    pub(super) characters: Option<u64>,
}

impl Document {
    /// Reads the document; the format is looked at first, so that a later version is named and not misread.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, SchemaError> {
        let refuse = |message: String| SchemaError::Json { message };
        if bytes.len() > MAX_BYTES {
            return Err(refuse(format!("longer than {MAX_BYTES} bytes")));
        }
        let json = |e: serde_json::Error| refuse(e.to_string());
        let value: Value = serde_json::from_slice(bytes).map_err(json)?;
        if let Some(found) = value.get("format").and_then(Value::as_str)
            && found != super::FORMAT
        {
            return Err(SchemaError::Format { found: found.to_owned() });
        }
        refuse_lists_for_objects(&value).map_err(refuse)?;
        // Parsed again from the bytes, because the `Value` above has already forgotten duplicate keys.
        serde_json::from_slice(bytes).map_err(json)
    }
}

/// serde reads a struct from a JSON list too; a second implementation would not, so the file must spell out its keys.
fn refuse_lists_for_objects(root: &Value) -> Result<(), String> {
    let items = |key: &str| root.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let objects = [Some(root), root.get("layout")].into_iter().flatten();
    let encodings = items("fields").iter().filter_map(|field| field.get("encode"));
    let lists = ["fields", "exact_tokens", "hardening", "blocking_keys"].into_iter().flat_map(items);
    let parts = items("blocking_keys").iter().filter_map(|key| key.get("fields").and_then(Value::as_array)).flatten();
    for value in objects.chain(encodings).chain(lists).chain(parts) {
        if value.is_array() {
            return Err("a list stands where an object is expected".to_owned());
        }
    }
    Ok(())
}
