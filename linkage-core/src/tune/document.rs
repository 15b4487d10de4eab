//! The tuned schema as a document: the base schema with other budgets, another name and another threshold.

use serde_json::{Value, json};

use crate::dice::DiceThreshold;
use crate::error::SchemaError;
use crate::schema::LinkageSchema;

/// The order in which keys are written; others follow.
const ORDER: [&str; 20] = [
    "format",
    "name",
    "normalisation",
    "kind",
    "layout",
    "hashing",
    "threshold",
    "fields",
    "encode",
    "segment",
    "q",
    "pad",
    "positional",
    "bits",
    "exact_tokens",
    "required",
    "optional",
    "hardening",
    "blocking_keys",
    "field",
];

/// The schema, and its text. `bits` has the budget of each encoded field in the order of the base schema; one with none
/// is no longer encoded, and no longer there when nothing else uses it.
pub(super) fn write(
    base: &LinkageSchema,
    name: &str,
    bits: &[usize],
    threshold: DiceThreshold,
) -> Result<(LinkageSchema, String), SchemaError> {
    let mut document: Value = serde_json::from_str(&base.canonical()).expect("the canonical form is JSON");
    document["name"] = json!(name);
    document["threshold"] = json!(threshold.to_string());
    let fields = document["fields"].take();
    let mut bits = bits.iter();
    let mut kept = Vec::new();
    for mut field in fields.as_array().into_iter().flatten().cloned() {
        if field.get("encode").is_some() {
            match bits.next() {
                None | Some(0) => {
                    field.as_object_mut().and_then(|field| field.remove("encode"));
                    if !is_used(&document, &field["name"]) {
                        continue;
                    }
                }
                Some(&bits) => field["encode"]["bits"] = json!(bits),
            }
        }
        kept.push(field);
    }
    document["fields"] = Value::Array(kept);
    let text = text(&document);
    Ok((LinkageSchema::parse(text.as_bytes())?, text))
}

/// Whether an exact token, a blocking key or the hardening names the field.
fn is_used(document: &Value, field: &Value) -> bool {
    let list = |key: &str| document.get(key).and_then(Value::as_array).into_iter().flatten();
    let names = |value: &Value, key: &str| {
        value.get(key).and_then(Value::as_array).is_some_and(|names| names.iter().any(|name| name == field))
    };
    let parts = |key: &Value| {
        let parts = key.get("fields").and_then(Value::as_array).into_iter().flatten();
        parts.into_iter().any(|part| part["field"] == *field)
    };
    list("exact_tokens").any(|token| names(token, "required") || names(token, "optional"))
        || list("blocking_keys").any(parts)
        || list("hardening").any(|step| step.get("field") == Some(field))
}

/// One line per field, token, key and step, as in the schemas that ship.
fn text(document: &Value) -> String {
    let members = ordered(document).into_iter().map(|(key, value)| match value {
        Value::Array(items) if !items.is_empty() => {
            let items: Vec<String> = items.iter().map(|item| format!("    {}", line(item))).collect();
            format!("  {}: [\n{}\n  ]", json!(key), items.join(",\n"))
        }
        value => format!("  {}: {}", json!(key), line(value)),
    });
    format!("{{\n{}\n}}\n", members.collect::<Vec<_>>().join(",\n"))
}

fn line(value: &Value) -> String {
    match value {
        Value::Object(_) => {
            let members = ordered(value).into_iter().map(|(key, value)| format!("{}: {}", json!(key), line(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(line).collect::<Vec<_>>().join(", ")),
        value => value.to_string(),
    }
}

fn ordered(value: &Value) -> Vec<(&String, &Value)> {
    let mut members: Vec<(&String, &Value)> = value.as_object().into_iter().flatten().collect();
    let rank = |key: &str| ORDER.iter().position(|known| *known == key).unwrap_or(ORDER.len());
    members.sort_by_key(|(key, _)| rank(key));
    members
}
