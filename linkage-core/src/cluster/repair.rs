//! Cohesion repair: clusters whose parts speak against each other are split, doubtful ones go to review.

mod large;
mod small;
#[cfg(test)]
mod tests;

use super::{Cluster, Member};

/// The largest cluster of which every split in two is tried; of larger ones only single members are split off.
const MOST_MEMBERS: usize = 8;

/// The largest cluster that is repaired. Hearing all pairs of a larger one takes longer than finding its candidates did, and
/// what could be split off it one by one would leave it what it is: too many records for one person.
pub const MOST_REPAIRED: usize = 512;

/// A pair of records of one cluster that somebody should look at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReviewPair {
    /// One record.
    pub left: Member,
    /// The other record.
    pub right: Member,
    /// log of the odds that they are one person.
    pub log_odds: f64,
}

/// What repair leaves.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Repaired {
    /// The clusters, in the order of their smallest member. Records that were split off alone are in none.
    pub clusters: Vec<Cluster>,
    /// Clusters that were split.
    pub split: u64,
    /// Clusters of more than [`MOST_REPAIRED`] members: they stay as they are, and each goes to review.
    pub too_large: u64,
    /// For each cluster that holds together by little: the pair of its most doubtful split that speaks most against it.
    pub review: Vec<ReviewPair>,
}

/// Splits every cluster that is more likely two people, and lists those that are not much less likely.
///
/// Greedy clustering joins on one pair. Here all pairs of a cluster are heard: `evidence` gives the log of the odds that
/// two records are one person, also for pairs below every threshold, and nothing for pairs that cannot be compared. A
/// split in two parts is supported by the sum over the pairs that it cuts, taken negative (correlation clustering: Bansal,
/// Blum and Chawla 2004). The best supported split is made, again and again, until none is supported; a cluster
/// whose best split lacks less than `margin` is for review.
///
/// Of more than eight members only single ones are split off, and clusters of more than [`MOST_REPAIRED`] go to review whole.
#[must_use]
pub fn repair(clusters: &[Cluster], evidence: impl Fn(Member, Member) -> Option<f64>, margin: f64) -> Repaired {
    let mut repaired = Repaired::default();
    for cluster in clusters {
        let (mut members, mut parts) = (cluster.members.clone(), 0);
        if members.len() > MOST_REPAIRED {
            repaired.too_large += 1;
            repaired.review.extend(large::first_doubt(&members, &evidence));
            repaired.keep(members);
            continue;
        }
        if members.len() > MOST_MEMBERS {
            let (left, alone, review) = large::split_off(members, &evidence, margin);
            (members, parts) = (left, alone);
            repaired.review.extend(review);
        }
        if members.len() > MOST_MEMBERS {
            parts += 1;
            repaired.keep(members);
        } else {
            parts += repaired.all_splits(members, &evidence, margin);
        }
        repaired.split += u64::from(parts > 1);
    }
    repaired.clusters.sort_unstable();
    repaired.review.sort_unstable_by_key(|pair| (pair.left, pair.right));
    repaired
}

impl Repaired {
    /// Makes every supported split, and returns how many parts are left.
    fn all_splits(
        &mut self,
        members: Vec<Member>,
        evidence: &impl Fn(Member, Member) -> Option<f64>,
        margin: f64,
    ) -> usize {
        let (mut waiting, mut parts) = (vec![members], 0);
        while let Some(members) = waiting.pop() {
            let pairs = small::Pairs::new(&members, evidence);
            match pairs.weakest_split() {
                Some((cut, side)) if cut < 0.0 => {
                    let part = |wanted: bool| -> Vec<Member> {
                        members.iter().zip(&side).filter(|(_, side)| **side == wanted).map(|(m, _)| *m).collect()
                    };
                    waiting.extend([part(true), part(false)]);
                }
                split => {
                    if let Some((cut, side)) = split
                        && cut < margin
                    {
                        self.review.extend(pairs.most_doubtful(&members, &side));
                    }
                    parts += 1;
                    self.keep(members);
                }
            }
        }
        parts
    }

    /// Keeps what is a cluster: records of at least two databases.
    fn keep(&mut self, members: Vec<Member>) {
        if members.iter().any(|member| member.database != members[0].database) {
            self.clusters.push(Cluster { members });
        }
    }
}
