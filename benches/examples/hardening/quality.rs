//! Precision and recall at the threshold as it is, as arithmetic expects it after hardening, and as it is mapped.

use std::collections::HashMap;
use std::io::Write;

use linkage_core::dice::{DiceThreshold, Kernel};
use linkage_core::evaluate::{Comparison, LinkedPair, Truth, one_to_one, pair_quality};
use linkage_core::schema::LinkageSchema;

use crate::{Result, Tables};

const MOST_PAIRS: usize = 50_000_000;

/// Writes the quality at each of these thresholds, after one-to-one assignment within each pair of databases.
pub fn write(
    out: &mut impl Write,
    schema: &LinkageSchema,
    tables: &Tables,
    thresholds: &[DiceThreshold],
) -> Result<()> {
    let lowest = *thresholds.iter().min_by_key(|threshold| threshold.ppm()).ok_or("no threshold")?;
    let mut links: Vec<(usize, Vec<LinkedPair>)> = Vec::new();
    let mut truth: Vec<(u32, u32)> = Vec::new();
    for right in 0..tables.len() {
        for left in 0..right {
            let comparison = Comparison::new(&tables[left].tokens, &tables[right].tokens)?;
            let pairs = comparison.pairs(Kernel::detect()?, lowest, MOST_PAIRS).ok_or("too many pairs")?;
            let place = links.len();
            let rows: HashMap<u64, u32> = tables[right].people.iter().copied().zip(0..).collect();
            let same = (0u32..).zip(&tables[left].people).filter_map(|(row, person)| Some((row, *rows.get(person)?)));
            truth.extend(same.map(|pair| of_place(place, pair)));
            links.push((place, pairs));
        }
    }
    let truth: Truth = truth.into_iter().collect();
    for threshold in thresholds {
        let accepted = links.iter().flat_map(|(place, pairs)| {
            let accepted: Vec<LinkedPair> =
                pairs.iter().filter(|pair| pair.accepted(threshold.as_f64())).copied().collect();
            one_to_one(&accepted).into_iter().map(|pair| {
                let (left, right) = of_place(*place, (pair.left, pair.right));
                LinkedPair { left, right, ..pair }
            })
        });
        let quality = pair_quality(accepted, &truth);
        let (precision, recall, f1) = (quality.precision(), quality.recall(), quality.f1());
        writeln!(out, "{},{threshold},{precision:.4},{recall:.4},{f1:.4}", schema.name())?;
    }
    Ok(())
}

/// Rows of different pairs of databases get different numbers, so that one sum is taken over all.
fn of_place(place: usize, (left, right): (u32, u32)) -> (u32, u32) {
    let offset = (place as u32) << 24;
    (left | offset, right | offset)
}
