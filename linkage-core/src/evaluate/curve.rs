//! Quality by threshold.

use super::quality::{Quality, Truth, pair_quality};
use super::{LinkedPair, one_to_one};

/// The quality at one threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// Lowest score that is a link.
    pub threshold: f64,
    /// Every pair that the threshold accepts.
    pub raw: Quality,
    /// The same after one-to-one assignment.
    pub assigned: Quality,
}

/// Measures `pairs` at each of `thresholds`, before and after one-to-one assignment.
///
/// `pairs` must hold every pair that the lowest threshold accepts; points come in the order of `thresholds`.
#[must_use]
pub fn curve(pairs: &[LinkedPair], truth: &Truth, thresholds: &[f64]) -> Vec<CurvePoint> {
    let assigned = one_to_one(pairs);
    let at = |pairs: &[LinkedPair], threshold: f64| {
        pair_quality(pairs.iter().filter(|pair| pair.accepted(threshold)).copied(), truth)
    };
    thresholds
        .iter()
        .map(|&threshold| CurvePoint { threshold, raw: at(pairs, threshold), assigned: at(&assigned, threshold) })
        .collect()
}

/// The point with the highest F1 after assignment; among equals the highest threshold, which makes fewer wrong links
/// on data that were not seen.
#[must_use]
pub fn best(points: &[CurvePoint]) -> Option<&CurvePoint> {
    points
        .iter()
        .max_by(|a, b| a.assigned.f1().total_cmp(&b.assigned.f1()).then_with(|| a.threshold.total_cmp(&b.threshold)))
}
