//! Entries of one width in a piece of memory, found by their keys.

use zeroize::Zeroize;

use crate::dice::prefetch;

/// Entries that an index set can name.
const WAYS: usize = 4;

/// Bits of the index that number an entry; the others are a part of its hash, so that few others are looked at.
const NUMBER_BITS: u32 = 18;

const NUMBERS: u32 = (1 << NUMBER_BITS) - 1;

/// Sets of a new index.
const FIRST_SETS: usize = 256;

/// A table whose entries begin with a key of `KEY` words that is not all zero.
#[derive(Default)]
pub(super) struct Table<const KEY: usize> {
    /// By hash: tag and number of up to four entries; 0 names none.
    index: Vec<[u32; WAYS]>,
    /// The first entry is all zero and stands for none.
    entries: Vec<u64>,
    width: usize,
    most_words: usize,
    was_full: bool,
}

impl<const KEY: usize> Table<KEY> {
    /// Must be called before anything else, with the same numbers each time: the words of an entry, and how many bytes
    /// the entries may take.
    #[inline]
    pub(super) fn prepare(&mut self, width: usize, bytes: usize) {
        if self.index.is_empty() {
            self.width = width;
            self.most_words = (bytes / 8 / width).clamp(2, NUMBERS as usize) * width;
            self.empty();
        }
    }

    /// Whether the table has ever been emptied because it was full.
    pub(super) fn was_full(&self) -> bool {
        self.was_full
    }

    /// Where the entry of a key with this hash begins, if there is one. Whether it is of this key, its key tells.
    #[inline]
    pub(super) fn find(&self, hash: u64) -> usize {
        // A number of sets is a power of two.
        let ways = &self.index[hash as usize & (self.index.len() - 1)];
        let tag = tag(hash);
        let found = ways.iter().fold(0, |found, way| if way & !NUMBERS == tag { way & NUMBERS } else { found });
        found as usize * self.width
    }

    /// The entry that begins at a place that was found, or another one when the table has been emptied since.
    #[inline]
    pub(super) fn entry(&self, at: usize) -> &[u64] {
        let at = if at < self.entries.len() { at } else { 0 };
        &self.entries[at..at + self.width]
    }

    /// Has the processor fetch the part of the index that names the entries of this hash.
    #[inline]
    pub(super) fn touch_index(&self, hash: u64) {
        prefetch(&self.index[hash as usize & (self.index.len() - 1)]);
    }

    /// Has the processor fetch the entry that begins at a place that was found.
    #[inline]
    pub(super) fn touch(&self, at: usize) {
        prefetch(self.entry(at));
    }

    /// Where the entry that was made last begins.
    pub(super) fn last(&self) -> usize {
        self.entries.len() - self.width
    }

    /// Makes room for the entry of this key: what comes after the key is to be filled.
    pub(super) fn insert(&mut self, hash: u64, key: &[u64; KEY]) -> &mut [u64] {
        if self.entries.len() == self.most_words {
            self.was_full = true;
            self.empty();
        }
        let at = self.entries.len();
        self.entries.extend_from_slice(key);
        self.entries.resize(at + self.width, 0);
        if at / self.width > self.index.len() * WAYS / 2 {
            self.widen();
        } else {
            self.name(hash, (at / self.width) as u32);
        }
        &mut self.entries[at + KEY..]
    }

    /// Puts the number of an entry into the index: in place of one of its tag, of none, or of any.
    fn name(&mut self, hash: u64, number: u32) {
        let mask = self.index.len() - 1;
        let (ways, tag) = (&mut self.index[hash as usize & mask], tag(hash));
        let same = ways.iter().position(|way| way & !NUMBERS == tag);
        let way = same.or_else(|| ways.iter().position(|way| *way == 0)).unwrap_or(number as usize % WAYS);
        ways[way] = tag | number;
    }

    /// Doubles the index, and names all entries anew.
    fn widen(&mut self) {
        let sets = self.index.len() * 2;
        self.index.clear();
        self.index.resize(sets, [0; WAYS]);
        for number in 1..self.entries.len() / self.width {
            let key = self.entries[number * self.width..].first_chunk::<KEY>().expect("an entry begins with its key");
            self.name(mix(key), number as u32);
        }
    }

    fn empty(&mut self) {
        let sets = self.index.len().max(FIRST_SETS);
        self.index.clear();
        self.index.resize(sets, [0; WAYS]);
        self.wipe();
        // All at once, so that no copy is left behind; the memory is not touched before it is needed.
        self.entries.reserve_exact(self.most_words);
        self.entries.resize(self.width, 0);
    }

    fn wipe(&mut self) {
        // The slice and not the vector, which would write to memory that has never been used.
        self.entries.as_mut_slice().zeroize();
        self.entries.clear();
    }
}

impl<const KEY: usize> Drop for Table<KEY> {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// The bits of a hash that the index keeps; never none, so that no key has the tag of an empty place.
#[inline]
fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32 & !NUMBERS | 1 << 31
}

/// A quick hash; it chooses a place and nothing else.
#[inline]
pub(super) fn mix(words: &[u64]) -> u64 {
    let mut state = 0xf39c_c060_5ced_c835;
    for word in words {
        let product = u128::from(state ^ word) * 0x9e37_79b9_7f4a_7c15;
        state = (product as u64) ^ ((product >> 64) as u64);
    }
    state
}
