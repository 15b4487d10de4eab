//! Agreement levels of a pair, one byte per segment, packed in 64 bits.

/// The most segments that a pattern holds.
pub const MAX_SEGMENTS: usize = 8;

/// The level of a segment that either side lacks.
pub(super) const MISSING: u8 = 0;
/// Levels of segments that differ: 1 is the least similar.
pub(super) const PARTIAL: usize = 10;
/// The first level of segments that are equal; the level says how frequent the value is.
pub(super) const EQUAL: u8 = 1 + PARTIAL as u8;
/// Classes of frequency: class c holds values that a share of 2^-(c+1) to 2^-c of the records has.
pub(super) const CLASSES: usize = 24;
/// All levels.
pub(super) const LEVELS: usize = 1 + PARTIAL + CLASSES;

/// Where one level of similarity ends and the next begins.
const CUTS: [f64; PARTIAL - 1] = [0.20, 0.32, 0.42, 0.50, 0.58, 0.66, 0.74, 0.82, 0.91];

/// How far two records agree, segment by segment.
///
/// Byte s is the level of segment s: 0 when either side lacks it, 1 to 10 by similarity when the segments differ, and from
/// 11 on by the frequency of the value when they are equal. So 10⁷ pairs fit into 80 MB, and equal patterns are counted
/// once, however many pairs share them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Pattern(u64);

impl Pattern {
    /// The pattern of these similarities, without frequencies: `None` is a segment that either side lacks, 1 one that
    /// is equal.
    ///
    /// # Panics
    /// When there are more than [`MAX_SEGMENTS`].
    #[must_use]
    pub fn from_similarities(similarities: &[Option<f64>]) -> Self {
        assert!(similarities.len() <= MAX_SEGMENTS, "a pattern holds {MAX_SEGMENTS} segments");
        let mut pattern = Self::default();
        for (segment, similarity) in similarities.iter().enumerate() {
            let level = similarity.map_or(MISSING, |s| if s >= 1.0 { equal(0) } else { partial(s) });
            pattern.set(segment, level);
        }
        pattern
    }

    /// The level of a segment.
    pub(super) fn level(self, segment: usize) -> u8 {
        (self.0 >> (8 * segment)) as u8
    }

    /// Sets the level of a segment, which must not be set yet.
    pub(super) fn set(&mut self, segment: usize, level: u8) {
        self.0 |= u64::from(level) << (8 * segment);
    }

    /// How many segments both sides have.
    #[must_use]
    pub fn present(self) -> usize {
        (0..MAX_SEGMENTS).filter(|&segment| self.level(segment) != MISSING).count()
    }
}

/// The level of segments that differ.
pub(super) fn partial(similarity: f64) -> u8 {
    1 + CUTS.iter().filter(|&&cut| similarity >= cut).count() as u8
}

/// The level of equal segments of a class of frequency.
pub(super) fn equal(class: u8) -> u8 {
    EQUAL + class
}

/// Levels by kind, for what a level tells about another segment: missing, unlike, alike, equal.
pub(super) const KINDS: usize = 4;

/// The kind of a level.
pub(super) fn kind(level: u8) -> usize {
    match level {
        MISSING => 0,
        level if level >= EQUAL => 3,
        // From 0.66 on: a typing error, not another value.
        7.. => 2,
        _ => 1,
    }
}

/// A pair that may be one person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Row in the left table.
    pub left: u32,
    /// Row in the right table.
    pub right: u32,
    /// Dice similarity of the whole tokens, from 0 to 1.
    pub score: f32,
    /// Whether the pair agrees on an exact token.
    pub exact: bool,
    /// Agreement by segment; of no meaning when tokens are composite.
    pub pattern: Pattern,
}
