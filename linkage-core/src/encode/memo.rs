//! What a worker remembers: the filters of q-grams and of whole values.
//!
//! Names, dates and places repeat: hashing them again does not pay. What is remembered lies packed in the order in which
//! it was first seen, so that memory is touched only as far as it is needed and what is frequent lies together; a small
//! index finds it. A full table is emptied, so memory is bounded, and a wrong guess costs a recomputation and never a
//! wrong bit. What the tables hold is wiped when the worker's memory goes.

mod table;

use super::draw::{Draw, unite};
use super::features::Message;
use table::{Table, mix};

/// What the q-grams of a field may take at most.
const GRAM_BYTES: usize = 2 * 1024 * 1024;

/// What the values of a field may take at most: enough for all days of a century in filters of 1024 bits.
const VALUE_BYTES: usize = 6 * 1024 * 1024;

/// Longer values are rare and repeat less: they are not remembered.
const MAX_VALUE_LEN: usize = 30;

/// The message and the number of positions.
const GRAM_KEY: usize = 3;

/// Before the filter: the key, and the draw.
const GRAM_WORDS: usize = GRAM_KEY + 2;

/// The draws of one field's messages, each for a number of positions.
#[derive(Default)]
pub(super) struct GramMemo {
    table: Table<GRAM_KEY>,
    /// The hashes of the messages at hand, and where their entries begin.
    places: Vec<(u64, usize)>,
}

impl GramMemo {
    /// Adds the bits of the first `count` positions of each message to `filter`, remembered or made, and appends the
    /// draws.
    ///
    /// `make` draws a message into a filter.
    #[inline]
    pub(super) fn merge(
        &mut self,
        messages: &[Message],
        count: usize,
        filter: &mut [u64],
        draws: &mut Vec<Draw>,
        mut make: impl FnMut(&Message, &mut [u64]) -> Draw,
    ) {
        let Self { table, places } = self;
        table.prepare(GRAM_WORDS + filter.len(), GRAM_BYTES);
        // A filter has at most 4096 bits, and a field draws no more than that.
        let count = count as u16;
        places.clear();
        // Three passes, so that what one message waits for is fetched for all of them.
        places.extend(messages.iter().map(|message| {
            let hash = mix(&message.key(count));
            table.touch_index(hash);
            (hash, 0)
        }));
        for (hash, at) in places.iter_mut() {
            *at = table.find(*hash);
            table.touch(*at);
        }
        draws.extend(messages.iter().zip(places.iter()).map(|(message, &(hash, at))| {
            let key = message.key(count);
            let (head, bits) = table.entry(at).split_at(GRAM_WORDS);
            // No message is empty, so the entry that stands for none equals none.
            if (head[0] ^ key[0]) | (head[1] ^ key[1]) | (head[2] ^ key[2]) == 0 {
                unite(filter, bits);
                return Draw { rank: head[3], next: head[4] as u16 };
            }
            let (head, bits) = table.insert(hash, &key).split_at_mut(GRAM_WORDS - GRAM_KEY);
            let draw = make(message, bits);
            head.copy_from_slice(&[draw.rank, draw.next.into()]);
            unite(filter, bits);
            draw
        }));
    }
}

/// Characters of a run.
pub(super) const RUN: usize = 4;

/// Before the filter: the key, the ranks, and the next positions side by side.
const RUN_WORDS: usize = 1 + RUN + 1;

/// The draws of up to four neighbouring characters at their places, together: a date is then two look-ups in a table of a
/// few hundred entries, which stays in the nearest caches where one of all dates does not.
#[derive(Default)]
pub(super) struct RunMemo {
    table: Table<1>,
}

impl RunMemo {
    /// Adds the bits of the first `count` positions of each character to `filter`, remembered or made, and appends the
    /// draws. `number` is the run's number in its value, at most 15.
    ///
    /// `make` draws a character, by its place in the run, into a filter.
    #[inline]
    pub(super) fn merge(
        &mut self,
        number: usize,
        run: &[u8],
        count: usize,
        filter: &mut [u64],
        draws: &mut Vec<Draw>,
        mut make: impl FnMut(usize, &mut [u64]) -> Draw,
    ) {
        self.table.prepare(RUN_WORDS + filter.len(), GRAM_BYTES);
        let text = run.iter().rev().fold(0, |text, byte| text << 8 | u64::from(*byte));
        // A run is not empty, so no key is zero; a field draws at most 4096 positions.
        let key = [text | (run.len() as u64) << 32 | (number as u64) << 40 | (count as u64) << 48];
        let hash = mix(&key);
        let (mut at, width) = (self.table.find(hash), RUN_WORDS + filter.len());
        if self.table.entry(at)[0] != key[0] {
            let (head, bits) = self.table.insert(hash, &key).split_at_mut(RUN_WORDS - 1);
            let mut one = vec![0; bits.len()];
            for place in 0..run.len() {
                let draw = make(place, &mut one);
                unite(bits, &one);
                head[place] = draw.rank;
                head[RUN] |= u64::from(draw.next) << (16 * place);
            }
            at = self.table.last();
        }
        let (head, bits) = self.table.entry(at)[..width].split_at(RUN_WORDS);
        unite(filter, bits);
        let nexts = head[1 + RUN];
        draws.extend((0..run.len()).map(|place| Draw { rank: head[1 + place], next: (nexts >> (16 * place)) as u16 }));
    }
}

