//! What a worker remembers: the positions of q-grams and the filters of whole values.
//!
//! Names, dates and places repeat, hashing them again does not pay. Both tables are direct-mapped: a slot holds the
//! last entry that fell into it, so memory is bounded, nothing is ever evicted at length, and a wrong guess costs a
//! recomputation and never a wrong bit. What they hold is wiped when the worker's memory goes.

use zeroize::Zeroize;

use super::draw::Draw;
use super::features::Message;

const GRAM_SLOTS: usize = 4096;

/// Filters remembered per field take at most this many bytes.
const VALUE_BYTES: usize = 2 * 1024 * 1024;

/// Longer values are rare and repeat less: they are not remembered.
const MAX_VALUE_LEN: usize = 30;

/// The draws of one field's messages.
#[derive(Default)]
pub(super) struct GramMemo {
    slots: Vec<([u64; 3], Draw)>,
}

impl GramMemo {
    /// The draw of a message, remembered or made.
    #[inline]
    pub(super) fn draw(&mut self, message: &Message, make: impl FnOnce(&Message) -> Draw) -> Draw {
        if self.slots.is_empty() {
            self.slots.resize(GRAM_SLOTS, ([0; 3], Draw::EMPTY));
        }
        let key = message.as_words();
        let slot = &mut self.slots[mix(&key) % GRAM_SLOTS];
        // No message is empty, so a fresh slot equals none.
        if slot.0 != key {
            *slot = (key, make(message));
        }
        slot.1
    }
}

/// The filters of one field's values.
#[derive(Default)]
pub(super) struct ValueMemo {
    /// Per slot the key of a value, and its filter next to it: what is looked at together lies together.
    entries: Vec<u64>,
    mask: usize,
}

const KEY_WORDS: usize = 4;

/// Where a value's filter is kept.
#[derive(Clone, Copy)]
pub(super) struct ValueSlot {
    key: [u64; KEY_WORDS],
    index: usize,
}

impl ValueMemo {
    /// The slot of a value; `None` when it is too long to be remembered.
    #[inline]
    pub(super) fn slot(&mut self, value: &str, words: usize) -> Option<ValueSlot> {
        if value.len() > MAX_VALUE_LEN {
            return None;
        }
        if self.entries.is_empty() {
            // A power of two: at most 4096 bits make a filter, so this is never zero.
            let slots = 1 << (VALUE_BYTES / (words * 8)).ilog2();
            self.entries.resize(slots * (KEY_WORDS + words), 0);
            self.mask = slots - 1;
        }
        let mut bytes = [0; 32];
        bytes[..value.len()].copy_from_slice(value.as_bytes());
        // The length and a mark that is never zero, so that a fresh slot equals none.
        bytes[31] = value.len() as u8 | 0x80;
        let mut key = [0; KEY_WORDS];
        for (word, chunk) in key.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*chunk);
        }
        Some(ValueSlot { key, index: mix(&key) & self.mask })
    }

    /// Adds the value's filter to the CLK if it is known; tells whether it is.
    ///
    /// Without a branch: the memory of the next field's slot is then asked for before this one's has arrived, and
    /// waiting for memory is most of the time here.
    #[inline]
    pub(super) fn merge_known(&self, slot: ValueSlot, clk: &mut [u64]) -> bool {
        let (key, filter) = self.entries[slot.index * (KEY_WORDS + clk.len())..].split_at(KEY_WORDS);
        let difference = key.iter().zip(&slot.key).fold(0, |difference, (a, b)| difference | (a ^ b));
        let known = u64::from(difference == 0).wrapping_neg();
        for (word, more) in clk.iter_mut().zip(filter) {
            *word |= more & known;
        }
        difference == 0
    }

    /// Remembers a filter.
    pub(super) fn put(&mut self, slot: ValueSlot, filter: &[u64]) {
        let entry = &mut self.entries[slot.index * (KEY_WORDS + filter.len())..][..KEY_WORDS + filter.len()];
        entry[..KEY_WORDS].copy_from_slice(&slot.key);
        entry[KEY_WORDS..].copy_from_slice(filter);
    }
}

impl Drop for GramMemo {
    fn drop(&mut self) {
        self.slots.iter_mut().for_each(|(key, _)| key.zeroize());
    }
}

impl Drop for ValueMemo {
    fn drop(&mut self) {
        self.entries.zeroize();
    }
}

/// A quick hash; it chooses a slot and nothing else.
#[inline]
fn mix(words: &[u64]) -> usize {
    let mut state = 0xf39c_c060_5ced_c835;
    for word in words {
        let product = u128::from(state ^ word) * 0x9e37_79b9_7f4a_7c15;
        state = (product as u64) ^ ((product >> 64) as u64);
    }
    (state >> 20) as usize
}
