//! The candidates of a run, from all pairs of databases, until it decides on them.

use linkage_core::classify;
use linkage_core::cluster::{Cluster, Member, ScoredPair, cluster, cluster_bytes};
use linkage_core::types::RecordRef;
use linkage_plan::{Candidate, HeldMemory, LinkSession, PlanError};

use super::learnt::Learnt;

/// A record of a cluster as the store is given it: its ref, and its part of a cluster of two.
const MEMBER_BYTES: usize = size_of::<(u16, RecordRef)>() + size_of::<Vec<(u16, RecordRef)>>() / 2;

/// Candidates in the one form that the run decides on. What they take is reserved of the run's memory before it is taken, and so is
/// what deciding on them will take: a run that cannot end is refused while it matches.
pub(super) struct Found {
    rule: Rule,
    /// Records of all databases.
    records: usize,
    memory: HeldMemory,
}

enum Rule {
    /// A threshold, which the candidates have passed.
    Threshold(Vec<ScoredPair>),
    /// What is learnt from them; by pair of databases.
    Learnt(Learnt, Vec<((usize, usize), Vec<classify::Candidate>)>),
}

impl Found {
    /// Nothing found yet, of so many records; with what was made of the tokens when links are learnt.
    ///
    /// # Errors
    /// When the run's memory does not hold what is needed for the records alone.
    pub fn new(session: &LinkSession, learnt: Option<Learnt>, records: usize) -> Result<Self, PlanError> {
        let rule = match learnt {
            Some(learnt) => Rule::Learnt(learnt, Vec::new()),
            None => Rule::Threshold(Vec::new()),
        };
        let memory = session.hold("what is made of the candidate pairs");
        let found = Self { rule, records, memory };
        found.memory.grow(found.deciding()(0), records)?;
        Ok(found)
    }

    /// What links are learnt from; none when a threshold decides.
    pub fn learnt(&self) -> Option<&Learnt> {
        match &self.rule {
            Rule::Learnt(learnt, _) => Some(learnt),
            Rule::Threshold(_) => None,
        }
    }

    /// Begins with two further databases. A pair of databases without candidates says something, too.
    pub fn begin(&mut self, databases: (usize, usize)) {
        if let Rule::Learnt(_, links) = &mut self.rule {
            links.push((databases, Vec::new()));
        }
    }

    /// Takes over candidates of the two databases [begun](Self::begin) with last.
    ///
    /// # Errors
    /// When the run's memory does not hold them, or what is made of them.
    pub fn add(&mut self, (left, right): (usize, usize), candidates: &[Candidate]) -> Result<(), PlanError> {
        let beside = self.deciding();
        match &mut self.rule {
            Rule::Threshold(pairs) => {
                make_room(pairs, candidates.len(), beside, &self.memory)?;
                let member = |position: usize, record| Member { database: position as u16, record };
                pairs.extend(candidates.iter().map(|candidate| ScoredPair {
                    left: member(left, candidate.left),
                    right: member(right, candidate.right),
                    score: candidate.score,
                    exact: candidate.exact,
                }));
            }
            Rule::Learnt(learnt, links) => {
                let Some((_, judged)) = links.last_mut() else { return Ok(()) };
                make_room(judged, candidates.len(), beside, &self.memory)?;
                judged.extend(candidates.iter().map(|candidate| learnt.candidate((left, right), candidate)));
            }
        }
        Ok(())
    }

    /// The clusters, and what was learnt as text. `deduplicated` says of each database whether it has every person once.
    pub fn decide(self, deduplicated: &[bool], smallest_cell: u64) -> (Vec<Cluster>, Option<String>) {
        match self.rule {
            Rule::Threshold(pairs) => (cluster(pairs, deduplicated), None),
            Rule::Learnt(learnt, links) => {
                let (clusters, findings) = learnt.decide(links, smallest_cell);
                (clusters, Some(findings))
            }
        }
    }

    /// What deciding on so many candidates takes beside them.
    fn deciding(&self) -> impl Fn(usize) -> usize + use<> {
        let (records, databases) = (self.records, self.learnt().map(Learnt::databases));
        move |candidates| match databases {
            Some(databases) => classify::learning_bytes(candidates, records, databases) + records * MEMBER_BYTES,
            None => cluster_bytes(candidates, records) + records.min(2 * candidates) * MEMBER_BYTES,
        }
    }
}

/// Makes room for so many more candidates, and for what is made of them, after reserving both.
fn make_room<T>(
    found: &mut Vec<T>,
    more: usize,
    deciding: impl Fn(usize) -> usize,
    memory: &HeldMemory,
) -> Result<(), PlanError> {
    let (needed, had) = (found.len() + more, found.capacity());
    if needed <= had {
        return Ok(());
    }
    let reserve = |room: usize| {
        let bytes = (room - had) * size_of::<T>() + deciding(room) - deciding(had);
        memory.grow(bytes, room).map(|()| room)
    };
    // Half as much again, so that it need not be moved for every batch; or no more than it takes.
    let room = reserve(needed.max(had + had / 2)).or_else(|_| reserve(needed))?;
    found.reserve_exact(room - found.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use linkage_plan::PlanOptions;

    use super::*;

    fn candidates(count: u32) -> Vec<Candidate> {
        (0..count).map(|row| Candidate { left: row, right: row, score: 0.9, exact: false }).collect()
    }

    #[test]
    fn candidates_are_reserved_with_what_is_made_of_them_and_refused_where_that_does_not_fit() {
        let session = LinkSession::new(PlanOptions { memory_bytes: 1 << 20, partitions: 1 }).unwrap();
        let mut found = Found::new(&session, None, 6000).unwrap();
        found.begin((0, 1));
        found.add((0, 1), &candidates(1000)).unwrap();
        found.add((0, 2), &candidates(500)).unwrap();
        let held = session.reserved_bytes();
        assert!(held >= 1500 * size_of::<ScoredPair>() + cluster_bytes(1500, 6000) + 3000 * MEMBER_BYTES, "{held}");
        let refused = found.add((1, 2), &candidates(50_000)).unwrap_err();
        let PlanError::Memory { rows: 51_500, needed_bytes, .. } = refused else { panic!("{refused:?}") };
        assert!(needed_bytes as usize > 51_500 * size_of::<ScoredPair>());
        assert_eq!(session.reserved_bytes(), held);
        let (clusters, findings) = found.decide(&[true; 3], 10);
        assert_eq!((clusters.len(), clusters[0].members.len(), findings), (1000, 3, None));
        assert_eq!(session.reserved_bytes(), 0);
    }
}
