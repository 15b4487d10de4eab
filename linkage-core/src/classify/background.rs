//! How pairs of different people agree by chance.

use rayon::prelude::*;

use super::Tables;
use super::merge::SHRINK;
use super::pattern::{CLASSES, EQUAL, KINDS, LEVELS, PARTIAL, Pattern, kind};
use super::segments::{Frequencies, SegmentTable};

/// Random pairs looked at, over all links together.
const SAMPLE: usize = 1 << 21;
/// Pairs per piece of work: fixed, so that sums do not depend on the number of threads.
const PIECE: usize = 1 << 14;
/// Rows per table among which pairs that agree on two segments are counted.
const MOST_ROWS: usize = 200_000;
/// Records without a like that are believed to be in each cell of classes.
const BELIEF: f64 = 20.0;

/// Counts of kinds of agreement: of segment s and of segment t at once.
pub(super) type Joint = [[f64; KINDS]; KINDS];

/// Chances among pairs of different people.
#[derive(Debug, Clone)]
pub(super) struct Background {
    /// By segment: the chance of each level, among pairs that both have the segment.
    pub(super) levels: Vec<[f64; LEVELS]>,
    /// By segment s and t: random pairs by the kind of both, missing ones too.
    pub(super) joint: Vec<Vec<Joint>>,
    /// By segment s and t: pairs equal in both. Counted in full, because such pairs are too rare for a sample.
    pub(super) equal_both: Vec<Vec<EqualBoth>>,
}

/// Pairs of different people that are equal in two segments, within the deduplicated tables.
#[derive(Debug, Clone, Default)]
pub(super) struct EqualBoth {
    pub(super) found: f64,
    /// How many were expected if one segment said nothing of the other.
    pub(super) expected: f64,
    /// By the classes of frequency of the two values: the chance that somebody else has them too; empty where no records
    /// are known to be different people. Rare family names meet
    /// rare postal codes in households, so that this is no product of two frequencies.
    pub(super) chance: Vec<[f64; CLASSES]>,
    /// By the same: the share of the records that have both segments.
    pub(super) share: Vec<[f64; CLASSES]>,
}

/// Measures a run's background. `likely[l][row]` is the right row that a left row of link l probably matches: it is
/// passed over, so that true pairs are not counted as chance.
pub(super) fn measure(tables: &Tables<'_>, frequencies: &Frequencies, likely: &[Vec<u32>], seed: u64) -> Background {
    let segments = tables.segments();
    let comparisons: f64 = tables.links.iter().map(|link| tables.comparisons(link)).sum();
    let mut levels = vec![[0.0; LEVELS]; segments];
    let mut joint = vec![vec![[[0.0; KINDS]; KINDS]; segments]; segments];
    for (number, link) in tables.links.iter().enumerate() {
        let share = tables.comparisons(link) / comparisons.max(1.0);
        let sample = (share * SAMPLE as f64).min(tables.comparisons(link)) as usize;
        let (left, right) = (&tables.tables[link.left], &tables.tables[link.right]);
        if left.rows() == 0 || right.rows() == 0 {
            continue;
        }
        let pieces: Vec<Counts> = (0..sample.div_ceil(PIECE))
            .into_par_iter()
            .map(|piece| {
                let mut counts = Counts::new(segments);
                let mut draw = Draw::new(seed ^ ((number as u64) << 40) ^ piece as u64);
                for _ in 0..PIECE.min(sample - piece * PIECE) {
                    let (a, b) = (draw.below(left.rows()), draw.below(right.rows()));
                    if likely[number].get(a as usize) != Some(&b) {
                        counts.add(left.pattern(a, right, b), segments);
                    }
                }
                counts
            })
            .collect();
        for piece in &pieces {
            piece.add_to(&mut levels, &mut joint);
        }
    }
    for (segment, levels) in levels.iter_mut().enumerate() {
        set_chances(levels, &frequencies.equal[segment]);
    }
    let equal_both = (0..segments)
        .map(|s| {
            (0..segments)
                .map(|t| if s < t { EqualBoth::count(tables, frequencies, s, t) } else { EqualBoth::default() })
                .collect()
        })
        .collect();
    Background { levels, joint, equal_both }
}

/// Turns counts of levels into chances; those of equality come from the frequencies of values.
fn set_chances(levels: &mut [f64; LEVELS], equal: &[f64; CLASSES]) {
    let differing = &mut levels[1..=PARTIAL];
    // Half a pair is added to each level, so that what was not seen is rare and not impossible.
    let total: f64 = differing.iter().map(|count| count + 0.5).sum();
    let left = 1.0 - equal.iter().sum::<f64>().min(0.999);
    differing.iter_mut().for_each(|count| *count = (*count + 0.5) / total * left);
    levels[0] = 1.0;
    levels[EQUAL.into()..].copy_from_slice(equal);
}

struct Counts {
    levels: Vec<[u32; LEVELS]>,
    joint: Vec<[[u32; KINDS]; KINDS]>,
}

