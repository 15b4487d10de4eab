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
const VALUE_BYTES: usize = 1024 * 1024;

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
    keys: Vec<[u64; 4]>,
    filters: Vec<u64>,
}

/// Where a value's filter is kept.
#[derive(Clone, Copy)]
pub(super) struct ValueSlot {
    key: [u64; 4],
    index: usize,
}

impl ValueMemo {
    /// The slot of a value; `None` when it is too long to be remembered.
    #[inline]
    pub(super) fn slot(&mut self, value: &str, words: usize) -> Option<ValueSlot> {
        if value.len() > MAX_VALUE_LEN {
            return None;
        }
        if self.keys.is_empty() {
            let slots = VALUE_BYTES / (words * 8);
            self.keys.resize(slots, [0; 4]);
            self.filters.resize(slots * words, 0);
        }
        let mut bytes = [0; 32];
        bytes[..value.len()].copy_from_slice(value.as_bytes());
        // The length and a mark that is never zero, so that a fresh slot equals none.
        bytes[31] = value.len() as u8 | 0x80;
        let mut key = [0; 4];
        for (word, chunk) in key.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*chunk);
        }
        Some(ValueSlot { key, index: mix(&key) % self.keys.len() })
    }

    /// The filter in a slot, if it is that of the slot's value.
    #[inline]
    pub(super) fn get(&self, slot: ValueSlot, words: usize) -> Option<&[u64]> {
        (self.keys[slot.index] == slot.key).then(|| &self.filters[slot.index * words..][..words])
    }

    /// Remembers a filter.
    pub(super) fn put(&mut self, slot: ValueSlot, filter: &[u64]) {
        self.keys[slot.index] = slot.key;
        self.filters[slot.index * filter.len()..][..filter.len()].copy_from_slice(filter);
    }
}

impl Drop for GramMemo {
    fn drop(&mut self) {
        self.slots.iter_mut().for_each(|(key, _)| key.zeroize());
    }
}

impl Drop for ValueMemo {
    fn drop(&mut self) {
        self.keys.iter_mut().for_each(|key| key.zeroize());
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
