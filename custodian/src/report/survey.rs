//! What is counted about an extract while it passes by: changes, uniqueness, coverage, density. Never a value.

use std::sync::Arc;

use linkage_core::encode::Token;
use linkage_core::normalise::{Changes, changes};
use linkage_core::schema::{FieldKind, LinkageSchema};
use zeroize::Zeroizing;

use super::sketch::Sketch;

/// What shall be counted.
pub(crate) struct Plan {
    kinds: Vec<FieldKind>,
    /// Fields by number; those of one field alone come first, in the schema's order.
    pub(crate) combinations: Vec<Combination>,
    exact: usize,
    clk_bits: usize,
    key: Zeroizing<[u8; 32]>,
}

/// Fields whose values are looked at together.
pub(crate) struct Combination {
    pub(crate) fields: Vec<usize>,
    /// Whether a row counts that lacks some of them.
    partial: bool,
}

/// The counts of one field.
#[derive(Clone, Default)]
pub(crate) struct FieldCounts {
    /// Values that came out as another text.
    pub(crate) altered: u64,
    pub(crate) characters: Changes,
    /// Per change, the values in which it was made.
    pub(crate) values: Changes,
}

/// The counts of all rows.
pub(crate) struct Survey {
    pub(crate) plan: Arc<Plan>,
    pub(crate) fields: Vec<FieldCounts>,
    pub(crate) sketches: Vec<Sketch>,
    /// Rows that have each exact token.
    pub(crate) exact: Vec<u64>,
    /// Rows by the number of bits set in their CLKs.
    pub(crate) ones: Vec<u64>,
    pub(crate) rows: u64,
}

/// The counts of a piece of the rows, made by one thread.
pub(crate) struct Tally {
    plan: Arc<Plan>,
    fields: Vec<FieldCounts>,
    hashes: Vec<Vec<u64>>,
    exact: Vec<u64>,
    ones: Vec<u64>,
    rows: u64,
    scratch: Vec<u8>,
}

impl Plan {
    /// Every field alone, the combinations by which people are told apart, and the inputs of each exact token.
    fn new(schema: &LinkageSchema, key: Zeroizing<[u8; 32]>) -> Self {
        let kinds: Vec<FieldKind> = schema.fields().iter().map(|field| field.kind()).collect();
        let of = |wanted: &[FieldKind]| -> Vec<usize> {
            (0..kinds.len()).filter(|&field| wanted.contains(&kinds[field])).collect()
        };
        let mut fields: Vec<Vec<usize>> = (0..kinds.len()).map(|field| vec![field]).collect();
        let birth = of(&[FieldKind::Date]);
        for others in [
            of(&[FieldKind::Sex]),
            of(&[FieldKind::Sex, FieldKind::PostalCode]),
            of(&[FieldKind::Kana]),
            of(&[FieldKind::Kana, FieldKind::Sex]),
            of(&[FieldKind::Kanji]),
        ] {
            let combination: Vec<usize> = birth.iter().copied().chain(others.iter().copied()).collect();
            if !birth.is_empty() && !others.is_empty() && !fields.contains(&combination) {
                fields.push(combination);
            }
        }
        let mut combinations: Vec<_> =
            fields.into_iter().map(|fields| Combination { fields, partial: false }).collect();
        let encoded = schema.encoded_fields().map(|(index, ..)| index).collect();
        combinations.push(Combination { fields: encoded, partial: true });
        Self { kinds, combinations, exact: schema.exact_tokens().len(), clk_bits: schema.clk_bits(), key }
    }

    /// The keyed hash of the values of a combination, when the row has them.
    fn hash(&self, index: usize, record: &[Option<String>], scratch: &mut Vec<u8>) -> Option<u64> {
        let combination = &self.combinations[index];
        scratch.clear();
        scratch.extend_from_slice(&(index as u32).to_le_bytes());
        let mut any = false;
        for &field in &combination.fields {
            let value = record[field].as_deref();
            if value.is_none() && !combination.partial {
                return None;
            }
            any |= value.is_some();
            let length = value.map_or(u32::MAX, |value| value.len() as u32);
            scratch.extend_from_slice(&length.to_le_bytes());
            scratch.extend_from_slice(value.unwrap_or_default().as_bytes());
        }
        let hash = blake3::keyed_hash(&self.key, scratch);
        any.then(|| u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("eight of 32 bytes")))
    }
}

impl Survey {
    /// An empty survey; the key is for this run alone.
    pub(crate) fn new(schema: &LinkageSchema, key: Zeroizing<[u8; 32]>) -> Self {
        let plan = Plan::new(schema, key);
        Self {
            fields: vec![FieldCounts::default(); plan.kinds.len()],
            sketches: plan.combinations.iter().map(|_| Sketch::default()).collect(),
            exact: vec![0; plan.exact],
            ones: vec![0; plan.clk_bits + 1],
            rows: 0,
            plan: Arc::new(plan),
        }
    }

    /// Adds a piece.
    pub(crate) fn append(&mut self, tally: &Tally) {
        for (field, more) in self.fields.iter_mut().zip(&tally.fields) {
            field.altered += more.altered;
            field.characters.add(&more.characters);
            field.values.add(&more.values);
        }
        for (sketch, hashes) in self.sketches.iter_mut().zip(&tally.hashes) {
            hashes.iter().for_each(|&hash| sketch.add(hash));
        }
        self.exact.iter_mut().zip(&tally.exact).for_each(|(count, more)| *count += more);
        self.ones.iter_mut().zip(&tally.ones).for_each(|(count, more)| *count += more);
        self.rows += tally.rows;
    }
}

impl Tally {
    pub(crate) fn new(plan: &Arc<Plan>) -> Self {
        Self {
            plan: Arc::clone(plan),
            fields: vec![FieldCounts::default(); plan.kinds.len()],
            hashes: vec![Vec::new(); plan.combinations.len()],
            exact: vec![0; plan.exact],
            ones: vec![0; plan.clk_bits + 1],
            rows: 0,
            scratch: Vec::new(),
        }
    }

    /// Counts what normalisation does to a value.
    pub(crate) fn value(&mut self, field: usize, raw: &str) {
        let made = changes(self.plan.kinds[field], raw);
        let counts = &mut self.fields[field];
        if !made.is_empty() {
            counts.altered += 1;
            counts.characters.add(&made);
            counts.values.add_values(&made);
        }
    }

    /// Counts a row that has been encoded.
    pub(crate) fn row(&mut self, record: &[Option<String>], token: &Token) {
        self.rows += 1;
        for (index, hashes) in self.hashes.iter_mut().enumerate() {
            hashes.extend(self.plan.hash(index, record, &mut self.scratch));
        }
        for (count, exact) in self.exact.iter_mut().zip(&token.exact) {
            *count += u64::from(exact.is_some());
        }
        let ones: u32 = token.clk.words().iter().map(|word| word.count_ones()).sum();
        self.ones[ones as usize] += 1;
    }
}