impl Counts {
    fn new(segments: usize) -> Self {
        Self { levels: vec![[0; LEVELS]; segments], joint: vec![[[0; KINDS]; KINDS]; segments * segments] }
    }

    fn add(&mut self, pattern: Pattern, segments: usize) {
        for s in 0..segments {
            let level = pattern.level(s);
            self.levels[s][usize::from(level)] += 1;
            for t in s + 1..segments {
                self.joint[s * segments + t][kind(level)][kind(pattern.level(t))] += 1;
            }
        }
    }

    fn add_to(&self, levels: &mut [[f64; LEVELS]], joint: &mut [Vec<Joint>]) {
        let segments = levels.len();
        for s in 0..segments {
            for (sum, count) in levels[s].iter_mut().zip(self.levels[s]) {
                *sum += f64::from(count);
            }
            for (t, joint) in joint[s].iter_mut().enumerate().skip(s + 1) {
                let cells = joint.iter_mut().flatten().zip(self.joint[s * segments + t].iter().flatten());
                cells.for_each(|(sum, count)| *sum += f64::from(*count));
            }
        }
    }
}

impl EqualBoth {
    /// How many times more often than by chance pairs of different people are equal in both, drawn towards 1.
    pub(super) fn lift(&self) -> f64 {
        (self.found + SHRINK) / (self.expected + SHRINK)
    }

    fn count(tables: &Tables<'_>, frequencies: &Frequencies, s: usize, t: usize) -> Self {
        let (mut both, mut all_pairs, mut all_records) = (Self::default(), 0.0, 0.0);
        // By classes: pairs equal in both, pairs of which one has such values, and records that have them.
        let (mut equal, mut pairs_of, mut records_of) = (by_classes(), by_classes(), by_classes());
        for (number, table) in tables.tables.iter().enumerate() {
            if !tables.deduplicated(number) {
                continue;
            }
            // Every k-th row, so that neighbours in the file are as rare in the sample as in the table.
            let step = table.rows().div_ceil(MOST_ROWS).max(1);
            let mut values: Vec<(u64, u64, [u8; 2])> = (0..table.rows())
                .step_by(step)
                .filter_map(|row| {
                    let classes = [s, t].map(|segment| table.class(row, segment));
                    Some((table.value(row, s)?, table.value(row, t)?, classes))
                })
                .collect();
            let others = values.len() as f64 - 1.0;
            let pairs = values.len() as f64 * others;
            if pairs <= 0.0 {
                continue;
            }
            let mut seconds: Vec<u64> = values.iter().map(|value| value.1).collect();
            values.par_sort_unstable();
            seconds.par_sort_unstable();
            for run in values.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
                let [a, b] = run[0].2.map(usize::from);
                let records = run.len() as f64;
                equal[a][b] += records * (records - 1.0);
                pairs_of[a][b] += records * others;
                records_of[a][b] += records;
            }
            let first = pairs_within(values.chunk_by(|a, b| a.0 == b.0).map(<[_]>::len));
            let second = pairs_within(seconds.chunk_by(|a, b| a == b).map(<[_]>::len));
            both.expected += first * second / pairs;
            all_pairs += pairs;
            all_records += values.len() as f64;
        }
        if all_pairs == 0.0 {
            return both;
        }
        both.found = equal.iter().flatten().sum();
        let others = all_pairs / all_records;
        (both.chance, both.share) = (by_classes(), by_classes());
        for a in 0..CLASSES {
            for b in 0..CLASSES {
                let alone = [frequencies.of_others(s, a), frequencies.of_others(t, b)];
                // As many as the two segments have in common on average, but never more than either has by itself.
                let believed = (alone[0] * alone[1] * both.lift()).min(alone[0]).min(alone[1]);
                // Few are expected in most cells, so that what was found moves the belief by little, and by much only
                // where it cannot be coincidence.
                let moved = believed * (equal[a][b] + SHRINK) / (pairs_of[a][b] * believed + SHRINK);
                let counted = (equal[a][b] - SHRINK) / (pairs_of[a][b] + BELIEF * others);
                both.chance[a][b] = moved.max(counted);
                both.share[a][b] = records_of[a][b] / all_records;
            }
        }
        both
    }
}

fn by_classes() -> Vec<[f64; CLASSES]> {
    vec![[0.0; CLASSES]; CLASSES]
}

fn pairs_within(runs: impl Iterator<Item = usize>) -> f64 {
    runs.map(|run| run as f64 * (run as f64 - 1.0)).sum()
}

/// splitmix64: enough for a sample, and the same everywhere.
pub(super) struct Draw(u64);

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xD134_2543_DE82_EF95))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> u32 {
        ((u128::from(self.next()) * end as u128) >> 64) as u32
    }
}

impl SegmentTable {
    /// What stands for the value of a segment; nothing when the row lacks it.
    fn value(&self, row: usize, segment: usize) -> Option<u64> {
        let bits = self.segment(row, segment);
        bits.iter().any(|word| *word != 0).then(|| super::segments::digest(bits))
    }
}
