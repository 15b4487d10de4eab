//! Quality by group: who is linked worse than others.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::LinkedPair;
use super::bootstrap::Interval;
use super::quality::{Quality, Truth};
use super::units::Components;

/// The quality within a group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroupQuality {
    /// Counts of its pairs.
    pub quality: Quality,
    /// The 95 % interval of its recall, in which the pairs of a person are one case.
    pub recall: Interval,
}

/// Counts of a group, and its right and all true pairs by component.
type Counted = (Quality, HashMap<u32, (u64, u64)>);

/// The quality within each group. `groups_of` names the groups of a pair, which may be several, or none.
///
/// A true pair that was missed counts against the groups of its records, a wrong link against those of the link: recall
/// by group shows who is lost (age, sex, foreign residents, changed surnames, kind of error), precision whom strangers
/// are joined to. Rows are numbered through all tables.
#[must_use]
pub fn by_group<G, I>(
    links: impl IntoIterator<Item = LinkedPair>,
    truth: &Truth,
    mut groups_of: impl FnMut(u32, u32) -> I,
) -> BTreeMap<G, GroupQuality>
where
    G: Ord,
    I: IntoIterator<Item = G>,
{
    let links: HashSet<(u32, u32)> = links.into_iter().map(|link| (link.left, link.right)).collect();
    let mut components = Components::of(truth.iter().chain(links.iter().copied()));
    let mut groups: BTreeMap<G, Counted> = BTreeMap::new();
    for (left, right) in truth.iter() {
        let linked = links.contains(&(left, right));
        let component = components.root(left);
        for group in groups_of(left, right) {
            let (quality, units) = groups.entry(group).or_default();
            let counted = if linked { &mut quality.true_positives } else { &mut quality.false_negatives };
            *counted += 1;
            let unit = units.entry(component).or_default();
            *unit = (unit.0 + u64::from(linked), unit.1 + 1);
        }
    }
    for &(left, right) in links.iter().filter(|(left, right)| !truth.contains(*left, *right)) {
        for group in groups_of(left, right) {
            groups.entry(group).or_default().0.false_positives += 1;
        }
    }
    let with_interval = |(group, (quality, units)): (G, Counted)| {
        let mut units: Vec<(u64, u64)> = units.into_values().collect();
        // Sums of floats depend on the order.
        units.sort_unstable();
        (group, GroupQuality { quality, recall: Interval::clustered(&units) })
    };
    groups.into_iter().map(with_interval).collect()
}
