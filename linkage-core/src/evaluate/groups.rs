//! Quality by group: who is linked worse than others.

use std::collections::{BTreeMap, HashSet};

use super::LinkedPair;
use super::quality::{Quality, Truth};

/// The quality within each group. `groups_of` names the groups of a pair, which may be several, or none.
///
/// A true pair that was missed counts against the groups of its records, a wrong link against those of the link: recall
/// by group shows who is lost (age, sex, foreign residents, changed surnames, kind of error), precision whom strangers
/// are joined to.
#[must_use]
pub fn by_group<G, I>(
    links: impl IntoIterator<Item = LinkedPair>,
    truth: &Truth,
    mut groups_of: impl FnMut(u32, u32) -> I,
) -> BTreeMap<G, Quality>
where
    G: Ord,
    I: IntoIterator<Item = G>,
{
    let mut groups: BTreeMap<G, Quality> = BTreeMap::new();
    let links: HashSet<(u32, u32)> = links.into_iter().map(|link| (link.left, link.right)).collect();
    for (left, right) in truth.iter() {
        let linked = links.contains(&(left, right));
        for group in groups_of(left, right) {
            let quality = groups.entry(group).or_default();
            let counted = if linked { &mut quality.true_positives } else { &mut quality.false_negatives };
            *counted += 1;
        }
    }
    for &(left, right) in links.iter().filter(|(left, right)| !truth.contains(*left, *right)) {
        for group in groups_of(left, right) {
            groups.entry(group).or_default().false_positives += 1;
        }
    }
    groups
}
