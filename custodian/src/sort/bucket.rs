//! Rows whose refs begin alike, and the order of them.

use linkage_core::dice::prefetch;

use super::key_of;

/// Rows that are kept in one piece of memory: pieces never grow, so that no row is moved.
const BLOCK_ROWS: usize = 128;

/// How many rows ahead rows are fetched from memory.
const FETCHED_ROWS: usize = 16;

/// The rows of one bucket. They stay where they are when they are put in order.
#[derive(Clone, Default)]
pub(super) struct Bucket {
    blocks: Vec<Vec<u8>>,
    rows: u32,
    /// The first eight bytes of every row, until they are put in order.
    keys: Vec<u64>,
    /// In the order of the rows, after [`Bucket::sort`]: the index of each in the lowest bits, behind a part of its key.
    order: Vec<u64>,
    /// The indices of the rows with the ref of a row before them.
    later: Vec<u32>,
}

impl Bucket {
    pub(super) fn push(&mut self, row: &[u8]) {
        let block = self.rows as usize / BLOCK_ROWS;
        if block == self.blocks.len() {
            self.blocks.push(Vec::with_capacity(BLOCK_ROWS * row.len()));
        }
        self.blocks[block].extend_from_slice(row);
        self.keys.push(u64::from_be_bytes(*row.first_chunk().expect("a row begins with its key")));
        self.rows += 1;
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows.into()
    }

    pub(super) fn clear(&mut self) {
        self.blocks.iter_mut().for_each(Vec::clear);
        self.rows = 0;
        self.order.clear();
        self.later.clear();
        // The longer of the two is used again.
        std::mem::swap(&mut self.keys, &mut self.order);
    }

    /// Puts the rows in order that have been pushed since the bucket was empty.
    pub(super) fn sort(&mut self, width: usize) {
        if self.keys.is_empty() {
            return;
        }
        // One number per row: of its first eight bytes the second to the last, for the first is that of the bucket, and in
        // place of the lowest bits its index. Most keys differ in those bytes already.
        let mask = self.index_mask();
        let mut order = std::mem::take(&mut self.keys);
        for (key, index) in order.iter_mut().zip(0..) {
            *key = ((*key << 8) & !mask) | index;
        }
        order.sort_unstable();
        let full = |key: u64| key_of(self.row(key & mask, width));
        let mut later = Vec::new();
        for alike in order.chunk_by_mut(|a, b| (a ^ b) & !mask == 0).filter(|alike| alike.len() > 1) {
            alike.sort_unstable_by_key(|key| full(*key));
            let pairs = alike.windows(2).filter(|pair| full(pair[0]).0 == full(pair[1]).0);
            later.extend(pairs.map(|pair| (pair[1] & mask) as u32));
        }
        (self.order, self.later) = (order, later);
    }

    /// The bits of an order that are an index.
    fn index_mask(&self) -> u64 {
        (1 << (u32::BITS - self.rows.leading_zeros())) - 1
    }

    /// The rows in order.
    pub(super) fn in_order(&self, width: usize) -> impl Iterator<Item = &[u8]> {
        let mask = self.index_mask();
        let row = move |key: &u64| self.row(key & mask, width);
        self.order.iter().enumerate().map(move |(place, key)| {
            // They lie anywhere: many are waited for at a time.
            if let Some(later) = self.order.get(place + FETCHED_ROWS) {
                prefetch(row(later));
            }
            row(key)
        })
    }

    /// The rows with the ref of one before them.
    pub(super) fn later(&self, width: usize) -> impl Iterator<Item = &[u8]> {
        self.later.iter().map(move |&index| self.row(index.into(), width))
    }

    #[inline]
    fn row(&self, index: u64, width: usize) -> &[u8] {
        let index = index as usize;
        &self.blocks[index / BLOCK_ROWS][index % BLOCK_ROWS * width..][..width]
    }
}
