//! testdata/vectors/encode: schema, secret and record → exact bits, for this and any other implementation.
//!
//! `UPDATE_VECTORS=1 cargo test -p linkage-core vectors` fills in what the encoder makes of new inputs;
//! testdata/vectors/encode/check.py recomputes all of it from the specification alone.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::*;

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/vectors/encode"))
}

fn hex(bytes: impl IntoIterator<Item = u8>) -> String {
    bytes.into_iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The vector with everything filled in that follows from its inputs.
fn completed(mut vector: Value) -> Value {
    let schema = LinkageSchema::parse(vector["schema"].to_string().as_bytes()).unwrap();
    let secret = LinkageSecret::parse(vector["secret"].as_str().unwrap()).unwrap();
    let encoder = Encoder::new(&schema, &secret);
    vector["schema_canonical"] = schema.canonical().into();
    vector["schema_digest"] = schema.digest().to_string().into();
    vector["key_check"] = secret.key_check().to_string().into();
    for row in vector["rows"].as_array_mut().unwrap() {
        let record: Vec<Option<&str>> = row["record"].as_array().unwrap().iter().map(Value::as_str).collect();
        let token = encoder.encode(&record);
        let exact = schema.exact_tokens().iter().zip(&token.exact);
        let exact: Map<String, Value> =
            exact.map(|(token, value)| (token.name().to_owned(), json!(value.map(hex)))).collect();
        let (clk, presence) = (hex(token.clk.bytes()), token.presence);
        row["clk"] = clk.into();
        row["presence"] = presence.into();
        row["exact"] = exact.into();
        if !schema.blocking_keys().is_empty() {
            let keys = schema.blocking_keys().iter().zip(&token.blocking);
            let keys: Map<String, Value> =
                keys.map(|(key, value)| (key.name().to_owned(), json!(value.map(hex)))).collect();
            row["blocking"] = keys.into();
        }
    }
    vector
}

#[test]
fn vectors_hold() {
    let mut files = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let kept: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let found = completed(kept.clone());
        if std::env::var_os("UPDATE_VECTORS").is_some() {
            std::fs::write(&path, serde_json::to_string_pretty(&found).unwrap() + "\n").unwrap();
        } else {
            assert!(kept == found, "{}: the encoder gives other bits", path.display());
        }
        files += 1;
    }
    assert!(files >= 18, "only {files} vectors");
}
