//! Tokens cut into segments: their similarities, and how frequent their values are.

use rayon::prelude::*;

use super::pattern::{CLASSES, MAX_SEGMENTS, MISSING, Pattern, equal, partial};
use crate::dice;

/// The segmented tokens of one database, in row order.
///
/// A segment without any bit is one that the record lacks, as docs/spec/encoding.md makes them.
pub struct SegmentTable {
    segments: usize,
    /// 64-bit words of one segment.
    words: usize,
    rows: usize,
    bits: Vec<u64>,
    presence: Vec<u16>,
    /// How many bits of a filter each bit joins.
    joined: u32,
    /// Class of frequency of each segment of each row; empty until [`count_frequencies`] has run.
    classes: Vec<u8>,
}

impl SegmentTable {
    /// A table of CLKs of `clk_bytes` bytes, cut into `segments` equal parts. `None` when they cannot be cut so: into
    /// none, into more than [`MAX_SEGMENTS`], or not into whole 64-bit words.
    #[must_use]
    pub fn new(clk_bytes: usize, segments: usize) -> Option<Self> {
        let fits = (1..=MAX_SEGMENTS).contains(&segments) && clk_bytes > 0 && clk_bytes.is_multiple_of(8 * segments);
        let words = clk_bytes.checked_div(8 * segments)?;
        fits.then_some(Self {
            segments,
            words,
            rows: 0,
            bits: Vec::new(),
            presence: Vec::new(),
            joined: 1,
            classes: Vec::new(),
        })
    }

    /// The same table for tokens in which each bit joins so many bits of a filter, as [`Step::joined`] says. Composite tokens
    /// are then judged by what their filters had in common before diffusion.
    ///
    /// [`Step::joined`]: crate::harden::Step::joined
    #[must_use]
    pub fn diffused(self, joined: u32) -> Self {
        Self { joined: joined.max(1), ..self }
    }

    /// How many bits of a filter each bit joins.
    pub(super) fn joined(&self) -> u32 {
        self.joined
    }

    /// Makes room for exactly so many more rows.
    pub fn reserve(&mut self, rows: usize) {
        self.bits.reserve_exact(rows * self.segments * self.words);
        self.presence.reserve_exact(rows);
    }

    /// Memory of so many rows with their classes of frequency, to be reserved before they are pushed.
    #[must_use]
    pub fn bytes_for(clk_bytes: usize, segments: usize, rows: usize) -> usize {
        rows * (clk_bytes + size_of::<u16>() + segments)
    }

    /// Appends a CLK and its presence mask, which says what a composite token holds.
    ///
    /// # Panics
    /// When it is not of the table's length: the caller has checked its schema.
    pub fn push(&mut self, clk: &[u64], presence: u16) {
        assert_eq!(clk.len(), self.segments * self.words, "a CLK of another length");
        self.bits.extend_from_slice(clk);
        self.presence.push(presence);
        self.rows += 1;
    }

    /// Rows held.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Segments of a row.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.segments
    }

    /// The bits of one segment of one row.
    pub(super) fn segment(&self, row: usize, segment: usize) -> &[u64] {
        &self.bits[(row * self.segments + segment) * self.words..][..self.words]
    }

    /// Bits of a token.
    pub(super) fn bits(&self) -> f64 {
        (64 * self.segments * self.words) as f64
    }

    /// The presence mask of a row.
    pub(super) fn presence(&self, row: u32) -> u16 {
        self.presence[row as usize]
    }

    /// Bits that are set in a row.
    pub(super) fn popcount(&self, row: u32) -> u32 {
        self.row(row).iter().map(|word| word.count_ones()).sum()
    }

    /// Bits that are set in both rows.
    pub(super) fn common(&self, row: u32, other: &Self, other_row: u32) -> u32 {
        self.row(row).iter().zip(other.row(other_row)).map(|(a, b)| (a & b).count_ones()).sum()
    }

    fn row(&self, row: u32) -> &[u64] {
        let words = self.segments * self.words;
        &self.bits[row as usize * words..][..words]
    }

    pub(super) fn class(&self, row: usize, segment: usize) -> u8 {
        self.classes.get(row * self.segments + segment).copied().unwrap_or_default()
    }

    /// How far a row agrees with a row of another table.
    ///
    /// # Panics
    /// When there is no such row, or the tables are cut differently.
    #[must_use]
    pub fn pattern(&self, row: u32, other: &Self, other_row: u32) -> Pattern {
        assert_eq!((self.segments, self.words), (other.segments, other.words), "tables of different schemas");
        let (row, other_row) = (row as usize, other_row as usize);
        let mut pattern = Pattern::default();
        for segment in 0..self.segments {
            let (a, b) = (self.segment(row, segment), other.segment(other_row, segment));
            let (mut both, mut ones_a, mut ones_b, mut differ) = (0, 0, 0, 0);
            for (a, b) in a.iter().zip(b) {
                both += (a & b).count_ones();
                ones_a += a.count_ones();
                ones_b += b.count_ones();
                differ |= a ^ b;
            }
            let level = if ones_a == 0 || ones_b == 0 {
                MISSING
            } else if differ == 0 {
                equal(self.class(row, segment))
            } else {
                partial(dice::score(both, ones_a, ones_b))
            };
            pattern.set(segment, level);
        }
        pattern
    }

    /// Dice similarity over the segments that both rows have: two records are not less alike because one lacks a field.
    ///
    /// # Panics
    /// When there is no such row, or the tables are cut differently.
    #[must_use]
    pub fn score(&self, row: u32, other: &Self, other_row: u32) -> f64 {
        assert_eq!((self.segments, self.words), (other.segments, other.words), "tables of different schemas");
        let (row, other_row) = (row as usize, other_row as usize);
        let (mut common, mut left, mut right) = (0, 0, 0);
        for segment in 0..self.segments {
            let (a, b) = (self.segment(row, segment), other.segment(other_row, segment));
            let ones = |words: &[u64]| words.iter().map(|word| word.count_ones()).sum::<u32>();
            let (ones_a, ones_b) = (ones(a), ones(b));
            if ones_a > 0 && ones_b > 0 {
                common += a.iter().zip(b).map(|(a, b)| (a & b).count_ones()).sum::<u32>();
                left += ones_a;
                right += ones_b;
            }
        }
        dice::score(common, left, right)
    }
}

