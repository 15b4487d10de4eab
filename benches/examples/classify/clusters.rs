//! Ways to make clusters, side by side.

use std::collections::{HashMap, HashSet};

use linkage_core::classify::{Decision, Tables};
use linkage_core::cluster::{
    Cluster, Member, ScoredPair, assign_optimally, cluster, connected_components, mutual_best,
};
use linkage_core::evaluate::{Quality, cluster_quality};
use serde_json::{Map, Value, json};

use crate::Study;
use crate::kinds::{KINDS, Kinds};

/// One way to make clusters, and how it did.
pub struct Method {
    name: &'static str,
    quality: Quality,
    wrong: [usize; KINDS.len()],
}

impl Method {
    pub fn json(&self) -> Value {
        let q = &self.quality;
        json!({
            "method": self.name, "precision": q.precision(), "recall": q.recall(), "f1": q.f1(),
            "wrong_pairs": KINDS.iter().zip(self.wrong).map(|(kind, wrong)| (kind.to_string(), wrong.into())).collect::<Map<String, Value>>(),
        })
    }

    pub fn line(&self) -> String {
        let (q, wrong) = (&self.quality, self.wrong.map(|wrong| wrong.to_string()).join(", "));
        format!("  {:<28} {:.4}   {:.4}   {:.4}   {wrong}", self.name, q.precision(), q.recall(), q.f1())
    }
}

pub fn compare(study: &Study, run: &Tables<'_>, decision: &Decision, kinds: &Kinds<'_>) -> Vec<Method> {
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
        wrong: wrong(clusters, kinds),
    };
    let in_doubt = decision.review.pairs.iter().filter(|pair| pair.linked);
    let in_doubt: HashSet<Member> = in_doubt.flat_map(|pair| [pair.left, pair.right]).collect();
    let certain: Vec<Cluster> =
        decision.clusters.iter().filter(|c| !c.members.iter().any(|m| in_doubt.contains(m))).cloned().collect();
    vec![
        judge("greedy", &greedy),
        judge("as decided", &decision.clusters),
        judge("  without those in review", &certain),
        judge("connected components", &connected_components(&pairs)),
        judge("mutual best pairs only", &cluster(mutual_best(&pairs), run.deduplicated)),
        judge("optimal assignment", &cluster(assign_optimally(&pairs, 64), run.deduplicated)),
    ]
}

/// Wrong pairs by who they are.
fn wrong(clusters: &[Cluster], kinds: &Kinds<'_>) -> [usize; KINDS.len()] {
    let mut wrong = [0; KINDS.len()];
    for cluster in clusters {
        for (at, &a) in cluster.members.iter().enumerate() {
            for &b in &cluster.members[at + 1..] {
                if let Some(kind) = kinds.of(a, b).filter(|_| a.database != b.database) {
                    wrong[kind] += 1;
                }
            }
        }
    }
    wrong
}
