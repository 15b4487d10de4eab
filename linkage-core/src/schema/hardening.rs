//! The hardening steps and the blocking keys of a schema: what is allowed, and in which order.

use super::canonical::Canonical;
use super::check::{broken, check_column_name};
use super::{Field, FieldKind, document};
use crate::clk::ClkLength;
use crate::error::SchemaError;
use crate::harden::{Model, Step, Take, decimal, millionths};

const MAX_BLOCKING_KEYS: usize = 8;

/// A keyed 128-bit value of parts of some fields; records that share one are candidates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockingKey {
    name: String,
    parts: Vec<BlockingPart>,
}

/// One part of a blocking key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockingPart {
    field: usize,
    take: Take,
}

impl BlockingKey {
    /// The name of the key; its column in a token file is `block_` and this name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The parts that it joins.
    pub fn parts(&self) -> &[BlockingPart] {
        &self.parts
    }

    pub(super) fn canonical(&self, fields: &[Field]) -> Canonical {
        let parts = self.parts.iter().map(|part| {
            let mut members = vec![("field", Canonical::text(&fields[part.field].name))];
            push_take(part.take, &mut members);
            Canonical::Object(members)
        });
        Canonical::Object(vec![("name", Canonical::text(&self.name)), ("fields", Canonical::List(parts.collect()))])
    }
}

impl BlockingPart {
    /// The index of the field among [`super::LinkageSchema::fields`].
    pub fn field(&self) -> usize {
        self.field
    }

    /// How much of its value.
    pub fn take(&self) -> Take {
        self.take
    }
}

pub(super) fn check_blocking_keys(
    documents: Vec<document::BlockingKey>,
    fields: &[Field],
) -> Result<Vec<BlockingKey>, SchemaError> {
    if documents.len() > MAX_BLOCKING_KEYS {
        let rule = format!("more than {MAX_BLOCKING_KEYS}");
        return Err(broken("blocking_keys", rule, "each key gives away more; keep two or three"));
    }
    let mut keys: Vec<BlockingKey> = Vec::with_capacity(documents.len());
    for document in documents {
        let place = format!("blocking key {:?}", document.name);
        check_column_name(&place, &document.name)?;
        if keys.iter().any(|key| key.name == document.name) {
            return Err(broken(place, "named twice", "give every blocking key its own name"));
        }
        if document.fields.is_empty() {
            return Err(broken(place, "no field", "name the fields whose parts make the key"));
        }
        let mut parts: Vec<BlockingPart> = Vec::new();
        for part in document.fields {
            let (field, take) = check_part(&place, &part.field, part.take, part.characters, fields)?;
            if parts.iter().any(|p| p.field == field) {
                return Err(broken(place, format!("{:?} stands in it twice", part.field), "name every field once"));
            }
            parts.push(BlockingPart { field, take });
        }
        keys.push(BlockingKey { name: document.name, parts });
    }
    Ok(keys)
}

/// Checks the steps; gives them and the length of the CLK after them.
pub(super) fn check_hardening(
    documents: Vec<document::Hardening>,
    fields: &[Field],
    segmented: bool,
    length: ClkLength,
) -> Result<(Vec<Step>, ClkLength), SchemaError> {
    let mut steps: Vec<Step> = Vec::with_capacity(documents.len());
    let mut bits = length.bits();
    for document in documents {
        let place = format!("hardening {}", steps.len());
        let step = check_step(&place, document, fields, &steps, length)?;
        if segmented && !matches!(step, Step::Salt { .. }) {
            let hint = "a segment is a function of few fields, so equal values stay equal whatever is done to its bits";
            return Err(broken(place, "only salting goes with a segmented layout", hint));
        }
        if let Some(before) = steps.last()
            && rank(before) > rank(&step)
        {
            let hint = "the order is: salt; then diffusion, xor-fold and rule90 in any order; then balance; then blip";
            return Err(broken(place, "out of order", hint));
        }
        if steps.iter().any(|before| std::mem::discriminant(before) == std::mem::discriminant(&step)) {
            return Err(broken(place, "the same kind twice", "every kind of hardening stands once at most"));
        }
        if step == Step::XorFold && !bits.is_multiple_of(128) {
            return Err(broken(
                place,
                format!("{bits} bits have no halves of whole words"),
                "fold multiples of 128 bits",
            ));
        }
        bits = step.length_after(bits);
        steps.push(step);
    }
    let length = ClkLength::new(bits);
    let length = length.ok_or_else(|| broken("hardening", format!("{bits} bits come out"), "at most 4096 can"))?;
    Ok((steps, length))
}

/// Keys come before bits, exclusive or needs bits that are independent, and noise that is spread is all that is left.
fn rank(step: &Step) -> u8 {
    match step {
        Step::Salt { .. } => 0,
        Step::Diffusion { .. } | Step::XorFold | Step::Rule90 => 1,
        Step::Balance => 2,
        Step::Blip { .. } => 3,
    }
}

