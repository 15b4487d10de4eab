//! Clusters of a few members: every split in two is tried.

use super::ReviewPair;
use crate::cluster::Member;

/// The log-odds within one cluster.
pub(super) struct Pairs {
    size: usize,
    log_odds: Vec<Option<f64>>,
}

impl Pairs {
    pub(super) fn new(members: &[Member], evidence: impl Fn(Member, Member) -> Option<f64>) -> Self {
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
    pub(super) fn weakest_split(&self) -> Option<(f64, Vec<bool>)> {
        if self.size < 2 {
            return None;
        }
        // The last member is always on the far side, which counts each split once.
        let sides = (1..1_u32 << (self.size - 1)).map(|bits| (0..self.size).map(|at| bits >> at & 1 == 1).collect());
        sides.map(|side: Vec<bool>| (self.between(&side), side)).min_by(|a, b| a.0.total_cmp(&b.0))
    }

    pub(super) fn most_doubtful(&self, members: &[Member], side: &[bool]) -> Option<ReviewPair> {
        (0..self.size)
            .flat_map(|a| (a + 1..self.size).map(move |b| (a, b)))
            .filter(|&(a, b)| side[a] != side[b])
            .filter_map(|(a, b)| Some((self.log_odds[a * self.size + b]?, a, b)))
            .min_by(|x, y| x.0.total_cmp(&y.0))
            .map(|(log_odds, a, b)| ReviewPair { left: members[a], right: members[b], log_odds })
    }
}
