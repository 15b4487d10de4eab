//! Rows whose refs begin alike, and the order of them.

use std::hint::black_box;

use super::key_of;

/// Rows that are kept in one piece of memory: pieces never grow, so that no row is moved.
const BLOCK_ROWS: usize = 128;

/// Rows that are fetched from memory at a time.
const FETCHED_ROWS: usize = 16;

/// The rows of one bucket. They stay where they are when they are put in order.
#[derive(Clone, Default)]
pub(super) struct Bucket {
    blocks: Vec<Vec<u8>>,
    rows: u32,
    /// The indices of the rows in their order, after [`Bucket::sort`].
    order: Vec<u32>,
    /// Of those the ones with the ref of a row before them.
    later: Vec<u32>,
}

impl Bucket {
    pub(super) fn push(&mut self, row: &[u8]) {
        let block = self.rows as usize / BLOCK_ROWS;
        if block == self.blocks.len() {
            self.blocks.push(Vec::with_capacity(BLOCK_ROWS * row.len()));
        }
        self.blocks[block].extend_from_slice(row);
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
    }

    pub(super) fn sort(&mut self, width: usize) {
        // Most keys differ in their first eight bytes already.
        let mut keys: Vec<(u64, u32)> = Vec::with_capacity(self.rows as usize);
        for (row, index) in self.blocks.iter().flat_map(|block| block.chunks_exact(width)).zip(0..) {
            keys.push((u64::from_be_bytes(*row.first_chunk().expect("a row begins with its key")), index));
        }
        keys.sort_unstable();
        let mut later = Vec::new();
        for alike in keys.chunk_by_mut(|a, b| a.0 == b.0).filter(|alike| alike.len() > 1) {
            let full = |index: u32| key_of(self.row(index, width));
            alike.sort_unstable_by_key(|(_, index)| full(*index));
            let pairs = alike.windows(2).filter(|pair| full(pair[0].1).0 == full(pair[1].1).0);
            later.extend(pairs.map(|pair| pair[1].1));
        }
        self.later = later;
        self.order.clear();
        self.order.extend(keys.iter().map(|(_, index)| index));
    }

    /// The rows in order.
    pub(super) fn in_order(&self, width: usize) -> impl Iterator<Item = &[u8]> {
        let row = move |index: &u32| self.row(*index, width);
        self.order.chunks(FETCHED_ROWS).flat_map(move |group| {
            // They lie anywhere: asked for together, they are waited for together.
            for row in group.iter().map(row) {
                black_box(row[0] ^ row[width / 2] ^ row[width - 1]);
            }
            group.iter().map(row)
        })
    }

    /// The rows with the ref of one before them.
    pub(super) fn later(&self, width: usize) -> impl Iterator<Item = &[u8]> {
        self.later.iter().map(move |&index| self.row(index, width))
    }

    #[inline]
    fn row(&self, index: u32, width: usize) -> &[u8] {
        let index = index as usize;
        &self.blocks[index / BLOCK_ROWS][index % BLOCK_ROWS * width..][..width]
    }
}
