//! Ways to make clusters, side by side.

use std::collections::{HashMap, HashSet};

use linkage_core::classify::{Candidate, Judged, Model, Tables};
use linkage_core::cluster::{
    Cluster, Member, ScoredPair, assign_optimally, cluster, connected_components, mutual_best, repair,
};
use linkage_core::evaluate::{Quality, cluster_quality};
use serde_json::{Value, json};

use crate::Study;
use crate::data::Households;

/// Evidence against is bounded: two records of one person may lack just what the other has.
const MOST_AGAINST: f64 = -6.0;
/// Odds of a hundred: less than that goes to review.
const MARGIN: f64 = 4.6;

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

pub fn compare(
    study: &Study,
    run: &Tables<'_>,
    model: &Model,
    judged: &[Vec<Judged>],
    households: &Households,
) -> Vec<Method> {
    let mut pairs = Vec::new();
    for (link, (found, judged)) in study.found.iter().zip(judged).enumerate() {
        let accepted = |(c, j): &(&Candidate, &Judged)| c.exact || f64::from(j.probability) >= model.cut();
        pairs.extend(found.candidates.iter().zip(judged).filter(accepted).map(|(c, _)| ScoredPair {
            left: Member { database: found.left as u16, record: c.left },
            right: Member { database: found.right as u16, record: c.right },
            // Optimal assignment wants positive scores; log-odds of accepted pairs are above -1.
            score: model.log_odds(link, c) + 10.0,
            exact: c.exact,
        }));
    }
    let greedy = cluster(pairs.clone(), run.deduplicated);
    let links: HashMap<(u16, u16), usize> =
        (0..).zip(&study.found).map(|(number, found)| ((found.left as u16, found.right as u16), number)).collect();
    let exact: HashSet<(Member, Member)> =
        pairs.iter().filter(|pair| pair.exact).map(|pair| (pair.left, pair.right)).collect();
    let evidence = |a: Member, b: Member| {
        let link = *links.get(&(a.database, b.database))?;
        let (left, right) = (&study.cut[usize::from(a.database)], &study.cut[usize::from(b.database)]);
        let pattern = left.pattern(a.record, right, b.record);
        let score = left.score(a.record, right, b.record) as f32;
        let candidate = Candidate { left: a.record, right: b.record, score, exact: exact.contains(&(a, b)), pattern };
        (pattern.present() > 0).then(|| model.log_odds(link, &candidate).max(MOST_AGAINST))
    };
    let repaired = repair(&greedy, evidence, MARGIN);
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
    let in_review: HashSet<Member> = repaired.review.iter().flat_map(|pair| [pair.left, pair.right]).collect();
    let certain: Vec<Cluster> =
        repaired.clusters.iter().filter(|c| !c.members.iter().any(|m| in_review.contains(m))).cloned().collect();
    vec![
        judge("greedy", &greedy),
        judge("greedy, repaired", &repaired.clusters),
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
