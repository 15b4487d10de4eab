//! What a worker remembers: the filters of q-grams and of whole values.
//!
//! Names, dates and places repeat, hashing them again does not pay. Both tables are direct-mapped: a slot holds the
//! last entry that fell into it, so memory is bounded, nothing is ever evicted at length, and a wrong guess costs a
//! recomputation and never a wrong bit. What they hold is wiped when the worker's memory goes.

use zeroize::Zeroize;

use super::draw::{Draw, unite};
use super::features::Message;

/// Each of the two tables of a field takes at most this many bytes.
const TABLE_BYTES: usize = 2 * 1024 * 1024;

/// Longer values are rare and repeat less: they are not remembered.
const MAX_VALUE_LEN: usize = 30;

/// The draws of one field's messages, each for a number of positions.
#[derive(Default)]
pub(super) struct GramMemo {
    /// Per slot the message and the number, the draw, and the filter.
    entries: Vec<u64>,
    mask: usize,
}

const GRAM_WORDS: usize = 5;

impl GramMemo {
    /// Adds the bits of the first `count` positions of a message to `filter`, remembered or made.
    #[inline]
    pub(super) fn merge(
        &mut self,
        message: &Message,
        count: usize,
        filter: &mut [u64],
        make: impl FnOnce(&mut [u64]) -> Draw,
    ) -> Draw {
        let width = GRAM_WORDS + filter.len();
        if self.entries.is_empty() {
            self.mask = grow(&mut self.entries, width);
        }
        // A filter has at most 4096 bits, and a field draws no more than that.
        let key = message.key(count as u16);
        let (head, bits) = self.entries[(mix(&key) & self.mask) * width..][..width].split_at_mut(GRAM_WORDS);
        // No message is empty, so a fresh slot equals none.
        if (head[0] ^ key[0]) | (head[1] ^ key[1]) | (head[2] ^ key[2]) != 0 {
            let draw = make(bits);
            head[..3].copy_from_slice(&key);
            head[3] = draw.rank;
            head[4] = draw.next.into();
        }
        unite(filter, bits);
        Draw { rank: head[3], next: head[4] as u16 }
    }
}

/// The filters of one field's values.
#[derive(Default)]
pub(super) struct ValueMemo {
    /// Per slot the key of a value, and its filter next to it: what is looked at together lies together.
    entries: Vec<u64>,
    mask: usize,
    /// Look-ups of the present period, and how many of them found something.
    tries: u32,
    hits: u32,
    /// Values to let pass before looking again.
    rest: u32,
}

/// After so many look-ups it is judged whether the values of a field repeat enough to be remembered.
const PERIOD: u32 = 4096;

/// Where they do not, as with dates of birth, the table is left alone for so many values.
const REST: u32 = 16 * PERIOD;

const KEY_WORDS: usize = 4;

/// Where a value's filter is kept.
#[derive(Clone, Copy)]
pub(super) struct ValueSlot {
    key: [u64; KEY_WORDS],
    index: usize,
}

impl ValueMemo {
    /// The slot of a value; `None` when it is too long to be remembered, or the field's values hardly repeat.
    #[inline]
    pub(super) fn slot(&mut self, value: &str, words: usize) -> Option<ValueSlot> {
        if self.rest > 0 {
            self.rest -= 1;
            return None;
        }
        if value.len() > MAX_VALUE_LEN {
            return None;
        }
        if self.entries.is_empty() {
            self.mask = grow(&mut self.entries, KEY_WORDS + words);
        }
        let key = value_key(value.as_bytes());
        Some(ValueSlot { key, index: mix(&key) & self.mask })
    }

    /// Adds the value's filter to the CLK if it is known; tells whether it is.
    ///
    /// Without a branch: the memory of the next field's slot is then asked for before this one's has arrived, and
    /// waiting for memory is most of the time here.
    #[inline]
    pub(super) fn merge_known(&mut self, slot: ValueSlot, clk: &mut [u64]) -> bool {
        let (key, filter) = self.entries[slot.index * (KEY_WORDS + clk.len())..].split_at(KEY_WORDS);
        let difference = key.iter().zip(&slot.key).fold(0, |difference, (a, b)| difference | (a ^ b));
        let known = u64::from(difference == 0).wrapping_neg();
        if let (Ok(clk), Some(filter)) = (<&mut [u64; 16]>::try_from(&mut *clk), filter.first_chunk::<16>()) {
            clk.iter_mut().zip(filter).for_each(|(word, more)| *word |= more & known);
        } else {
            clk.iter_mut().zip(filter).for_each(|(word, more)| *word |= more & known);
        }
        self.tries += 1;
        self.hits += u32::from(difference == 0);
        if self.tries == PERIOD {
            self.rest = if self.hits < PERIOD / 3 { REST } else { 0 };
            (self.tries, self.hits) = (0, 0);
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
        self.entries.zeroize();
    }
}

impl Drop for ValueMemo {
    fn drop(&mut self) {
        self.entries.zeroize();
    }
}

/// A value of at most 30 bytes as numbers; the last byte is its length with a mark, so that a fresh slot equals none.
///
/// Word by word, because a copy of unknown length is a call.
#[inline]
fn value_key(value: &[u8]) -> [u64; KEY_WORDS] {
    let mut key = [0; KEY_WORDS];
    let (chunks, rest) = value.as_chunks::<8>();
    for (word, chunk) in key.iter_mut().zip(chunks) {
        *word = u64::from_le_bytes(*chunk);
    }
    // Parts that overlap hold the same bits there.
    let (len, byte) = (rest.len(), |at: usize| u64::from(rest[at]) << (8 * at));
    key[chunks.len()] = match (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << (8 * (len - 4))
        }
        _ if len > 0 => byte(0) | byte(len / 2) | byte(len - 1),
        _ => 0,
    };
    key[KEY_WORDS - 1] |= (value.len() as u64 | 0x80) << 56;
    key
}

/// Makes room for slots of this many words; their number less one, as they are a power of two.
fn grow(entries: &mut Vec<u64>, width: usize) -> usize {
    // At most 4096 bits make a filter, so there is more than one slot.
    let slots = 1 << (TABLE_BYTES / (width * 8)).ilog2();
    entries.resize(slots * width, 0);
    slots - 1
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_and_its_length_are_its_key() {
        let text: Vec<u8> = (1..=MAX_VALUE_LEN as u8).collect();
        for len in 0..=MAX_VALUE_LEN {
            let mut bytes = [0; 32];
            bytes[..len].copy_from_slice(&text[..len]);
            bytes[31] = len as u8 | 0x80;
            let found: Vec<u8> = value_key(&text[..len]).iter().flat_map(|word| word.to_le_bytes()).collect();
            assert_eq!(found, bytes);
        }
    }
}