/// The filters of one field's values.
#[derive(Default)]
pub(super) struct ValueMemo {
    table: Table<VALUE_KEY>,
    /// Look-ups of the present period, and how many of them found something.
    tries: u32,
    hits: u32,
    /// Values to let pass before looking again.
    rest: u32,
}

/// After so many look-ups it is judged whether the values of a field repeat enough to be remembered.
const PERIOD: u32 = 8192;

/// Where they do not, as with numbers of insured persons, the table is left alone for so many values.
const REST: u32 = 16 * PERIOD;

const VALUE_KEY: usize = 4;

/// Where a value's filter is kept.
#[derive(Clone, Copy)]
pub(super) struct ValueSlot {
    key: [u64; VALUE_KEY],
    hash: u64,
    at: usize,
}

impl ValueMemo {
    /// The slot of a value, yet to be [located](Self::locate); `None` when it is too long to be remembered, or the field's
    /// values hardly repeat.
    #[inline]
    pub(super) fn slot(&mut self, value: &str, words: usize) -> Option<ValueSlot> {
        if self.rest > 0 {
            self.rest -= 1;
            return None;
        }
        if value.len() > MAX_VALUE_LEN {
            return None;
        }
        self.table.prepare(VALUE_KEY + words, VALUE_BYTES);
        let key = value_key(value.as_bytes());
        let hash = mix(&key);
        self.table.touch_index(hash);
        Some(ValueSlot { key, hash, at: 0 })
    }

    /// Finds where the value of a slot is kept, if it is.
    ///
    /// In a second pass over many slots: what the index says has then arrived for all of them, and the processor fetches
    /// the entry of one while it looks for those of others.
    #[inline]
    pub(super) fn locate(&self, slot: &mut ValueSlot) {
        slot.at = self.table.find(slot.hash);
        self.table.touch(slot.at);
    }

    /// Adds the value's filter to the CLK if it is known; tells whether it is.
    ///
    /// Without a branch: the memory of the next field's slot is then asked for before this one's has arrived, and
    /// waiting for memory is most of the time here.
    #[inline]
    pub(super) fn merge_known(&mut self, slot: &ValueSlot, clk: &mut [u64]) -> bool {
        let (key, filter) = self.table.entry(slot.at).split_at(VALUE_KEY);
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
            self.judge();
        }
        difference == 0
    }

    /// While there is room, values that will repeat often have yet repeated seldom; once the table has been full, those
    /// that are left do not repeat.
    fn judge(&mut self) {
        let least = if self.table.was_full() { PERIOD / 4 } else { PERIOD / 16 };
        self.rest = if self.hits < least { REST } else { 0 };
        (self.tries, self.hits) = (0, 0);
    }

    /// Remembers a filter.
    pub(super) fn put(&mut self, slot: &ValueSlot, filter: &[u64]) {
        self.table.insert(slot.hash, &slot.key).copy_from_slice(filter);
    }
}

/// A value of at most 30 bytes as numbers; the last byte is its length with a mark, so that the entry that stands for
/// none equals none.
///
/// Word by word, because a copy of unknown length is a call.
#[inline]
fn value_key(value: &[u8]) -> [u64; VALUE_KEY] {
    let mut key = [0; VALUE_KEY];
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
    key[VALUE_KEY - 1] |= (value.len() as u64 | 0x80) << 56;
    key
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

    #[test]
    fn values_are_remembered_and_forgotten_as_a_whole_and_never_confused() {
        let mut memo = ValueMemo::default();
        let filter = |value: u64| [value.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1; 16];
        let (mut clk, mut found) = ([0; 16], 0);
        // More than fit, each of them twice in a row; every other pass over them is a new one.
        for value in (0..60_000).flat_map(|value| [value, value]).chain(0..60_000) {
            let Some(mut slot) = memo.slot(&value.to_string(), 16) else { continue };
            memo.locate(&mut slot);
            clk.fill(0);
            if memo.merge_known(&slot, &mut clk) {
                assert_eq!(clk, filter(value));
                found += 1;
            } else {
                assert_eq!(clk, [0; 16]);
                memo.put(&slot, &filter(value));
            }
        }
        assert!(memo.table.was_full() && found >= 60_000, "{found}");
    }

    #[test]
    fn values_that_never_repeat_are_soon_left_alone() {
        let mut memo = ValueMemo::default();
        let mut looked_up = 0;
        for value in 0..3 * (PERIOD + REST) {
            if let Some(mut slot) = memo.slot(&value.to_string(), 1) {
                looked_up += 1;
                memo.locate(&mut slot);
                memo.merge_known(&slot, &mut [0]);
                memo.put(&slot, &[1]);
            }
        }
        assert_eq!(looked_up, 3 * PERIOD);
    }
}
