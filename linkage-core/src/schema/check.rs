//! From the document to the schema: every rule of docs/spec/linkage-schema.md, checked once.

use super::document::{self, Document};
use super::hardening::{BlockingKey, check_blocking_keys, check_hardening};
use super::{ExactComponent, ExactToken, Features, Field, FieldEncoding, FieldKind, Layout, LinkageSchema};
use crate::error::SchemaError;
use crate::harden::Step;

/// The presence mask is a u16.
const MAX_ENCODED_FIELDS: usize = 16;
const MAX_FIELDS: usize = 64;
const MAX_EXACT_TOKENS: usize = 8;
const MAX_Q: u64 = 4;

/// Checks every rule and fills in the defaults.
pub(super) fn check(document: Document) -> Result<LinkageSchema, SchemaError> {
    let Document { name, normalisation, layout, hashing, threshold, fields, exact_tokens, .. } = document;
    if !is_name(&name, b'-', 64) {
        return Err(broken(
            "name",
            "not a schema name",
            "use a lower-case letter, then up to 63 lower-case letters, digits or hyphens",
        ));
    }
    if normalisation != crate::normalise::VERSION {
        return Err(broken(
            "normalisation",
            format!("{normalisation:?} is not known here"),
            "this version normalises by \"ja/1\"; all custodians of a linkage need the same version",
        ));
    }
    let threshold = threshold.parse().map_err(|e: crate::dice::ThresholdError| {
        let text = e.to_string();
        broken("threshold", text.lines().next().unwrap_or_default(), "write a decimal in a string, such as \"0.80\"")
    })?;
    let (layout, filter_length) = Layout::check(&layout)?;
    let fields = check_fields(fields, layout, filter_length.bits())?;
    let exact_tokens = check_exact_tokens(exact_tokens, &fields)?;
    let blocking_keys = check_blocking_keys(document.blocking_keys, &fields)?;
    let (hardening, clk_length) =
        check_hardening(document.hardening, &fields, layout != Layout::Composite, filter_length)?;
    check_use(&fields, &exact_tokens, &blocking_keys, &hardening)?;
    Ok(LinkageSchema {
        name,
        normalisation,
        layout,
        filter_length,
        clk_length,
        hashing,
        threshold,
        fields,
        exact_tokens,
        hardening,
        blocking_keys,
    })
}

fn check_fields(documents: Vec<document::Field>, layout: Layout, clk_bits: usize) -> Result<Vec<Field>, SchemaError> {
    if documents.is_empty() || documents.len() > MAX_FIELDS {
        return Err(broken(
            "fields",
            format!("not 1 to {MAX_FIELDS} fields"),
            "list the columns that identify a person",
        ));
    }
    let mut fields: Vec<Field> = Vec::with_capacity(documents.len());
    for document in documents {
        let place = format!("field {:?}", document.name);
        check_column_name(&place, &document.name)?;
        if fields.iter().any(|f| f.name == document.name) {
            return Err(broken(place, "named twice", "give every field its own name"));
        }
        let encoding = match document.encode {
            Some(encoding) => Some(check_encoding(&place, document.kind, encoding, layout, clk_bits)?),
            None => None,
        };
        fields.push(Field { name: document.name, kind: document.kind, encoding });
    }
    let encoded = fields.iter().filter(|f| f.encoding.is_some()).count();
    if encoded == 0 || encoded > MAX_ENCODED_FIELDS {
        return Err(broken(
            "fields",
            format!("{encoded} fields have `encode`, not 1 to {MAX_ENCODED_FIELDS}"),
            "the presence mask has one bit per encoded field; fields for exact tokens alone need no `encode`",
        ));
    }
    check_budgets(&fields, layout, clk_bits)?;
    Ok(fields)
}

/// Checks the budgets of each filter: of the one that there is, or of every segment.
fn check_budgets(fields: &[Field], layout: Layout, clk_bits: usize) -> Result<(), SchemaError> {
    let filters: Vec<Option<usize>> = match layout {
        Layout::Composite => vec![None],
        Layout::Segmented { segments, .. } => (0..segments).map(Some).collect(),
    };
    let bits = clk_bits / filters.len();
    for segment in filters {
        let place = segment.map_or_else(|| "fields".to_owned(), |segment| format!("segment {segment}"));
        let encodings = fields.iter().filter_map(|f| f.encoding).filter(|e| e.segment == segment);
        let budget: usize = encodings.map(|e| e.bits).sum();
        if budget == 0 {
            return Err(broken(place, "no field enters it", "name it in a field's `encode`, or have fewer `segments`"));
        }
        // 1 − e^(−0.7) is about one half: a fuller filter tells records apart less and less.
        if budget * 10 > bits * 7 {
            return Err(broken(
                place,
                format!("the bit budgets add up to {budget}, more than 0.7 of {bits} bits"),
                "lower the budgets, or take a longer filter: over half of its bits would be set",
            ));
        }
    }
    Ok(())
}

