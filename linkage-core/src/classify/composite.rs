//! What composite tokens say, over the fields that both records have.

use std::collections::BTreeMap;

use super::SegmentTable;
use super::numeric::Triangle;

/// The presence mask has this many bits.
const FIELDS: usize = u16::BITS as usize;
/// The belief that a field draws nothing, in rows: it decides between fields that are always there together.
const BELIEF: f64 = 1e-3;
/// How far the bias of the mean popcount is off after diffusion, whatever the number of rows: all rows share the choice of the
/// bits that are joined.
const EVENNESS: f64 = 0.003;
/// Standard deviations of the noise of diffusion that are taken off a value. Fewer common fields, more noise; so pairs that lack
/// fields would else be lifted among links by it.
const NOISE: f64 = 3.0;
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
    /// How many bits of a filter each bit of a token joins.
    joined: f64,
    drawn: [f64; FIELDS],
}

impl FieldBits {
    /// Least squares over the presence masks that occur, each counting as often as it does.
    ///
    /// Diffusion joins bits, and nearly evens popcounts out; but their means over many rows still tell how many bits were
    /// set before. Other hardening leaves nothing to learn: then all tokens seem to hold the same, and values rise with
    /// plain similarity.
    pub(super) fn learn(tables: &[SegmentTable]) -> Self {
        let length = tables.first().map_or(64.0, SegmentTable::bits);
        let joined = tables.first().map_or(1.0, |table| f64::from(table.joined()));
        let mut masks: BTreeMap<u16, (f64, f64)> = BTreeMap::new();
        for table in tables {
            for row in 0..table.rows() as u32 {
                let (rows, ones) = masks.entry(table.presence(row)).or_default();
                *rows += 1.0;
                *ones += f64::from(table.popcount(row));
            }
        }
        let all: f64 = masks.values().map(|(rows, _)| rows).sum::<f64>().max(1.0);
        let mut observed: Vec<(u16, f64, f64)> = Vec::new();
        for (&mask, &(rows, ones)) in &masks {
            let bias = 1.0 - 2.0 * ones / rows / length;
            if joined <= 1.0 {
                observed.push((mask, draws(ones / rows, length), rows / all));
                continue;
            }
            let error = EVENNESS.hypot((length * rows).sqrt().recip());
            if bias > error {
                let (before, slope) = (undo(bias, joined), undo(bias, joined) / bias / joined);
                let variance = (length / (1.0 + before) * slope * error).powi(2);
                observed.push((mask, draws(length * (1.0 - before) / 2.0, length), 1.0 / variance));
            }
        }
        // A field of which diffusion hides what it draws is taken to draw what fields draw on average, give or take half.
        let [drawn, of] = observed.iter().fold([0.0, 1e-9], |[drawn, of], (mask, mean, weight)| {
            [drawn + mean * weight, of + f64::from(mask.count_ones()) * weight]
        });
        let usual = drawn / of;
        let belief = if joined > 1.0 { (0.5 * usual).max(1.0).powi(-2) } else { BELIEF / all };
        let (mut equations, mut right) = ([[0.0; FIELDS]; FIELDS], [0.0; FIELDS]);
        for (mask, drawn, weight) in observed {
            for field in fields(mask) {
                fields(mask).for_each(|other| equations[field][other] += weight);
                right[field] += weight * drawn;
            }
        }
        for field in 0..FIELDS {
            equations[field][field] += belief;
            right[field] += if joined > 1.0 { belief * usual } else { 0.0 };
        }
        // Positive definite by what is believed of each field; where numbers fail, fields draw nothing and values follow similarity.
        let drawn = Triangle::of(&equations).map_or([0.0; FIELDS], |triangle| triangle.solve(right));
        Self { length, joined, drawn: drawn.map(|drawn| drawn.max(0.0)) }
    }

    /// The value of a pair: bits common beyond chance, less half of those in which the sides differ, over the fields that
    /// both have.
    pub(super) fn value(&self, left: &SegmentTable, a: u32, right: &SegmentTable, b: u32) -> f64 {
        let length = self.length;
        let ones = [left.popcount(a), right.popcount(b)].map(f64::from);
        let masks = [left.presence(a), right.presence(b)];
        let both = masks[0] & masks[1];
        if self.joined > 1.0 {
            let differing = ones[0] + ones[1] - 2.0 * f64::from(left.common(a, right, b));
            return self.value_before(differing / length, masks, both);
        }
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

    /// The same of diffused tokens that differ in this share of their bits.
    ///
    /// An exclusive or of t bits raises biases, 1 − 2·share, to the power of t: so the share in which the filters differed
    /// follows from that in which the tokens do. What the filters held is known by their masks; popcounts of single
    /// tokens say less. What is known of it is taken at its lower end.
    fn value_before(&self, differing: f64, masks: [u16; 2], both: u16) -> f64 {
        let length = self.length;
        let free = |mask: u16| (-self.of(mask) / length).exp();
        // A bias of less than its own noise is none.
        let bias = (1.0 - 2.0 * differing).max(length.sqrt().recip());
        let before = undo(bias, self.joined);
        let any = (2.0 - free(masks[0]) - free(masks[1]) + (1.0 - before) / 2.0) / 2.0;
        let outside = free(masks[0] & !both) * free(masks[1] & !both);
        let size = 1.0 - free(both);
        let common = 2.0 * size - 1.0 + (1.0 - any) / outside;
        // The bias of a token of l bits is off by 1/√l; a quarter of that of the filters enters what they share.
        let noise = before / bias / self.joined / length.sqrt() / 4.0 / outside;
        let value = common - size * size - AGAINST * (size - common);
        length * (value - NOISE * (1.0 + AGAINST) * noise)
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

/// The bias before so many bits were joined; one that is not positive is noise.
fn undo(bias: f64, joined: f64) -> f64 {
    if joined > 1.0 { bias.max(0.0).powf(1.0 / joined) } else { bias }
}

fn fields(mask: u16) -> impl Iterator<Item = usize> {
    (0..FIELDS).filter(move |field| mask >> field & 1 == 1)
}