fn check_step(
    place: &str,
    document: document::Hardening,
    fields: &[Field],
    before: &[Step],
    length: ClkLength,
) -> Result<Step, SchemaError> {
    let share = |key: &str, text: &str| {
        millionths(text).map_err(|_| {
            broken(place, format!("`{key}` is not in (0, 1)"), "write a decimal in a string, such as \"0.03\"")
        })
    };
    match document {
        document::Hardening::Salt { field, take, characters } => {
            let (index, take) = check_part(place, &field, take, characters, fields)?;
            let others = fields.iter().enumerate().any(|(i, f)| i != index && f.encoding.is_some());
            if !others {
                return Err(broken(place, "no other field is encoded", "salt enters the keys of all other fields"));
            }
            Ok(Step::Salt { field, take })
        }
        document::Hardening::Diffusion { rho, density } => {
            let rho = share("rho", &rho)?;
            let density = match density {
                Some(density) => share("density", &density)?,
                None => {
                    let expected = Model::new(before, expected_density(fields, length)).density_after();
                    (expected * 1e6).round() as u32
                }
            };
            Step::diffusion(rho, density).ok_or_else(|| {
                let rule = format!("a density of {} does not lead to this `rho`", decimal(density));
                broken(place, rule, "the density is above 0 and at most 0.5; a fuller filter needs fewer inputs")
            })
        }
        document::Hardening::XorFold {} => Ok(Step::XorFold),
        document::Hardening::Rule90 {} => Ok(Step::Rule90),
        document::Hardening::Balance {} => Ok(Step::Balance),
        document::Hardening::Blip { flip } => Ok(Step::Blip { flip_ppm: share("flip", &flip)? }),
    }
}

/// The expected share of set bits of a record that has every field: 1 − (1 − 1/l)^budget.
///
/// By products alone: they are the same on every machine, where a library's power need not be.
pub(super) fn expected_density(fields: &[Field], length: ClkLength) -> f64 {
    let budget: usize = fields.iter().filter_map(|f| f.encoding).map(|e| e.bits).sum();
    let free = 1.0 - 1.0 / length.bits() as f64;
    1.0 - (0..budget).fold(1.0, |unset, _| unset * free)
}

fn check_part(
    place: &str,
    name: &str,
    take: document::Take,
    characters: Option<u64>,
    fields: &[Field],
) -> Result<(usize, Take), SchemaError> {
    let Some(index) = fields.iter().position(|f| f.name == name) else {
        return Err(broken(place, format!("{name:?} is not a field"), "name fields of this schema"));
    };
    let kind = fields[index].kind;
    if take != document::Take::Prefix && characters.is_some() {
        return Err(broken(place, "`characters` without a prefix", "write \"take\": \"prefix\", or leave it out"));
    }
    let take = match take {
        document::Take::Whole => Take::Whole,
        document::Take::Prefix => match characters {
            Some(count @ 1..=16) => Take::Prefix(count as usize),
            _ => return Err(broken(place, "a prefix needs `characters`, 1 to 16", "3 is usual for postal codes")),
        },
        document::Take::Year if kind == FieldKind::Date => Take::Year,
        document::Take::Year => return Err(broken(place, format!("{name:?} is no date"), "only dates have a year")),
        document::Take::Phonetic if kind == FieldKind::Kana => Take::Phonetic,
        document::Take::Phonetic => {
            return Err(broken(place, format!("{name:?} is not in kana"), "take a prefix of other names"));
        }
    };
    Ok((index, take))
}

/// The canonical form of a step.
pub(super) fn canonical_step(step: &Step) -> Canonical {
    let kind = |kind: &str| ("kind", Canonical::text(kind));
    Canonical::Object(match step {
        Step::Salt { field, take } => {
            let mut members = vec![kind("salt"), ("field", Canonical::text(field))];
            push_take(*take, &mut members);
            members
        }
        Step::Diffusion { rho_ppm, density_ppm, .. } => vec![
            kind("diffusion"),
            ("rho", Canonical::Text(decimal(*rho_ppm))),
            ("density", Canonical::Text(decimal(*density_ppm))),
        ],
        Step::XorFold => vec![kind("xor-fold")],
        Step::Rule90 => vec![kind("rule90")],
        Step::Balance => vec![kind("balance")],
        Step::Blip { flip_ppm } => vec![kind("blip"), ("flip", Canonical::Text(decimal(*flip_ppm)))],
    })
}

fn push_take(take: Take, members: &mut Vec<(&'static str, Canonical)>) {
    let text = take.to_string();
    members.push(("take", Canonical::text(text.split(' ').next().unwrap_or_default())));
    if let Take::Prefix(count) = take {
        members.push(("characters", Canonical::Integer(count as u64)));
    }
}
