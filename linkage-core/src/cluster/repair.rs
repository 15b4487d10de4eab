//! Cohesion repair: clusters whose parts speak against each other are split, doubtful ones go to review.

use super::{Cluster, Member};

/// The largest cluster of which every split in two is tried; of larger ones only single members are split off.
const MOST_MEMBERS: usize = 8;

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
#[must_use]
pub fn repair(clusters: &[Cluster], evidence: impl Fn(Member, Member) -> Option<f64>, margin: f64) -> Repaired {
    let mut repaired = Repaired::default();
    for cluster in clusters {
        let mut waiting = vec![cluster.members.clone()];
        let mut parts = 0;
        while let Some(members) = waiting.pop() {
            let pairs = Pairs::new(&members, &evidence);
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
                        repaired.review.extend(pairs.most_doubtful(&members, &side));
                    }
                    parts += 1;
                    if members.iter().any(|member| member.database != members[0].database) {
                        repaired.clusters.push(Cluster { members });
                    }
                }
            }
        }
        repaired.split += u64::from(parts > 1);
    }
    repaired.clusters.sort_unstable();
    repaired.review.sort_unstable_by_key(|pair| (pair.left, pair.right));
    repaired
}

/// The log-odds within one cluster.
struct Pairs {
    size: usize,
    log_odds: Vec<Option<f64>>,
}

impl Pairs {
    fn new(members: &[Member], evidence: impl Fn(Member, Member) -> Option<f64>) -> Self {
        let size = members.len();
        let mut log_odds = vec![None; size * size];
        for a in 0..size {
            for b in a + 1..size {
                let odds = evidence(members[a], members[b]);
                log_odds[a * size + b] = odds;
                log_odds[b * size + a] = odds;
            }
        }
        Self { size, log_odds }
    }

    fn between(&self, side: &[bool]) -> f64 {
        let cut = (0..self.size).flat_map(|a| (a + 1..self.size).map(move |b| (a, b)));
        cut.filter(|&(a, b)| side[a] != side[b]).filter_map(|(a, b)| self.log_odds[a * self.size + b]).sum()
    }

    /// The split with the least evidence across it. Of equals the first, so that the order of evidence does not matter.
    fn weakest_split(&self) -> Option<(f64, Vec<bool>)> {
        if self.size < 2 {
            return None;
        }
        let sides: Box<dyn Iterator<Item = Vec<bool>>> = if self.size <= MOST_MEMBERS {
            // The last member is always on the far side, which counts each split once.
            Box::new((1..1_u32 << (self.size - 1)).map(|bits| (0..self.size).map(|at| bits >> at & 1 == 1).collect()))
        } else {
            Box::new((0..self.size).map(|alone| (0..self.size).map(|at| at == alone).collect()))
        };
        sides.map(|side| (self.between(&side), side)).min_by(|a, b| a.0.total_cmp(&b.0))
    }

    fn most_doubtful(&self, members: &[Member], side: &[bool]) -> Option<ReviewPair> {
        (0..self.size)
            .flat_map(|a| (a + 1..self.size).map(move |b| (a, b)))
            .filter(|&(a, b)| side[a] != side[b])
            .filter_map(|(a, b)| Some((self.log_odds[a * self.size + b]?, a, b)))
            .min_by(|x, y| x.0.total_cmp(&y.0))
            .map(|(log_odds, a, b)| ReviewPair { left: members[a], right: members[b], log_odds })
    }
}
