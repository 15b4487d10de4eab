//! What composite tokens say, over the fields that both records have.

use std::collections::BTreeMap;

use super::SegmentTable;

/// The presence mask has this many bits.
const FIELDS: usize = u16::BITS as usize;
/// The belief that a field draws nothing, in rows: it decides between fields that are always there together.
const BELIEF: f64 = 1e-3;
/// What a differing bit takes away, where a common one adds 1. (docs/spec/classification.md has figures)
const AGAINST: f64 = 0.5;

/// How many positions each field draws, as popcounts show.
///
/// One filter holds all fields of a composite token, so that a field which one side lacks takes similarity away although
/// it says nothing. Every value of a field draws the same number of positions; so the mean popcounts of rows with and
/// without a field give that number away, and with it the filter that the common fields alone would have.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FieldBits {
    /// Bits of a token.
    length: f64,
    drawn: [f64; FIELDS],
}

impl FieldBits {
    /// Least squares over the presence masks that occur, each counting as often as it does.
    ///
    /// Hardening that evens popcounts out leaves nothing to learn: then all tokens seem to hold the same, and values rise
    /// with plain similarity.
    pub(super) fn learn(tables: &[SegmentTable]) -> Self {
        let length = tables.first().map_or(64.0, SegmentTable::bits);
        let mut masks: BTreeMap<u16, (f64, f64)> = BTreeMap::new();
        for table in tables {
            for row in 0..table.rows() as u32 {
                let (rows, ones) = masks.entry(table.presence(row)).or_default();
                *rows += 1.0;
                *ones += f64::from(table.popcount(row));
            }
        }
        let all: f64 = masks.values().map(|(rows, _)| rows).sum::<f64>().max(1.0);
        let mut equations = [[0.0; FIELDS + 1]; FIELDS];
        for (&mask, &(rows, ones)) in &masks {
            let drawn = draws(ones / rows, length);
            for field in fields(mask) {
                fields(mask).for_each(|other| equations[field][other] += rows / all);
                equations[field][FIELDS] += rows / all * drawn;
            }
        }
        (0..FIELDS).for_each(|field| equations[field][field] += BELIEF / all);
        Self { length, drawn: solve(equations).map(|drawn| drawn.max(0.0)) }
    }

    /// The value of a pair: bits common beyond chance, less half of those in which the sides differ, over the fields that
    /// both have.
    pub(super) fn value(&self, left: &SegmentTable, a: u32, right: &SegmentTable, b: u32) -> f64 {
        let length = self.length;
        let ones = [left.popcount(a), right.popcount(b)].map(f64::from);
        let masks = [left.presence(a), right.presence(b)];
        let both = masks[0] & masks[1];
        // The share of positions that are free of bits: of the fields that only this side has, and of the common ones.
        let free: [[f64; 2]; 2] = std::array::from_fn(|side| {
            let drawn = draws(ones[side], length);
            let common = self.of(both) / self.of(masks[side]).max(1e-9);
            [(-drawn * (1.0 - common).clamp(0.0, 1.0) / length).exp(), (-drawn * common.clamp(0.0, 1.0) / length).exp()]
        });
        let any = ones[0] + ones[1] - f64::from(left.common(a, right, b));
        // A position is free of both common filters unless one of them or a field of one side only has set it.
        let neither = ((1.0 - any / length) / (free[0][0] * free[1][0])).min(1.0);
        let sizes = [1.0 - free[0][1], 1.0 - free[1][1]];
        let common = sizes[0] + sizes[1] - 1.0 + neither;
        length * (common - sizes[0] * sizes[1] - AGAINST * ((sizes[0] + sizes[1]) / 2.0 - common))
    }

    /// Positions drawn by the fields of a mask.
    fn of(&self, mask: u16) -> f64 {
        fields(mask).map(|field| self.drawn[field]).sum()
    }
}

/// Positions drawn for so many bits to be set, on average.
fn draws(ones: f64, length: f64) -> f64 {
    -length * (1.0 - ones.min(length - 0.5) / length).ln()
}

fn fields(mask: u16) -> impl Iterator<Item = usize> {
    (0..FIELDS).filter(move |field| mask >> field & 1 == 1)
}

/// Gauss's elimination of symmetric positive definite equations.
fn solve(mut equations: [[f64; FIELDS + 1]; FIELDS]) -> [f64; FIELDS] {
    for pivot in 0..FIELDS {
        let row = equations[pivot];
        for below in &mut equations[pivot + 1..] {
            let factor = below[pivot] / row[pivot];
            below.iter_mut().zip(row).for_each(|(entry, above)| *entry -= factor * above);
        }
    }
    let mut solution = [0.0; FIELDS];
    for at in (0..FIELDS).rev() {
        let known: f64 = (at + 1..FIELDS).map(|other| equations[at][other] * solution[other]).sum();
        solution[at] = (equations[at][FIELDS] - known) / equations[at][at];
    }
    solution
}
