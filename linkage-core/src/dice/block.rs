//! CLKs laid out for comparison.

use std::mem::size_of;
use std::ops::Range;

use super::error::BlockError;
use super::segments::MAX_SEGMENTS;

/// Rows that are compared side by side: one 64-bit lane each.
pub(super) const LANES: usize = 8;

/// Longest CLK in words (4096 bits).
const MAX_WORDS: usize = 64;

/// One word of eight rows: a cache line, and one 512-bit register.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub(super) struct Lanes(pub(super) [u64; LANES]);

/// Popcounts of eight rows. No CLK has more than 4096 bits, so 16 bits hold them.
pub(super) type Counts = [u16; LANES];

/// CLKs of one length in a lane-transposed layout, with their popcounts.
///
/// Rows are kept in groups of eight; within a group lie word 0 of all eight rows, then word 1, and so on, so that one
/// aligned load brings one word of eight rows. The last group is filled up with zeros, which match nothing. Beside the
/// words are the popcounts of rows and of words, which bound what a half-finished comparison can still reach.
///
/// Rows of segmented tokens are grouped by their presence pattern, see [`segmented`](Self::segmented): a block's *order*
/// then differs from the rows' numbers. Searches take ranges of the order and report numbers.
pub struct ClkBlock {
    words: usize,
    segments: usize,
    rows: usize,
    /// `words` per group.
    lanes: Vec<Lanes>,
    /// Popcounts of whole rows, per group.
    counts: Vec<Counts>,
    /// Popcounts of words, `words` per group.
    word_ones: Vec<[u8; LANES]>,
    /// Rows of one presence pattern each. Empty in composite blocks, where order, place and number are one.
    classes: Vec<Class>,
    /// The row's number, by place.
    number: Vec<u32>,
    /// The row's place, by number.
    place: Vec<u32>,
}

/// The rows of one presence pattern.
#[derive(Clone, Debug)]
pub(super) struct Class {
    /// Bit `s` when the rows have segment `s`.
    pub(super) pattern: u16,
    /// Where the rows lie in the block's order.
    pub(super) order: Range<usize>,
    /// The first row's place: eight times its group.
    pub(super) first: usize,
}

impl ClkBlock {
    /// An empty block for `capacity` CLKs of `clk_bytes` bytes each.
    ///
    /// # Errors
    /// When the length is not a multiple of 8 within 8..=512 bytes (64 to 4096 bits).
    pub fn with_capacity(clk_bytes: usize, capacity: usize) -> Result<Self, BlockError> {
        let words = clk_bytes / 8;
        if !clk_bytes.is_multiple_of(8) || !(1..=MAX_WORDS).contains(&words) {
            return Err(BlockError::Length { clk_bytes });
        }
        let groups = capacity.div_ceil(LANES);
        Ok(Self {
            words,
            segments: 1,
            rows: 0,
            lanes: Vec::with_capacity(groups * words),
            counts: Vec::with_capacity(groups),
            word_ones: Vec::with_capacity(groups * words),
            classes: Vec::new(),
            number: Vec::new(),
            place: Vec::new(),
        })
    }

