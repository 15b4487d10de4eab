//! From judged candidates to clusters.

use std::collections::{HashMap, HashSet};

use super::{Candidate, Estimates, Model, Tables};
use crate::cluster::{Cluster, Member, Repaired, ReviewPair, ScoredPair, cluster, repair};

/// Evidence against is bounded: two records of one person may lack just what the other has.
const MOST_AGAINST: f64 = -6.0;

/// Odds of a hundred: a cluster that holds together by less goes to review.
const MARGIN: f64 = 4.6;

/// What is linked, and what to expect of it.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The pairs from which clusters were made, their score being the log of the odds.
    pub pairs: Vec<ScoredPair>,
    /// The clusters after repair.
    pub clusters: Vec<Cluster>,
    /// Clusters that repair has split.
    pub split: u64,
    /// Clusters too large to be repaired ([`MOST_REPAIRED`](crate::cluster::MOST_REPAIRED)); a pair of each is for review.
    pub too_large: u64,
    /// Pairs that somebody should look at.
    pub review: Vec<ReviewPair>,
    /// The chance from which on pairs were linked.
    pub cut: f64,
    /// Expected precision and recall.
    pub estimates: Estimates,
}

/// Links every pair whose chance reaches the model's cut, merges them greedily under "one record of each deduplicated
/// database per person", and repairs clusters whose parts speak against each other.
///
/// Composite tokens are not repaired: their similarity says too little of pairs that no search has found, and repair costs
/// recall (docs/spec/classification.md has figures). What repair would have looked at still goes to review.
#[must_use]
pub fn decide(run: &Tables<'_>, model: &Model) -> Decision {
    let cut = model.cut();
    let mut pairs = Vec::new();
    for (number, link) in run.links.iter().enumerate() {
        let judged = model.judge(run, number);
        let accepted = link.candidates.iter().zip(&judged).filter(|(c, j)| c.exact || f64::from(j.probability) >= cut);
        pairs.extend(accepted.map(|(candidate, _)| ScoredPair {
            left: Member { database: link.left as u16, record: candidate.left },
            right: Member { database: link.right as u16, record: candidate.right },
            score: model.log_odds(run, number, candidate),
            exact: candidate.exact,
        }));
    }
    let greedy = cluster(pairs.clone(), run.deduplicated);
    let numbers: HashMap<(u16, u16), usize> =
        (0..).zip(&run.links).map(|(number, link)| ((link.left as u16, link.right as u16), number)).collect();
    let exact: HashSet<(Member, Member)> =
        pairs.iter().filter(|pair| pair.exact).map(|pair| (pair.left, pair.right)).collect();
    let evidence = |a: Member, b: Member| {
        let link = *numbers.get(&(a.database, b.database))?;
        let (left, right) = (&run.tables[usize::from(a.database)], &run.tables[usize::from(b.database)]);
        let pattern = left.pattern(a.record, right, b.record);
        let score = left.score(a.record, right, b.record) as f32;
        let candidate = Candidate { left: a.record, right: b.record, score, exact: exact.contains(&(a, b)), pattern };
        (pattern.present() > 0).then(|| model.log_odds(run, link, &candidate).max(MOST_AGAINST))
    };
    let Repaired { mut clusters, mut split, too_large, review } = repair(&greedy, evidence, MARGIN);
    if model.weights().is_none() {
        (clusters, split) = (greedy, 0);
    }
    Decision { pairs, clusters, split, too_large, review, cut, estimates: model.estimates(cut) }
}
