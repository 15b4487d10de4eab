//! Links that a run learns from its tokens, without truth (docs/spec/classification.md).

use std::collections::HashMap;
use std::fmt::Write;

use arrow::array::{Array, FixedSizeBinaryArray, UInt16Array};
use linkage_core::classify::{
    self, CANDIDATES_PER_RECORD, Decision, Estimate, Frequencies, Link, Options, SegmentTable, Tables,
    count_frequencies, frequency_bytes, learn, search_floor,
};
use linkage_core::cluster::Cluster;
use linkage_core::dice::DiceThreshold;
use linkage_plan::{Candidate, HeldMemory, LinkSession};

use super::link::pairs_of;
use super::tokens::Tokens;
use crate::error::LinkError;
use crate::policy::shown;

/// The tokens of all databases of a run, cut into segments, as they are read.
pub(super) struct Learner {
    tables: Vec<SegmentTable>,
    deduplicated: Vec<bool>,
    memory: HeldMemory,
    counting: HeldMemory,
}

impl Learner {
    /// No tokens yet.
    pub(super) fn new(session: &LinkSession) -> Self {
        let memory = session.hold("the tokens that links are learnt from");
        let counting = session.hold("counting how frequent values are");
        Self { tables: Vec::new(), deduplicated: Vec::new(), memory, counting }
    }

    /// Takes the tokens of one more database, in row order, after reserving what that takes.
    pub(super) fn add(mut self, tokens: &Tokens, deduplicated: bool) -> Result<Self, LinkError> {
        let (segments, rows) = (tokens.segments, tokens.refs.rows());
        let (clk_bytes, _) = tokens.layout().ok_or(LinkError::Internal)?;
        let table = SegmentTable::new(clk_bytes, segments).ok_or(LinkError::Segments { segments })?;
        self.memory.grow(SegmentTable::bytes_for(clk_bytes, segments, rows), rows)?;
        let mut table = table.diffused(tokens.joined);
        table.reserve(rows);
        let mut words = Vec::new();
        for batch in &tokens.batches {
            let clks = batch.column_by_name("clk").and_then(|c| c.as_any().downcast_ref::<FixedSizeBinaryArray>());
            let presence = batch.column_by_name("presence").and_then(|c| c.as_any().downcast_ref::<UInt16Array>());
            let (clks, presence) = clks.zip(presence).ok_or(LinkError::Internal)?;
            for row in 0..clks.len() {
                words.clear();
                words.extend(clks.value(row).as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)));
                table.push(&words, presence.value(row));
            }
        }
        self.tables.push(table);
        self.deduplicated.push(deduplicated);
        Ok(self)
    }

    /// Counts how frequent each value is and how similar strangers are, when all tokens are there.
    pub(super) fn count(self) -> Result<Learnt, LinkError> {
        let Self { mut tables, deduplicated, memory, counting } = self;
        let records = tables.iter().map(SegmentTable::rows).sum();
        counting.grow(frequency_bytes(records), records)?;
        let frequencies = count_frequencies(&mut tables, &deduplicated);
        let floor = |(left, right): (usize, usize)| {
            ((left, right), search_floor(&tables[left], &tables[right], CANDIDATES_PER_RECORD))
        };
        let floors = pairs_of(tables.len()).map(floor).collect();
        Ok(Learnt { tables, deduplicated, frequencies, floors, _memory: memory })
    }
}

/// What a run has learnt of its tokens before it matches.
pub(super) struct Learnt {
    tables: Vec<SegmentTable>,
    deduplicated: Vec<bool>,
    frequencies: Frequencies,
    floors: HashMap<(usize, usize), DiceThreshold>,
    _memory: HeldMemory,
}

impl Learnt {
    /// From which similarity on the plan is to give pairs of two databases; [`None`] when there are no such two. It scores segmented
    /// CLKs as this table does, over the segments that both records have.
    pub(super) fn floor(&self, databases: (usize, usize)) -> Option<DiceThreshold> {
        self.floors.get(&databases).copied()
    }

    /// How many databases there are.
    pub(super) fn databases(&self) -> usize {
        self.tables.len()
    }

    /// A candidate of two databases, with how far it agrees segment by segment.
    pub(super) fn candidate(&self, (left, right): (usize, usize), found: &Candidate) -> classify::Candidate {
        classify::Candidate {
            left: found.left,
            right: found.right,
            score: found.score as f32,
            exact: found.exact,
            pattern: self.tables[left].pattern(found.left, &self.tables[right], found.right),
        }
    }

    /// Learns from the candidates of every pair of databases, links, and says what to expect of it.
    pub(super) fn decide(
        &self,
        mut found: Vec<((usize, usize), Vec<classify::Candidate>)>,
        smallest_cell: u64,
    ) -> (Vec<Cluster>, String) {
        // The plan gives pairs in any order; what is learnt must not depend on it.
        for (_, candidates) in &mut found {
            candidates.sort_unstable_by_key(|candidate| (candidate.left, candidate.right));
        }
        let links = found.iter().map(|((left, right), candidates)| Link { left: *left, right: *right, candidates });
        let run = Tables { tables: &self.tables, deduplicated: &self.deduplicated, links: links.collect() };
        let decision = classify::decide(&run, &learn(&run, &self.frequencies, &Options::default()));
        let findings = findings(&decision, smallest_cell);
        (decision.clusters, findings)
    }
}

/// What a run found out about itself, for people; small counts are not shown.
fn findings(decision: &Decision, smallest_cell: u64) -> String {
    let of = &decision.estimates;
    let one = |estimate: &Estimate| format!("{:.4} ({:.4} to {:.4})", estimate.value, estimate.low, estimate.high);
    let mut text = format!("learnt without truth: pairs are linked from a chance of {:.3}\n", decision.cut);
    // Writing to a string cannot fail.
    let _ =
        writeln!(text, "expected: precision {}, recall {}, F1 {}", one(&of.precision), one(&of.recall), one(&of.f1));
    let (split, review) = (shown(decision.split, smallest_cell), shown(decision.review.total(), smallest_cell));
    let _ = write!(text, "clusters split by repair: {split}; pairs that somebody should look at: {review}");
    if of.warning {
        let _ = write!(
            text,
            "\nwarning: two estimates of precision contradict each other; look at a sample of links before you trust them"
        );
    }
    if of.recall_unknown {
        let _ = write!(
            text,
            "\nwarning: recall is hardly known, for matches may be no more alike than strangers are; the tokens need further fields"
        );
    }
    text
}
