//! Clusters: which records of several databases are one person.
//!
//! Plain transitive closure chains twins and families, because one wrong pair joins two otherwise clean clusters.
//! So pairs are taken greedily, the surest first, and a pair is passed over when it would put two records of one
//! deduplicated database into one cluster: such a database holds each person once, by its custodian's own statement.
//!
//! A cluster that greedy merging made on one pair may still be two people. [`repair`] hears all its pairs, splits it where
//! they speak against each other, and lists what is in doubt for review; [`cluster_with_rivals`] tells which pairs were passed over for
//! others hardly surer. [`connected_components`], [`mutual_best`] and
//! [`assign_optimally`] are what others do; they are here to be compared with (docs/spec/classification.md has figures).

mod compare;
mod greedy;
mod repair;
mod rivals;
mod union_find;

#[cfg(test)]
mod tests;

pub use compare::{assign_optimally, connected_components, mutual_best};
pub use greedy::{cluster, cluster_bytes};
pub use repair::{MOST_REPAIRED, Repaired, ReviewPair, repair};
pub use rivals::{Rivals, cluster_with_rivals};

/// One record: which database of the run, and which row of its token file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    /// Index into the run's list of databases.
    pub database: u16,
    /// Row in that database's token file, from 0.
    pub record: u32,
}

/// Two records that may be one person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredPair {
    /// One record.
    pub left: Member,
    /// The other record.
    pub right: Member,
    /// Dice similarity, from 0 to 1.
    pub score: f64,
    /// Whether the pair agrees on an exact token, which outranks every score.
    pub exact: bool,
}

/// The records of one person, in at least two databases.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cluster {
    /// The records, ascending, without repetition.
    pub members: Vec<Member>,
}
