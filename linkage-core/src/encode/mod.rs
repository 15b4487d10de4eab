//! From normalised records to tokens: q-grams, a keyed hash, bits, hardening; exact tokens and blocking keys.
//!
//! docs/spec/encoding.md says what is computed, to the bit; testdata/vectors/encode holds examples. This module only
//! adds how to do it fast: see [`Worker`].

mod draw;
mod equal;
mod features;
mod harden;
mod hash;
mod memo;
mod part;
mod salt;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::clk::{Clk, ClkLength};
use crate::normalise::{self, NameRoutes, Outcome, Rule};
use crate::schema::{Features, FieldKind, Layout, LinkageSchema};
use crate::secret::{KeyUse, LinkageSecret};
use draw::{Draw, Positions, set_bit, unite};
use equal::{BlockingPlan, ExactPlan};
pub(crate) use features::FeatureSets;
use features::{Message, Part};
use harden::Hardener;
use memo::{GramMemo, ValueMemo, ValueSlot};
use salt::Salt;

/// A record after normalisation: one value or nothing per field, in the order of the schema's fields.
pub type NormalisedRecord = [Option<String>];

/// One record's encoded row, without its record ref.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// The Bloom filter of the encoded fields; in a segmented layout all filters, side by side.
    pub clk: Clk,
    /// Composite layout: bit i is set when the i-th encoded field of the schema has a value. Segmented: bit s is set when
    /// any field of segment s has one; an absent segment is all zero.
    pub presence: u16,
    /// The exact tokens in the order of the schema; `None` where a required field is missing.
    pub exact: Vec<Option<[u8; 16]>>,
    /// The blocking keys in the order of the schema; `None` where a part is missing.
    pub blocking: Vec<Option<[u8; 16]>>,
}

/// What became of a record as the custodian holds it.
#[derive(Debug)]
pub struct EncodedRaw {
    /// The token; fields that broke a rule count as missing in it, unless the rule only warns.
    pub token: Token,
    /// The rules that were broken, each with the index of its field.
    pub broken: Vec<(usize, Rule)>,
}

/// Encodes records by one schema and one secret. Shared between threads; every thread takes a [`Worker`].
pub struct Encoder {
    length: ClkLength,
    segmented: bool,
    /// What each entry of a record holds.
    kinds: Vec<FieldKind>,
    /// Where a raw record's names in kana go that stand in a column for kanji.
    routes: NameRoutes,
    fields: Vec<FieldPlan>,
    exact: Vec<ExactPlan>,
    blocking: Vec<BlockingPlan>,
    salt: Option<Salt>,
    hardener: Option<Hardener>,
    /// The memory of workers that are not at work, so that the next one starts with it.
    idle: Mutex<Vec<Memory>>,
}

struct FieldPlan {
    /// Where the field stands in a record.
    index: usize,
    features: Features,
    budget: usize,
    positions: Positions,
    /// The words of the CLK that the field draws from.
    words: Range<usize>,
    /// The bit of its segment in the presence mask.
    segment_bit: u16,
}