    /// A block of the given CLKs, each of `clk_bytes` bytes.
    ///
    /// # Errors
    /// When `clk_bytes` is no CLK length, or a row has another length.
    pub fn from_rows<'a>(clk_bytes: usize, rows: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, BlockError> {
        let rows = rows.into_iter();
        let mut block = Self::with_capacity(clk_bytes, rows.size_hint().0)?;
        for row in rows {
            block.push(row)?;
        }
        Ok(block)
    }

    /// A block of segmented tokens: CLKs of `segments` equal parts, each with its presence pattern, in which bit `s` says
    /// whether the row has segment `s`.
    ///
    /// Pairs are then scored over the segments that both rows have. So that this costs nothing when pairs are compared,
    /// rows of one pattern lie together: the block's order is by pattern, then by number.
    ///
    /// # Errors
    /// When the length is no CLK length or does not divide into 1 to [`MAX_SEGMENTS`] segments of whole words, when a row has another
    /// length, or bits in a segment that its pattern says is absent.
    pub fn segmented<'a>(
        clk_bytes: usize,
        segments: usize,
        rows: impl IntoIterator<Item = (&'a [u8], u16)>,
    ) -> Result<Self, BlockError> {
        let mut block = Self::with_capacity(clk_bytes, 0)?;
        if !(1..=MAX_SEGMENTS).contains(&segments) || !block.words.is_multiple_of(segments) {
            return Err(BlockError::Segments { clk_bytes, segments });
        }
        block.segments = segments;
        let rows: Vec<(&[u8], u16)> = rows.into_iter().collect();
        let mut order: Vec<u32> = (0..).take(rows.len()).collect();
        order.sort_by_key(|row| rows[*row as usize].1);
        let classes = || order.chunk_by(|a, b| rows[*a as usize].1 == rows[*b as usize].1);
        let groups: usize = classes().map(|class| class.len().div_ceil(LANES)).sum();
        block.reserve(groups * LANES);
        block.classes.reserve_exact(classes().count());
        block.number.reserve_exact(groups * LANES);
        block.place = vec![0; rows.len()];
        let mut done = 0;
        for class in classes() {
            let (first, pattern) = (block.number.len(), rows[class[0] as usize].1);
            // The group before is full of rows or zeros: this class begins the next.
            block.rows = first;
            for number in class {
                let (clk, _) = rows[*number as usize];
                block.push(clk).map_err(|error| error.at_row(*number as usize))?;
                if let Some(segment) = (0..segments).find(|segment| {
                    pattern & 1 << segment == 0 && clk.chunks(clk_bytes / segments).nth(*segment).is_some_and(any_bit)
                }) {
                    return Err(BlockError::Absent { row: *number as usize, segment });
                }
                block.place[*number as usize] = block.number.len() as u32;
                block.number.push(*number);
            }
            block.number.resize(block.number.len().next_multiple_of(LANES), u32::MAX);
            block.classes.push(Class { pattern, order: done..done + class.len(), first });
            done += class.len();
        }
        block.rows = rows.len();
        Ok(block)
    }

    /// Makes room for `rows` more CLKs and no more than that, so that [`bytes_for`](Self::bytes_for) stays true.
    pub fn reserve(&mut self, rows: usize) {
        let groups = (self.rows + rows).div_ceil(LANES);
        self.lanes.reserve_exact((groups * self.words).saturating_sub(self.lanes.len()));
        self.counts.reserve_exact(groups.saturating_sub(self.counts.len()));
        self.word_ones.reserve_exact((groups * self.words).saturating_sub(self.word_ones.len()));
    }

    /// Appends a CLK to a composite block. An all-zero CLK matches nothing, so it also stands for a row that has none.
    ///
    /// # Errors
    /// When it is not of the block's length.
    pub fn push(&mut self, clk: &[u8]) -> Result<(), BlockError> {
        if clk.len() != self.words * 8 {
            return Err(BlockError::Ragged { row: self.rows, clk_bytes: clk.len(), expected: self.words * 8 });
        }
        let lane = self.rows % LANES;
        if lane == 0 {
            self.lanes.resize(self.lanes.len() + self.words, Lanes::default());
            self.counts.push([0; LANES]);
            self.word_ones.resize(self.word_ones.len() + self.words, [0; LANES]);
        }
        let from = self.rows / LANES * self.words;
        let mut all = 0;
        let words = self.lanes[from..].iter_mut().zip(&mut self.word_ones[from..]);
        for ((lanes, ones), bytes) in words.zip(clk.as_chunks::<8>().0) {
            let bits = u64::from_le_bytes(*bytes);
            lanes.0[lane] = bits;
            ones[lane] = bits.count_ones() as u8;
            all += bits.count_ones() as u16;
        }
        self.counts[self.rows / LANES][lane] = all;
        self.rows += 1;
        Ok(())
    }

    /// Rows held.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The rows' numbers in the block's order: the rows that a range of the order stands for.
    pub fn order(&self) -> impl Iterator<Item = u32> + '_ {
        let composite = if self.classes.is_empty() { self.rows } else { 0 };
        let filled = self.number.iter().copied().filter(|number| *number != u32::MAX);
        (0..composite as u32).chain(filled)
    }

    /// 64-bit words per row.
    pub fn words(&self) -> usize {
        self.words
    }

    /// Segments per row; 1 for composite tokens.
    pub fn segments(&self) -> usize {
        self.segments
    }

    /// The number of bits set in a row.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn popcount(&self, row: usize) -> u32 {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        let place = self.place.get(row).map_or(row, |place| *place as usize);
        self.counts(place / LANES)[place % LANES].into()
    }

    /// Memory that the block holds.
    pub fn bytes(&self) -> usize {
        self.lanes.capacity() * size_of::<Lanes>()
            + self.counts.capacity() * size_of::<Counts>()
            + self.word_ones.capacity() * LANES
            + self.classes.capacity() * size_of::<Class>()
            + (self.number.capacity() + self.place.capacity()) * size_of::<u32>()
    }

    /// Memory that a composite block of `rows` rows of `clk_bytes` bytes takes, to be reserved before it is built.
    pub fn bytes_for(clk_bytes: usize, rows: usize) -> usize {
        let words = clk_bytes.div_ceil(8);
        rows.div_ceil(LANES) * (words * (size_of::<Lanes>() + LANES) + size_of::<Counts>())
    }

    /// The most memory that a block of `rows` segmented tokens takes, to be reserved before it is built: up to a group of rows more
    /// for each presence pattern, and the rows' numbers.
    pub fn bytes_for_segmented(clk_bytes: usize, segments: usize, rows: usize) -> usize {
        let classes = rows.min(1 << segments.min(MAX_SEGMENTS));
        let places = (rows.div_ceil(LANES) + classes) * LANES;
        Self::bytes_for(clk_bytes, places) + classes * size_of::<Class>() + (places + rows) * size_of::<u32>()
    }

    /// The parts of a range of the order that lie in one class: its pattern, and their places.
    pub(super) fn parts(&self, order: &Range<usize>) -> Vec<(u16, Range<usize>)> {
        if self.classes.is_empty() {
            return vec![(u16::MAX, order.clone())];
        }
        let parts = self.classes.iter().map(|class| {
            let (start, end) = (order.start.max(class.order.start), order.end.min(class.order.end));
            let place = |at: usize| class.first + (at - class.order.start);
            (class.pattern, if start < end { place(start)..place(end) } else { 0..0 })
        });
        parts.filter(|(_, places)| !places.is_empty()).collect()
    }

    /// The number of the row at a place.
    pub(super) fn number(&self, place: u32) -> u32 {
        self.number.get(place as usize).copied().unwrap_or(place)
    }

    /// The words of a group of eight rows.
    pub(super) fn lanes(&self, group: usize) -> &[Lanes] {
        &self.lanes[group * self.words..][..self.words]
    }

    /// The popcounts of a group's rows.
    pub(super) fn counts(&self, group: usize) -> &Counts {
        &self.counts[group]
    }

    /// The popcounts of a group's words, row by row.
    pub(super) fn word_ones(&self, group: usize) -> &[[u8; LANES]] {
        &self.word_ones[group * self.words..][..self.words]
    }
}