impl std::fmt::Debug for SegmentTable {
    /// Sizes only: no token bits in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentTable")
            .field("rows", &self.rows)
            .field("segments", &self.segments)
            .finish_non_exhaustive()
    }
}

/// How the values of the segments are distributed over all tables of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Frequencies {
    /// By segment, by class: the share of records, among those that have the segment, whose value is in the class.
    pub(super) shares: Vec<[f64; CLASSES]>,
    /// By segment, by class: the chance that two records of different people are equal, with a value of the class.
    pub(super) equal: Vec<[f64; CLASSES]>,
}

impl Frequencies {
    /// The chance that somebody else has the value of a record that is in this class, on average.
    pub(super) fn of_others(&self, segment: usize, class: usize) -> f64 {
        let (share, equal) = (self.shares[segment][class], self.equal[segment][class]);
        if share > 0.0 { (equal / share).min(1.0) } else { 0.5_f64.powi(class as i32 + 1) }
    }
}

/// Counts how often each value of each segment occurs, and notes each row's class of frequency in the tables.
///
/// A value is known only by its bits: equal bits, equal values, whatever they are. What two records of different people
/// share by chance is counted *within* the tables whose people are all different (`deduplicated`), where no true pair
/// can hide; without any such table, within all of them. One segment is sorted at a time, so that memory stays at
/// 24 bytes per record.
pub fn count_frequencies(tables: &mut [SegmentTable], deduplicated: &[bool]) -> Frequencies {
    let segments = tables.first().map_or(0, SegmentTable::segments);
    let any = (0..tables.len()).any(|table| deduplicated.get(table).copied().unwrap_or(true));
    let counts_within = |table: usize| !any || deduplicated.get(table).copied().unwrap_or(true);
    for table in tables.iter_mut() {
        table.classes = vec![0; table.rows * table.segments];
    }
    let mut frequencies = Frequencies { shares: Vec::new(), equal: Vec::new() };
    for segment in 0..segments {
        let mut values: Vec<(u64, u32, u32)> = Vec::new();
        let mut present = vec![0_u64; tables.len()];
        for (number, table) in tables.iter().enumerate() {
            for row in 0..table.rows {
                let bits = table.segment(row, segment);
                if bits.iter().any(|word| *word != 0) {
                    values.push((digest(bits), number as u32, row as u32));
                    present[number] += 1;
                }
            }
        }
        values.par_sort_unstable();
        let total = values.len().max(1) as f64;
        let (mut shares, mut equal_pairs) = ([0.0; CLASSES], [0.0; CLASSES]);
        for run in values.chunk_by(|a, b| a.0 == b.0) {
            let class = class_of(run.len() as f64 / total);
            shares[usize::from(class)] += run.len() as f64 / total;
            for same_table in run.chunk_by(|a, b| a.1 == b.1) {
                let (table, count) = (same_table[0].1 as usize, same_table.len() as f64);
                if counts_within(table) {
                    equal_pairs[usize::from(class)] += count * (count - 1.0);
                }
                for &(_, _, row) in same_table {
                    tables[table].classes[row as usize * segments + segment] = class;
                }
            }
        }
        let pairs: f64 = (0..tables.len())
            .filter(|&table| counts_within(table))
            .map(|table| present[table] as f64 * present[table].saturating_sub(1) as f64)
            .sum();
        for (class, equal) in equal_pairs.iter_mut().enumerate() {
            // A value that only one person has occurs once per database; what is left of the chance that a second
            // person has it is taken to be an eighth of the frequency that the class stands for.
            let least = shares[class] * 0.5_f64.powi(class as i32 + 1) / 8.0;
            *equal = (*equal / pairs.max(1.0)).max(least);
        }
        frequencies.shares.push(shares);
        frequencies.equal.push(equal_pairs);
    }
    frequencies
}

/// The class of a value that this share of the records has.
fn class_of(share: f64) -> u8 {
    (-share.log2()).floor().clamp(0.0, (CLASSES - 1) as f64) as u8
}

/// Different segments get different digests, but for one chance in 2⁶⁴ per pair.
pub(super) fn digest(bits: &[u64]) -> u64 {
    bits.iter().fold(0x243F_6A88_85A3_08D3, |state: u64, word| {
        let mixed = (state ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9).rotate_left(31)
    })
}