impl Encoder {
    /// An encoder for records of this schema.
    pub fn new(schema: &LinkageSchema, secret: &LinkageSecret) -> Self {
        let (hashing, digest) = (schema.hashing(), schema.digest());
        let key = |usage, name: &str| secret.key(hashing, usage, &digest, name);
        let length = schema.filter_length();
        let filter = match schema.layout() {
            Layout::Composite => length,
            Layout::Segmented { segment_bits, .. } => {
                ClkLength::new(segment_bits).expect("a schema's segments are multiples of 64 bits, and fit into a CLK")
            }
        };
        let fields = schema.encoded_fields().map(|(index, field, encoding)| {
            let segment = encoding.segment().unwrap_or(0);
            FieldPlan {
                index,
                features: encoding.features(),
                budget: encoding.bits(),
                positions: Positions::new(hashing, &key(KeyUse::Field, field.name()), filter),
                words: segment * filter.words()..(segment + 1) * filter.words(),
                segment_bit: 1 << segment,
            }
        });
        let exact = schema.exact_tokens().iter().map(|token| ExactPlan {
            hashing,
            key: key(KeyUse::ExactToken, token.name()),
            components: token.components().to_vec(),
        });
        let blocking = schema.blocking_keys().iter().map(|blocking| BlockingPlan {
            hashing,
            key: key(KeyUse::BlockingKey, blocking.name()),
            parts: blocking.parts().to_vec(),
        });
        Self {
            length,
            segmented: schema.layout() != Layout::Composite,
            kinds: schema.fields().iter().map(|field| field.kind()).collect(),
            routes: NameRoutes::new(schema),
            fields: fields.collect(),
            exact: exact.collect(),
            blocking: blocking.collect(),
            salt: Salt::of(schema),
            hardener: Hardener::new(schema, secret),
            idle: Mutex::new(Vec::new()),
        }
    }

    /// A worker for the calling thread. It returns its memory to the encoder when it is dropped.
    pub fn worker(&self) -> Worker<'_> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let memory = idle.unwrap_or_else(|| Memory::new(self.fields.len(), self.length));
        Worker { encoder: self, memory }
    }

    /// Encodes one record. For many of them, take a [`Worker`] per thread.
    ///
    /// # Panics
    /// When the record does not have one entry per field of the schema.
    pub fn encode<S: AsRef<str>>(&self, record: &[Option<S>]) -> Token {
        self.worker().encode(record)
    }

    /// Normalises one record, routes its names by script, and encodes it. For many of them, take a [`Worker`] per thread.
    ///
    /// # Panics
    /// When the record does not have one entry per field of the schema.
    pub fn encode_raw(&self, record: &[Option<&str>]) -> EncodedRaw {
        self.worker().encode_raw(record)
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encoder(..)")
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// One thread's hand on an [`Encoder`]: it remembers the filters of values and of q-grams.
///
/// Memory is bounded by 4 MiB per encoded field. What is remembered changes the speed and never a bit.
pub struct Worker<'a> {
    encoder: &'a Encoder,
    memory: Memory,
}

/// What a worker remembers, and room to work in.
#[derive(Default)]
struct Memory {
    grams: Vec<GramMemo>,
    values: Vec<ValueMemo>,
    filter: Vec<u64>,
    room: Vec<u64>,
    scratch: Scratch,
    message: Vec<u8>,
    texts: Vec<String>,
}

#[derive(Default)]
struct Scratch {
    parts: Vec<Part>,
    messages: Vec<Message>,
    draws: Vec<Draw>,
    /// Places among the messages.
    order: Vec<u32>,
}

impl Memory {
    fn new(fields: usize, length: ClkLength) -> Self {
        let words = || vec![0; length.words()];
        let mut memory = Self { filter: words(), room: words(), ..Self::default() };
        memory.grams.resize_with(fields, GramMemo::default);
        memory.values.resize_with(fields, ValueMemo::default);
        memory
    }
}