fn any_bit(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| *byte != 0)
}

impl std::fmt::Debug for ClkBlock {
    /// Sizes only: no token bytes in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClkBlock")
            .field("rows", &self.rows)
            .field("words", &self.words)
            .field("segments", &self.segments)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_popcounts_are_those_of_the_rows() {
        let rows: Vec<Vec<u8>> = (0..13_u8).map(|row| (0..128).map(|byte| row.wrapping_mul(byte)).collect()).collect();
        let block = ClkBlock::from_rows(128, rows.iter().map(Vec::as_slice)).unwrap();
        assert_eq!((block.rows(), block.words(), block.segments()), (13, 16, 1));
        for (at, row) in rows.iter().enumerate() {
            let (group, lane) = (at / LANES, at % LANES);
            for (word, bytes) in row.chunks(8).enumerate() {
                let bits = u64::from_le_bytes(bytes.try_into().unwrap());
                assert_eq!(block.lanes(group)[word].0[lane], bits);
                assert_eq!(u32::from(block.word_ones(group)[word][lane]), bits.count_ones());
            }
            assert_eq!(block.popcount(at), row.iter().map(|byte| byte.count_ones()).sum::<u32>());
        }
    }

    #[test]
    fn rows_of_one_presence_pattern_lie_together_and_keep_their_numbers() {
        let rows: Vec<([u8; 16], u16)> = (0..30_u16)
            .map(|row| {
                let pattern = [3, 1, 2, 3][usize::from(row % 4)];
                let part = |bit: u16| if pattern & bit != 0 { [row as u8 + 1; 8] } else { [0; 8] };
                ([part(1), part(2)].concat().try_into().unwrap(), pattern)
            })
            .collect();
        let block = ClkBlock::segmented(16, 2, rows.iter().map(|(clk, pattern)| (&clk[..], *pattern))).unwrap();
        assert_eq!((block.rows(), block.words(), block.segments()), (30, 2, 2));
        let by_pattern = |from: u32| (from..30).step_by(4);
        let mut whole: Vec<u32> = by_pattern(0).chain(by_pattern(3)).collect();
        whole.sort_unstable();
        assert_eq!(
            block.order().collect::<Vec<_>>(),
            by_pattern(1).chain(by_pattern(2)).chain(whole).collect::<Vec<_>>()
        );
        let mut seen = Vec::new();
        for (pattern, places) in block.parts(&(0..30)) {
            assert_eq!(places.start % LANES, 0);
            for place in places {
                let number = block.number(place as u32) as usize;
                assert_eq!(rows[number].1, pattern);
                assert_eq!(block.lanes(place / LANES)[0].0[place % LANES].to_le_bytes(), rows[number].0[..8]);
                assert_eq!(block.popcount(number), rows[number].0.iter().map(|byte| byte.count_ones()).sum::<u32>());
                seen.push(number);
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..30).collect::<Vec<_>>());
        let some: usize = block.parts(&(5..23)).iter().map(|(_, places)| places.len()).sum();
        assert_eq!(some, 18);
    }