fn check_encoding(
    place: &str,
    kind: FieldKind,
    document: document::Encoding,
    layout: Layout,
    clk_bits: usize,
) -> Result<FieldEncoding, SchemaError> {
    let document::Encoding { q, pad, positional, bits, segment } = document;
    let segment = check_segment(place, segment, layout)?;
    let filter_bits = clk_bits / layout.segments();
    if bits == 0 || bits > filter_bits as u64 {
        return Err(broken(
            place,
            format!("a budget of {bits} bits is not 1 to {filter_bits}"),
            "leave out `encode` for a field that only exact tokens use",
        ));
    }
    let bits = bits as usize;
    if kind == FieldKind::Date {
        if q.is_some() || pad.is_some() || positional.is_some() {
            return Err(broken(place, "a date takes no `q`, `pad` or `positional`", "give its `bits` alone"));
        }
        return Ok(FieldEncoding { features: Features::Calendar, bits, segment });
    }
    let names = matches!(
        kind,
        FieldKind::Kana
            | FieldKind::KanaUnlengthened
            | FieldKind::KanaUnvoiced
            | FieldKind::KanaSorted
            | FieldKind::Kanji
            | FieldKind::Latin
            | FieldKind::LatinSorted
    );
    let q = q.unwrap_or(if names { 2 } else { 1 });
    if !(1..=MAX_Q).contains(&q) {
        return Err(broken(place, format!("q = {q} is not 1 to {MAX_Q}"), "2 is usual for names, 1 for numbers"));
    }
    let pad = pad.unwrap_or(q > 1 && names);
    if pad && q == 1 {
        return Err(broken(place, "padding needs q of 2 or more", "leave out `pad`: single letters have no edges"));
    }
    Ok(FieldEncoding {
        features: Features::QGrams { q: q as usize, pad, positional: positional.unwrap_or(!names) },
        bits,
        segment,
    })
}

fn check_segment(place: &str, segment: Option<u64>, layout: Layout) -> Result<Option<usize>, SchemaError> {
    match (layout, segment) {
        (Layout::Composite, None) => Ok(None),
        (Layout::Composite, Some(_)) => {
            Err(broken(place, "a `segment`, but the layout is composite", "leave it out, or make the layout segmented"))
        }
        (Layout::Segmented { segments, .. }, Some(segment)) if segment < segments as u64 => Ok(Some(segment as usize)),
        (Layout::Segmented { segments, .. }, _) => Err(broken(
            place,
            format!("no `segment` from 0 to {}", segments - 1),
            "in a segmented layout every encoded field names the segment that it enters",
        )),
    }
}

fn check_exact_tokens(documents: Vec<document::ExactToken>, fields: &[Field]) -> Result<Vec<ExactToken>, SchemaError> {
    if documents.len() > MAX_EXACT_TOKENS {
        return Err(broken("exact_tokens", format!("more than {MAX_EXACT_TOKENS}"), "keep the strong identifiers"));
    }
    let mut tokens: Vec<ExactToken> = Vec::with_capacity(documents.len());
    for document in documents {
        let place = format!("exact token {:?}", document.name);
        check_column_name(&place, &document.name)?;
        if tokens.iter().any(|t| t.name == document.name) {
            return Err(broken(place, "named twice", "give every exact token its own name"));
        }
        if document.required.is_empty() {
            return Err(broken(
                place,
                "no required field",
                "a token of optional parts alone would equal any empty row's",
            ));
        }
        let mut components: Vec<ExactComponent> = Vec::new();
        let required = document.required.iter().map(|name| (name, false));
        let optional = document.optional.iter().map(|name| (name, true));
        for (name, optional) in required.chain(optional) {
            let Some(field) = fields.iter().position(|f| f.name == *name) else {
                return Err(broken(place, format!("{name:?} is not a field"), "name fields of this schema"));
            };
            if components.iter().any(|c| c.field == field) {
                return Err(broken(place, format!("{name:?} stands in it twice"), "name every field once"));
            }
            components.push(ExactComponent { field, optional });
        }
        tokens.push(ExactToken { name: document.name, components });
    }
    Ok(tokens)
}

/// A field that nothing uses is most likely a forgotten `encode`.
fn check_use(
    fields: &[Field],
    tokens: &[ExactToken],
    keys: &[BlockingKey],
    hardening: &[Step],
) -> Result<(), SchemaError> {
    for (index, field) in fields.iter().enumerate() {
        let used = field.encoding.is_some()
            || tokens.iter().flat_map(|t| &t.components).any(|c| c.field == index)
            || keys.iter().flat_map(BlockingKey::parts).any(|part| part.field() == index)
            || hardening.iter().any(|step| matches!(step, Step::Salt { field: salt, .. } if *salt == field.name));
        if !used {
            let place = format!("field {:?}", field.name);
            return Err(broken(place, "neither encoded nor in an exact token", "add `encode`, or remove the field"));
        }
    }
    Ok(())
}

pub(super) fn check_column_name(place: &str, name: &str) -> Result<(), SchemaError> {
    if is_name(name, b'_', 32) {
        return Ok(());
    }
    Err(broken(place, "not a name", "use a lower-case letter, then up to 31 lower-case letters, digits or underscores"))
}

/// A lower-case letter, then lower-case letters, digits or `joint`.
pub(crate) fn is_name(text: &str, joint: u8, max: usize) -> bool {
    text.len() <= max
        && text.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == joint)
}

/// A broken rule, its place in the document, and what to do about it.
pub(super) fn broken(place: impl Into<String>, rule: impl Into<String>, hint: &'static str) -> SchemaError {
    SchemaError::Rule { place: place.into(), rule: rule.into(), hint }
}
