//! Counts of right and wrong links, and the measures made of them.

use std::collections::HashSet;

use super::LinkedPair;

/// The pairs that really are one person.
#[derive(Debug, Clone, Default)]
pub struct Truth(HashSet<(u32, u32)>);

impl Truth {
    /// Whether the two rows are one person.
    #[must_use]
    pub fn contains(&self, left: u32, right: u32) -> bool {
        self.0.contains(&(left, right))
    }

    /// The true pairs, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32)> {
        self.0.iter().copied()
    }

    /// Number of true pairs.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// Whether nobody is in both tables.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(u32, u32)> for Truth {
    fn from_iter<I: IntoIterator<Item = (u32, u32)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// Links by whether they are right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quality {
    /// Links that are right.
    pub true_positives: u64,
    /// Links that are wrong.
    pub false_positives: u64,
    /// True pairs that were not linked.
    pub false_negatives: u64,
}

impl Quality {
    /// Counts from the number of links, of right ones among them, and of true pairs.
    pub(super) fn from_counts(links: u64, right: u64, truth: u64) -> Self {
        Self { true_positives: right, false_positives: links - right, false_negatives: truth - right }
    }

    /// Share of the links that are right; 1 when there are none, since none is wrong.
    #[must_use]
    pub fn precision(&self) -> f64 {
        share(self.true_positives, self.true_positives + self.false_positives)
    }

    /// Share of the true pairs that were linked; 1 when there are none, since none is missed.
    #[must_use]
    pub fn recall(&self) -> f64 {
        share(self.true_positives, self.true_positives + self.false_negatives)
    }

    /// Harmonic mean of precision and recall: 2TP / (2TP + FP + FN).
    #[must_use]
    pub fn f1(&self) -> f64 {
        share(2 * self.true_positives, 2 * self.true_positives + self.false_positives + self.false_negatives)
    }

    /// F* of Hand, Christen and Kirielle (2021): TP / (TP + FP + FN), the share of right ones among all pairs that are
    /// either linked or true. It orders results as F1 does and has a meaning.
    #[must_use]
    pub fn f_star(&self) -> f64 {
        share(self.true_positives, self.true_positives + self.false_positives + self.false_negatives)
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

/// The quality of these links. A pair that occurs twice counts once.
#[must_use]
pub fn pair_quality(links: impl IntoIterator<Item = LinkedPair>, truth: &Truth) -> Quality {
    let links: HashSet<(u32, u32)> = links.into_iter().map(|link| (link.left, link.right)).collect();
    let right = links.iter().filter(|&&(left, right)| truth.contains(left, right)).count();
    Quality::from_counts(links.len() as u64, right as u64, truth.len())
}
