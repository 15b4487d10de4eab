//! Pairwise quality of clusters over several databases.

use std::collections::HashMap;
use std::hash::Hash;

use super::quality::Quality;
use crate::cluster::{Cluster, Member};

/// Counts every pair of records of *different* databases: linked when in one cluster, true when of one person.
///
/// `person` gives the true person of each record of the run; a record that it leaves out is a person of its own.
/// Each record must be in at most one cluster, as [`crate::cluster::cluster`] makes them.
#[must_use]
pub fn cluster_quality(clusters: &[Cluster], person: &HashMap<Member, u64>) -> Quality {
    let links: u64 = clusters.iter().map(|cluster| cross_pairs(cluster.members.iter().map(|m| m.database))).sum();

    let mut truth: HashMap<u64, Vec<u16>> = HashMap::new();
    for (member, &person) in person {
        truth.entry(person).or_default().push(member.database);
    }
    let true_pairs: u64 = truth.into_values().map(cross_pairs).sum();

    let right: u64 = clusters
        .iter()
        .flat_map(|cluster| {
            let mut parts: HashMap<u64, Vec<u16>> = HashMap::new();
            for member in &cluster.members {
                if let Some(&person) = person.get(member) {
                    parts.entry(person).or_default().push(member.database);
                }
            }
            parts.into_values().map(cross_pairs)
        })
        .sum();
    Quality::from_counts(links, right, true_pairs)
}

/// Number of pairs whose databases differ.
fn cross_pairs(databases: impl IntoIterator<Item = u16>) -> u64 {
    let counts = tally(databases);
    let all: u64 = counts.values().sum();
    let same: u64 = counts.values().map(|n| n * n).sum();
    (all * all - same) / 2
}

fn tally<T: Hash + Eq>(items: impl IntoIterator<Item = T>) -> HashMap<T, u64> {
    let mut counts = HashMap::new();
    for item in items {
        *counts.entry(item).or_insert(0) += 1;
    }
    counts
}