    #[test]
    fn the_memory_estimate_of_segmented_blocks_is_never_exceeded() {
        for (rows, patterns) in [(0, 1), (1, 1), (100, 4), (1000, 4), (1000, 1)] {
            let clk = [0_u8; 64];
            let block = ClkBlock::segmented(64, 2, (0..rows).map(|row| (&clk[..], (row % patterns) as u16))).unwrap();
            let (bytes, most) = (block.bytes(), ClkBlock::bytes_for_segmented(64, 2, rows));
            assert!(bytes <= most, "{rows} rows of {patterns} patterns: {bytes} of {most}");
        }
    }

    #[test]
    fn segments_that_do_not_fit_are_refused() {
        let clk = [1_u8; 24];
        let build =
            |segments, pattern| ClkBlock::segmented(24, segments, [(&clk[..], pattern)]).map(|block| block.rows());
        assert_eq!(build(3, 0b111), Ok(1));
        assert_eq!(build(3, 0b101), Err(BlockError::Absent { row: 0, segment: 1 }));
        for segments in [0, 2, 17] {
            assert_eq!(build(segments, u16::MAX), Err(BlockError::Segments { clk_bytes: 24, segments }));
        }
    }

    #[test]
    fn only_rows_of_one_valid_length_are_taken() {
        for clk_bytes in [0, 7, 12, 520] {
            assert_eq!(ClkBlock::with_capacity(clk_bytes, 1).unwrap_err(), BlockError::Length { clk_bytes });
        }
        let refused = ClkBlock::from_rows(16, [&[0_u8; 16][..], &[0; 8][..]]).unwrap_err();
        assert_eq!(refused, BlockError::Ragged { row: 1, clk_bytes: 8, expected: 16 });
    }

    #[test]
    fn the_memory_estimate_is_what_a_filled_block_takes() {
        for (clk_bytes, rows) in [(8, 0), (8, 1), (128, 1000), (512, 17)] {
            let mut block = ClkBlock::with_capacity(clk_bytes, rows).unwrap();
            for _ in 0..rows {
                block.push(&vec![1; clk_bytes]).unwrap();
            }
            assert_eq!(block.bytes(), ClkBlock::bytes_for(clk_bytes, rows));
            block.reserve(100);
            assert_eq!(block.bytes(), ClkBlock::bytes_for(clk_bytes, rows + 100));
        }
    }
}
