//! Ways to make clusters, side by side.

use std::collections::{HashMap, HashSet};

use linkage_core::classify::{self, Model, Tables};
use linkage_core::cluster::{
    Cluster, Member, ScoredPair, assign_optimally, cluster, connected_components, mutual_best,
};
use linkage_core::evaluate::{Quality, cluster_quality};
use serde_json::{Value, json};

use crate::Study;
use crate::data::Households;

/// One way to make clusters, and how it did.
pub struct Method {
    name: &'static str,
    quality: Quality,
    wrong: [usize; 3],
}

impl Method {
    pub fn json(&self) -> Value {
        let q = &self.quality;
        json!({
            "method": self.name, "precision": q.precision(), "recall": q.recall(), "f1": q.f1(),
            "wrong_pairs": { "twins": self.wrong[0], "family": self.wrong[1], "strangers": self.wrong[2] },
        })
    }

    pub fn line(&self) -> String {
        let (q, [twins, family, strangers]) = (&self.quality, self.wrong);
        format!(
            "  {:<28} {:.4}   {:.4}   {:.4}   {twins}, {family}, {strangers}",
            self.name,
            q.precision(),
            q.recall(),
            q.f1()
        )
    }
}

pub fn compare(study: &Study, run: &Tables<'_>, model: &Model, households: &Households) -> Vec<Method> {
    let decision = classify::decide(run, model);
    // Optimal assignment wants positive scores; log-odds of accepted pairs are above -10.
    let positive = |pair: &ScoredPair| ScoredPair { score: pair.score + 10.0, ..*pair };
    let pairs: Vec<ScoredPair> = decision.pairs.iter().map(positive).collect();
    let greedy = cluster(decision.pairs.clone(), run.deduplicated);
    let people: HashMap<Member, u64> = (0u16..)
        .zip(&study.tables)
        .flat_map(|(database, table)| {
            (0u32..).zip(&table.people).map(move |(record, person)| (Member { database, record }, *person))
        })
        .collect();
    let judge = |name, clusters: &[Cluster]| Method {
        name,
        quality: cluster_quality(clusters, &people),
        wrong: wrong(clusters, &people, households),
    };
    let in_review: HashSet<Member> = decision.review.iter().flat_map(|pair| [pair.left, pair.right]).collect();
    let certain: Vec<Cluster> =
        decision.clusters.iter().filter(|c| !c.members.iter().any(|m| in_review.contains(m))).cloned().collect();
    vec![
        judge("greedy", &greedy),
        judge("greedy, repaired", &decision.clusters),
        judge("  without those in review", &certain),
        judge("connected components", &connected_components(&pairs)),
        judge("mutual best pairs only", &cluster(mutual_best(&pairs), run.deduplicated)),
        judge("optimal assignment", &cluster(assign_optimally(&pairs, 64), run.deduplicated)),
    ]
}

/// Wrong pairs by who they are: of one household and born on one day, of one household, strangers.
fn wrong(clusters: &[Cluster], people: &HashMap<Member, u64>, households: &Households) -> [usize; 3] {
    let mut wrong = [0; 3];
    for cluster in clusters {
        for (at, a) in cluster.members.iter().enumerate() {
            for b in &cluster.members[at + 1..] {
                let (a_person, b_person) = (people[a], people[b]);
                if a_person != b_person && a.database != b.database {
                    wrong[households.relation(a_person, b_person)] += 1;
                }
            }
        }
    }
    wrong
}
