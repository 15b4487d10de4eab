//! What is right or wrong together: all pairs of the records that links and truth join.

use std::collections::{BTreeMap, HashMap};

use super::LinkedPair;
use super::quality::{Quality, Truth};

/// Connected components of rows that links or truth join: a person, or people whom a wrong link has joined.
///
/// The pairs of a person in five databases stand or fall with single records, so that they are no ten independent cases.
#[derive(Debug, Default)]
pub(super) struct Components(HashMap<u32, u32>);

impl Components {
    pub(super) fn of(pairs: impl Iterator<Item = (u32, u32)>) -> Self {
        let mut components = Self::default();
        for (left, right) in pairs {
            let (left, right) = (components.root(left), components.root(right));
            components.0.insert(left.max(right), left.min(right));
        }
        components
    }

    /// The smallest row of the component of a row.
    pub(super) fn root(&mut self, row: u32) -> u32 {
        let mut root = row;
        while let Some(&above) = self.0.get(&root).filter(|above| **above != root) {
            root = above;
        }
        // The way is shortened for those who come after.
        let mut at = row;
        while at != root {
            at = self.0.insert(at, root).unwrap_or(root);
        }
        root
    }
}

/// The links and true pairs of each component of records that they join: the units that a bootstrap draws. A pair that
/// occurs twice counts once. Rows are numbered through all tables.
#[must_use]
pub fn units(links: impl IntoIterator<Item = LinkedPair>, truth: &Truth) -> Vec<Quality> {
    let mut links: Vec<(u32, u32)> = links.into_iter().map(|link| (link.left, link.right)).collect();
    links.sort_unstable();
    links.dedup();
    let mut components = Components::of(links.iter().copied().chain(truth.iter()));
    let mut units: BTreeMap<u32, Quality> = BTreeMap::new();
    for (left, _) in truth.iter() {
        units.entry(components.root(left)).or_default().false_negatives += 1;
    }
    for (left, right) in links {
        let unit = units.entry(components.root(left)).or_default();
        if truth.contains(left, right) {
            unit.true_positives += 1;
            unit.false_negatives -= 1;
        } else {
            unit.false_positives += 1;
        }
    }
    units.into_values().collect()
}