impl Worker<'_> {
    /// Encodes one record.
    ///
    /// # Panics
    /// When the record does not have one entry per field of the schema.
    pub fn encode<S: AsRef<str>>(&mut self, record: &[Option<S>]) -> Token {
        assert_eq!(record.len(), self.encoder.kinds.len(), "a record has one entry per field of the schema");
        let (mut clk, mut presence) = match self.encoder.salt {
            None => self.filter(record),
            Some(salt) => self.salted_filter(salt, record),
        };
        if self.encoder.segmented {
            let present = self.encoder.fields.iter().enumerate().filter(|(bit, _)| presence >> bit & 1 == 1);
            presence = present.fold(0, |mask, (_, plan)| mask | plan.segment_bit);
        }
        if let Some(hardener) = &self.encoder.hardener {
            clk = hardener.apply(&clk);
        }
        let message = &mut self.memory.message;
        let exact = self.encoder.exact.iter().map(|plan| plan.encode(record, message)).collect();
        let blocking = self.encoder.blocking.iter().map(|plan| plan.encode(record, message)).collect();
        Token { clk, presence, exact, blocking }
    }

    /// How many features of a record are hashed when nothing is remembered: its q-grams and the parts of its dates, equal
    /// ones each by itself. For whoever measures what making them costs.
    ///
    /// # Panics
    /// When the record does not have one entry per field of the schema.
    pub fn count_features<S: AsRef<str>>(&mut self, record: &[Option<S>]) -> usize {
        let Scratch { parts, messages, .. } = &mut self.memory.scratch;
        messages.clear();
        for plan in &self.encoder.fields {
            if let Some(value) = &record[plan.index] {
                features::messages(plan.features, value.as_ref(), parts, messages);
            }
        }
        messages.len()
    }

    /// The filter of a record, and which fields are in it: bit i is the i-th encoded field.
    #[inline]
    fn filter<S: AsRef<str>>(&mut self, record: &[Option<S>]) -> (Clk, u16) {
        let mut clk = Clk::empty(self.encoder.length);
        let mut presence = 0;
        // First everything that is remembered, then what has to be computed: see `ValueMemo::merge_known`.
        let mut slots = [None; 16];
        let mut unknown = 0u16;
        for (bit, plan) in self.encoder.fields.iter().enumerate() {
            if let Some(value) = record[plan.index].as_ref().map(AsRef::as_ref).filter(|value| !value.is_empty()) {
                slots[bit] = self.memory.values[bit].slot(value, plan.words.len());
                unknown |= 1 << bit;
            }
        }
        for (bit, (values, plan)) in self.memory.values.iter_mut().zip(&self.encoder.fields).enumerate() {
            if let Some(slot) = slots[bit] {
                let known = values.merge_known(slot, &mut clk.words_mut()[plan.words.clone()]);
                presence |= u16::from(known) << bit;
            }
        }
        unknown &= !presence;
        while unknown != 0 {
            let bit = unknown.trailing_zeros() as usize;
            unknown &= unknown - 1;
            let plan = &self.encoder.fields[bit];
            if let Some(value) = &record[plan.index]
                && self.memory.encode_field(
                    bit,
                    plan,
                    value.as_ref(),
                    slots[bit],
                    &mut clk.words_mut()[plan.words.clone()],
                )
            {
                presence |= 1 << bit;
            }
        }
        (clk, presence)
    }

    /// The same with a salt: nothing is remembered but the values of the salt's own field.
    fn salted_filter<S: AsRef<str>>(&mut self, salt: Salt, record: &[Option<S>]) -> (Clk, u16) {
        let mut clk = Clk::empty(self.encoder.length);
        let mut presence = 0;
        let message = salt.message(record);
        for (bit, plan) in self.encoder.fields.iter().enumerate() {
            let value = record[plan.index].as_ref().map(AsRef::as_ref).unwrap_or_default();
            let words = &mut clk.words_mut()[plan.words.clone()];
            let present = if salt.is(plan.index) {
                self.memory.encode_field(bit, plan, value, None, words)
            } else {
                self.memory.encode_salted(plan, &plan.positions.rekeyed(&message), value, words)
            };
            presence |= u16::from(present) << bit;
        }
        (clk, presence)
    }

    /// Normalises one record, routes its names by script, and encodes it.
    ///
    /// # Panics
    /// When the record does not have one entry per field of the schema.
    pub fn encode_raw(&mut self, record: &[Option<&str>]) -> EncodedRaw {
        let kinds = &self.encoder.kinds;
        assert_eq!(record.len(), kinds.len(), "a record has one entry per field of the schema");
        let mut broken = Vec::new();
        let mut texts = std::mem::take(&mut self.memory.texts);
        texts.resize_with(record.len(), String::new);
        for (index, (raw, text)) in record.iter().zip(&mut texts).enumerate() {
            match normalise::normalise_into(kinds[index], raw.unwrap_or_default(), text) {
                Ok(Outcome::Missing | Outcome::Value) => {}
                Ok(Outcome::Flagged(rule)) | Err(rule) => broken.push((index, rule)),
            }
        }
        let raw = |field: usize, out: &mut String| out.push_str(record[field].unwrap_or_default());
        self.encoder.routes.route(&mut texts, String::is_empty, raw, |_| {});
        // A missing value leaves its text empty, and an empty text counts as missing.
        let normalised: Vec<Option<&str>> = texts.iter().map(|text| Some(text.as_str())).collect();
        let token = self.encode(&normalised);
        self.memory.texts = texts;
        EncodedRaw { token, broken }
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        self.encoder.idle.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
    }
}

