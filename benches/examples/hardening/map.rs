//! How similarities before and after hardening belong together.

use std::collections::HashMap;
use std::io::Write;

use linkage_core::dice::score;
use linkage_core::encode::Token;
use linkage_core::schema::LinkageSchema;
use rayon::prelude::*;

use crate::{Result, Tables};

/// Classes of similarity, each a two-hundredth wide.
const CLASSES: usize = 200;

/// The classes of similarity before of which mean and spread are told.
const LEVELS: usize = 50;

/// What is counted of pairs of different people.
#[derive(Clone)]
struct Counts {
    before: [u64; CLASSES + 1],
    after: [u64; CLASSES + 1],
    /// Pairs, the sum of their similarities before, and after, and of the squares after.
    levels: [(u64, f64, f64, f64); LEVELS + 1],
}

impl Counts {
    fn new() -> Self {
        Self { before: [0; CLASSES + 1], after: [0; CLASSES + 1], levels: [(0, 0.0, 0.0, 0.0); LEVELS + 1] }
    }

    fn add(&mut self, before: f64, after: f64) {
        self.before[(before * CLASSES as f64) as usize] += 1;
        self.after[(after * CLASSES as f64) as usize] += 1;
        let level = &mut self.levels[(before * LEVELS as f64) as usize];
        *level = (level.0 + 1, level.1 + before, level.2 + after, level.3 + after * after);
    }

    fn merge(mut self, other: &Self) -> Self {
        self.before.iter_mut().zip(&other.before).for_each(|(a, b)| *a += b);
        self.after.iter_mut().zip(&other.after).for_each(|(a, b)| *a += b);
        for (a, b) in self.levels.iter_mut().zip(&other.levels) {
            *a = (a.0 + b.0, a.1 + b.1, a.2 + b.2, a.3 + b.3);
        }
        self
    }
}

/// Filters and their popcounts.
pub struct Filters<'a> {
    tokens: &'a [Token],
    popcounts: Vec<u32>,
}

impl<'a> Filters<'a> {
    /// Those of a table.
    pub fn of(tokens: &'a [Token]) -> Self {
        Self { tokens, popcounts: tokens.iter().map(|token| token.clk.popcount()).collect() }
    }

    /// How many there are.
    pub fn rows(&self) -> usize {
        self.tokens.len()
    }

    /// The similarity of a row and a row of another table.
    pub fn similarity(&self, row: usize, other: &Self, other_row: usize) -> f64 {
        let words = self.tokens[row].clk.words().iter().zip(other.tokens[other_row].clk.words());
        score(words.map(|(a, b)| (a & b).count_ones()).sum(), self.popcounts[row], other.popcounts[other_row])
    }
}

/// Compares all pairs of different people of different databases, before and after.
pub fn write(
    out: &mut impl Write,
    (plain, before): (&LinkageSchema, &Tables),
    (hardened, after): (&LinkageSchema, &Tables),
) -> Result<()> {
    let mut counts = Counts::new();
    for right in 0..before.len() {
        for left in 0..right {
            let rows: HashMap<u64, usize> = before[right].people.iter().copied().zip(0..).collect();
            let [filters, others] = [left, right].map(|table| Filters::of(&before[table].tokens));
            let [hardened, hardened_others] = [left, right].map(|table| Filters::of(&after[table].tokens));
            let of_row = |row: usize| {
                let mut counts = Counts::new();
                let own = rows.get(&before[left].people[row]);
                for other in (0..before[right].tokens.len()).filter(|other| own != Some(other)) {
                    // Pairs of an exact token never come to their similarity.
                    let (a, b) = (&before[left].tokens[row], &before[right].tokens[other]);
                    if !a.exact.iter().zip(&b.exact).any(|(a, b)| a.is_some() && a == b) {
                        counts.add(
                            filters.similarity(row, &others, other),
                            hardened.similarity(row, &hardened_others, other),
                        );
                    }
                }
                counts
            };
            let pairs = (0..before[left].tokens.len()).into_par_iter().map(of_row);
            counts = pairs.reduce(Counts::new, |a, b| a.merge(&b)).merge(&counts);
        }
    }
    let model = hardened.hardening_model();
    let threshold = plain.threshold();
    let mapped = model.threshold_after(threshold, hardened.clk_bits());
    writeln!(out, "threshold,different_people_before,different_people_after")?;
    let above = |classes: &[u64], class: usize| classes[class..].iter().sum::<u64>();
    for class in (90..180).filter(|class| above(&counts.before, *class).max(above(&counts.after, *class)) > 0) {
        let at = class as f64 / CLASSES as f64;
        writeln!(out, "{at:.3},{},{}", above(&counts.before, class), above(&counts.after, class))?;
    }
    let expected = model.dice_after(threshold.as_f64());
    writeln!(out, "\nschema_threshold,expected_after,mapped,fall_off\n{threshold},{expected:.4},{mapped},{:.4}", {
        // Between four hundredths below and the threshold itself.
        let class = (threshold.as_f64() * CLASSES as f64).round() as usize;
        0.04 / (above(&counts.before, class - 8) as f64 / above(&counts.before, class).max(1) as f64).ln()
    })?;
    writeln!(out, "\nlevel_before,pairs,mean_after,model,spread_after,model_spread")?;
    for (level, (pairs, before, after, squares)) in (0..).zip(counts.levels).filter(|(_, level)| level.0 >= 30) {
        let n = pairs as f64;
        let (before, after) = (before / n, after / n);
        let spread = (squares / n - after * after).max(0.0).sqrt();
        let (expected, noise) = (model.dice_after(before), model.noise_after(before, hardened.clk_bits()));
        let at = f64::from(level) / LEVELS as f64;
        writeln!(out, "{at:.2},{pairs},{after:.4},{expected:.4},{spread:.4},{noise:.4}")?;
    }
    Ok(())
}
