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
mod memory;
mod part;
mod salt;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, ThreadId};

use crate::clk::{Clk, ClkLength};
use crate::normalise::{self, NameRoutes, Outcome, Rule};
use crate::schema::{Features, FieldKind, Layout, LinkageSchema};
use crate::secret::{KeyUse, LinkageSecret};
use draw::Positions;
use equal::{BlockingPlan, ExactPlan};
pub(crate) use features::FeatureSets;
use harden::Hardener;
use memory::{GROUP, Memory, Scratch};
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
    /// The memory of workers that are not at work, so that the next one starts with it: best the one of the same thread,
    /// whose core has it in its caches.
    idle: Mutex<Vec<(ThreadId, Memory)>>,
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

impl FieldPlan {
    /// Whether a value is hashed character by character at their places, and all of them are plain ones.
    #[inline]
    fn in_runs(&self, value: &str) -> bool {
        matches!(self.features, Features::QGrams { q: 1, positional: true, .. })
            && value.len() <= 60
            && value.is_ascii()
    }
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
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let own = idle.iter().position(|(thread, _)| *thread == thread::current().id());
        let memory = own.map(|at| idle.swap_remove(at)).or_else(|| idle.pop());
        drop(idle);
        let memory = memory.map_or_else(|| Memory::new(self.fields.len(), self.length), |(_, memory)| memory);
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
/// Memory is bounded by 10 MiB per encoded field. What is remembered changes the speed and never a bit.
pub struct Worker<'a> {
    encoder: &'a Encoder,
    memory: Memory,
}

impl Worker<'_> {
    /// Encodes one record. For many of them, [`Self::encode_each`] is quicker.
    ///
    /// # Panics
    /// When the record does not have one entry per field of the schema.
    pub fn encode<S: AsRef<str>>(&mut self, record: &[Option<S>]) -> Token {
        let mut token = self.blank();
        self.look_up(0, record);
        self.locate(1);
        self.encode_at(0, record, &mut token);
        token
    }

    /// Encodes records and passes each token with the index of its record, in their order.
    ///
    /// What is remembered of several records is asked for before the first of them is encoded, so that the waits for memory
    /// overlap, and the memory of one token serves them all.
    ///
    /// # Panics
    /// When a record does not have one entry per field of the schema.
    pub fn encode_each<R: AsRef<[Option<S>]>, S: AsRef<str>>(
        &mut self,
        records: &[R],
        mut each: impl FnMut(usize, &Token),
    ) {
        let mut token = self.blank();
        for (start, group) in (0..).step_by(GROUP).zip(records.chunks(GROUP)) {
            group.iter().enumerate().for_each(|(at, record)| self.look_up(at, record.as_ref()));
            self.locate(group.len());
            for (at, record) in group.iter().enumerate() {
                self.encode_at(at, record.as_ref(), &mut token);
                each(start + at, &token);
            }
        }
    }

    fn blank(&self) -> Token {
        Token { clk: Clk::empty(self.encoder.length), presence: 0, exact: Vec::new(), blocking: Vec::new() }
    }

    /// Notes where the values of a record may be remembered, as that of this place in a group.
    #[inline]
    fn look_up<S: AsRef<str>>(&mut self, at: usize, record: &[Option<S>]) {
        let Self { encoder, memory } = self;
        assert_eq!(record.len(), encoder.kinds.len(), "a record has one entry per field of the schema");
        if encoder.salt.is_some() {
            return;
        }
        let slots = &mut memory.slots[at * encoder.fields.len()..][..encoder.fields.len()];
        for ((slot, values), plan) in slots.iter_mut().zip(&mut memory.values).zip(&encoder.fields) {
            // What is made of few runs is made as quickly as it is found.
            let is_worth = |value: &&str| !value.is_empty() && !plan.in_runs(value);
            let value = record[plan.index].as_ref().map(AsRef::as_ref).filter(is_worth);
            *slot = value.and_then(|value| values.slot(value, plan.words.len()));
        }
    }

    /// Finds what is remembered of so many records that have been looked up.
    #[inline]
    fn locate(&mut self, records: usize) {
        let Self { encoder, memory } = self;
        if encoder.salt.is_some() {
            return;
        }
        for slots in memory.slots.chunks_exact_mut(encoder.fields.len().max(1)).take(records) {
            for (slot, values) in slots.iter_mut().zip(&memory.values) {
                if let Some(slot) = slot {
                    values.locate(slot);
                }
            }
        }
    }

    /// Encodes a record that has been looked up.
    #[inline]
    fn encode_at<S: AsRef<str>>(&mut self, at: usize, record: &[Option<S>], token: &mut Token) {
        let encoder = self.encoder;
        let mut clk = std::mem::replace(&mut token.clk, Clk::none());
        if clk.length() == encoder.length {
            clk.words_mut().fill(0);
        } else {
            clk = Clk::empty(encoder.length);
        }
        let mut presence = match encoder.salt {
            None => self.filter(at, record, &mut clk),
            Some(salt) => self.salted_filter(salt, record, &mut clk),
        };
        if encoder.segmented {
            let present = encoder.fields.iter().enumerate().filter(|(bit, _)| presence >> bit & 1 == 1);
            presence = present.fold(0, |mask, (_, plan)| mask | plan.segment_bit);
        }
        token.presence = presence;
        token.clk = match &encoder.hardener {
            Some(hardener) => hardener.apply(&clk),
            None => clk,
        };
        let message = &mut self.memory.message;
        token.exact.clear();
        token.exact.extend(encoder.exact.iter().map(|plan| plan.encode(record, message)));
        token.blocking.clear();
        token.blocking.extend(encoder.blocking.iter().map(|plan| plan.encode(record, message)));
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

    /// Fills the empty filter of a record, and tells which fields are in it: bit i is the i-th encoded field.
    #[inline]
    fn filter<S: AsRef<str>>(&mut self, at: usize, record: &[Option<S>], clk: &mut Clk) -> u16 {
        let Self { encoder, memory } = self;
        let first = at * encoder.fields.len();
        let mut presence = 0;
        // First everything that is remembered, then what has to be computed: see `ValueMemo::merge_known`.
        let slots = &memory.slots[first..][..encoder.fields.len()];
        for (bit, ((slot, values), plan)) in slots.iter().zip(&mut memory.values).zip(&encoder.fields).enumerate() {
            if let Some(slot) = slot {
                let known = values.merge_known(slot, &mut clk.words_mut()[plan.words.clone()]);
                presence |= u16::from(known) << bit;
            }
        }
        for (bit, plan) in encoder.fields.iter().enumerate() {
            if presence >> bit & 1 == 0
                && let Some(value) = record[plan.index].as_ref().map(AsRef::as_ref).filter(|value| !value.is_empty())
            {
                let (slot, words) = (memory.slots[first + bit], &mut clk.words_mut()[plan.words.clone()]);
                presence |= u16::from(memory.encode_field(bit, plan, value, slot, words)) << bit;
            }
        }
        presence
    }

    /// The same with a salt: nothing is remembered but the values of the salt's own field.
    fn salted_filter<S: AsRef<str>>(&mut self, salt: Salt, record: &[Option<S>], clk: &mut Clk) -> u16 {
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
        presence
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
        let idle = (thread::current().id(), memory);
        self.encoder.idle.lock().unwrap_or_else(PoisonError::into_inner).push(idle);
    }
}