impl Memory {
    /// Adds the bits of one value to its filter and remembers them; false when it has no q-gram, and so counts as missing.
    fn encode_field(
        &mut self,
        field: usize,
        plan: &FieldPlan,
        value: &str,
        slot: Option<ValueSlot>,
        clk: &mut [u64],
    ) -> bool {
        let Self { grams, values, filter, scratch, .. } = self;
        let filter = &mut filter[..clk.len()];
        filter.fill(0);
        let memo = &mut grams[field];
        let merge = |message: &Message, each: usize, filter: &mut [u64]| {
            memo.merge(message, each, filter, |bits| plan.positions.draw(message, each, bits))
        };
        if !scratch.value_filter(plan, value, filter, merge) {
            return false;
        }
        unite(clk, filter);
        if let Some(slot) = slot {
            values[field].put(slot, filter);
        }
        true
    }

    /// Adds the bits of one value under a record's own key.
    fn encode_salted(&mut self, plan: &FieldPlan, positions: &Positions, value: &str, clk: &mut [u64]) -> bool {
        let Self { filter, room, scratch, .. } = self;
        let (filter, room) = (&mut filter[..clk.len()], &mut room[..clk.len()]);
        filter.fill(0);
        let merge =
            |message: &Message, each: usize, filter: &mut [u64]| salt::merge(positions, message, each, filter, room);
        if !scratch.value_filter(plan, value, filter, merge) {
            return false;
        }
        unite(clk, filter);
        true
    }
}

impl Scratch {
    /// Sets the bits of one value in an empty filter; false when it has no q-gram.
    ///
    /// `merge` adds the bits of the first so many positions of a message.
    #[inline]
    fn value_filter(
        &mut self,
        plan: &FieldPlan,
        value: &str,
        filter: &mut [u64],
        mut merge: impl FnMut(&Message, usize, &mut [u64]) -> Draw,
    ) -> bool {
        let Self { parts, messages, draws, order } = self;
        messages.clear();
        features::messages(plan.features, value, parts, messages);
        while !messages.is_empty() {
            let (each, remainder) = (plan.budget / messages.len(), plan.budget % messages.len());
            draws.clear();
            draws.extend(messages.iter().map(|message| merge(message, each, filter)));
            if draw::draw_next_of_lowest(draws, remainder, filter) {
                return true;
            }
            // By rank; equal ranks keep the order of the text, as equal messages draw the same.
            order.clear();
            order.extend(0..draws.len() as u32);
            order.sort_unstable_by_key(|&index| (draws[index as usize].rank, index));
            order.dedup_by(|b, a| {
                let (a, b) = (*a as usize, *b as usize);
                draws[a].rank == draws[b].rank && messages[a] == messages[b]
            });
            if order.len() == messages.len() {
                order[..remainder].iter().for_each(|&index| set_bit(filter, draws[index as usize].next));
                return true;
            }
            // A message that occurs twice counts once, so that each of the fewer messages draws more.
            order.sort_unstable();
            let first: Vec<Message> = order.iter().map(|&index| messages[index as usize]).collect();
            *messages = first;
            filter.fill(0);
        }
        false
    }
}
