//! From judged candidates to clusters.

use std::collections::{HashMap, HashSet};

use super::linked::{Linked, Places};
use super::review::{Doubt, Doubts, Reason, Review};
use super::{Candidate, Estimates, Judged, Model, Tables, Zone};
use crate::cluster::{Cluster, Member, Repaired, ScoredPair, cluster_with_rivals, repair};

/// Evidence against is bounded: two records of one person may lack just what the other has.
const MOST_AGAINST: f64 = -6.0;

/// Odds of a hundred: a cluster that holds together by less goes to review, and so do two pairs of which one excludes the
/// other and is surer by less.
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
    /// Pairs that somebody should look at, linked or not.
    pub review: Review,
    /// The chance from which on pairs were linked.
    pub cut: f64,
    /// Expected precision and recall of the pairs within the clusters.
    pub estimates: Estimates,
}

/// Links every pair whose chance reaches the model's cut, merges them greedily under "one record of each deduplicated
/// database per person", and repairs clusters whose parts speak against each other.
///
/// Composite tokens are not repaired: their similarity says too little of pairs that no search has found, and repair costs
/// recall (docs/spec/classification.md has figures). What repair would have looked at still goes to review.
///
/// To review go, linked or not, pairs whose chance lies in the review zone, pairs that were passed over for others hardly
/// surer together with those others, and the weakest pairs of clusters that hold together by little. Of pairs of equal
/// standing that exclude each other one is linked, by row number, as the expected F1 wants it: both are in the list.
#[must_use]
pub fn decide(run: &Tables<'_>, model: &Model) -> Decision {
    let cut = model.cut();
    let judged: Vec<Vec<Judged>> = (0..run.links.len()).map(|link| model.judge(run, link)).collect();
    let mut pairs = Vec::new();
    for (number, (link, judged)) in run.links.iter().zip(&judged).enumerate() {
        let accepted = link.candidates.iter().zip(judged).filter(|(c, j)| c.exact || f64::from(j.probability) >= cut);
        pairs.extend(accepted.map(|(candidate, _)| {
            let [left, right] = link.members(candidate);
            ScoredPair { left, right, score: model.log_odds(run, number, candidate), exact: candidate.exact }
        }));
    }
    let (greedy, rivals) = cluster_with_rivals(pairs.clone(), run.deduplicated, MARGIN);
    let evidence = Evidence::new(run, model, &pairs);
    let Repaired { mut clusters, mut split, too_large, review } = repair(&greedy, |a, b| evidence.of(a, b), MARGIN);
    if model.weights().is_none() {
        (clusters, split) = (greedy, 0);
    }
    let places = Places::new(run, &clusters);
    let mut doubts = Doubts::new(&review, &rivals);
    for (number, (link, judged)) in run.links.iter().zip(&judged).enumerate() {
        for (candidate, judged) in link.candidates.iter().zip(judged) {
            let chance = f64::from(judged.probability);
            if model.zone(chance) == Zone::Review {
                let ([left, right], log_odds) = (link.members(candidate), model.log_odds(run, number, candidate));
                let alone = model.zone(1.0 / (1.0 + (-log_odds).exp()));
                let reason = if alone == Zone::Link { Reason::Rival } else { Reason::Chance };
                doubts.push(Doubt { left, right, log_odds, reason, linked: false }, chance);
            }
        }
    }
    let review = doubts.finish(|a, b| places.together(a, b));
    let linked = Linked::count(run, model, &clusters, &places, &judged, &evidence);
    Decision { pairs, clusters, split, too_large, review, cut, estimates: model.estimates(cut, &linked) }
}

/// What two records say of each other, candidates or not.
pub(super) struct Evidence<'a> {
    run: &'a Tables<'a>,
    model: &'a Model,
    /// Which link two databases have.
    numbers: HashMap<(u16, u16), usize>,
    exact: HashSet<(Member, Member)>,
}

impl<'a> Evidence<'a> {
    fn new(run: &'a Tables<'a>, model: &'a Model, pairs: &[ScoredPair]) -> Self {
        let numbers = (0..).zip(&run.links).map(|(number, link)| ((link.left as u16, link.right as u16), number));
        let exact = pairs.iter().filter(|pair| pair.exact).map(|pair| (pair.left, pair.right));
        Self { run, model, numbers: numbers.collect(), exact: exact.collect() }
    }

    /// Whether the databases of two members were compared.
    pub(super) fn compared(&self, a: Member, b: Member) -> bool {
        self.numbers.contains_key(&(a.database, b.database))
    }

    /// The log of the odds that they are one person, not far below nothing; none where they have nothing in common that could
    /// be compared.
    pub(super) fn of(&self, a: Member, b: Member) -> Option<f64> {
        let link = *self.numbers.get(&(a.database, b.database))?;
        let tables = self.run.tables;
        let (left, right) = (&tables[usize::from(a.database)], &tables[usize::from(b.database)]);
        let pattern = left.pattern(a.record, right, b.record);
        let score = left.score(a.record, right, b.record) as f32;
        let exact = self.exact.contains(&(a, b));
        let candidate = Candidate { left: a.record, right: b.record, score, exact, pattern };
        (pattern.present() > 0).then(|| self.model.log_odds(self.run, link, &candidate).max(MOST_AGAINST))
    }
}
