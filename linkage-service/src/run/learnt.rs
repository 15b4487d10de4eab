//! Links that a run learns from its tokens, without truth (docs/spec/classification.md).

use std::fmt::Write;

use arrow::array::{Array, FixedSizeBinaryArray, RecordBatch, UInt16Array};
use linkage_core::classify::{
    self, CANDIDATES_PER_RECORD, Decision, Estimate, Link, Options, SegmentTable, Tables, count_frequencies, learn,
    search_floor,
};
use linkage_core::cluster::Cluster;
use linkage_core::dice::DiceThreshold;
use linkage_plan::Candidate;

use crate::error::LinkError;
use crate::policy::shown;

/// The tokens of all databases of a run, cut into segments.
#[derive(Default)]
pub(super) struct Learner {
    tables: Vec<SegmentTable>,
    deduplicated: Vec<bool>,
}

impl Learner {
    /// Takes the tokens of one more database, in row order. Each bit of them joins so many bits of a filter.
    pub(super) fn add(
        &mut self,
        batches: &[RecordBatch],
        segments: usize,
        joined: u32,
        deduplicated: bool,
    ) -> Result<(), LinkError> {
        let mut table: Option<SegmentTable> = None;
        let mut words = Vec::new();
        for batch in batches {
            let clks = batch.column_by_name("clk").and_then(|c| c.as_any().downcast_ref::<FixedSizeBinaryArray>());
            let presence = batch.column_by_name("presence").and_then(|c| c.as_any().downcast_ref::<UInt16Array>());
            let (clks, presence) = clks.zip(presence).ok_or(LinkError::Internal)?;
            if table.is_none() {
                table = SegmentTable::new(clks.value_length() as usize, segments).map(|table| table.diffused(joined));
            }
            let table = table.as_mut().ok_or(LinkError::Segments { segments })?;
            for row in 0..clks.len() {
                words.clear();
                words.extend(clks.value(row).as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)));
                table.push(&words, presence.value(row));
            }
        }
        self.tables.push(table.ok_or(LinkError::Internal)?);
        self.deduplicated.push(deduplicated);
        Ok(())
    }

    /// From which similarity on the plan is to give pairs of two databases. It scores segmented CLKs as this table does, over
    /// the segments that both records have.
    pub(super) fn floor(&self, left: usize, right: usize) -> DiceThreshold {
        search_floor(&self.tables[left], &self.tables[right], CANDIDATES_PER_RECORD)
    }

    /// Learns from the candidates of every pair of databases, links, and says what to expect of it.
    pub(super) fn decide(
        mut self,
        found: Vec<((usize, usize), Vec<Candidate>)>,
        smallest_cell: u64,
    ) -> (Vec<Cluster>, String) {
        let frequencies = count_frequencies(&mut self.tables, &self.deduplicated);
        let found: Vec<_> = found.into_iter().map(|((l, r), found)| (l, r, self.candidates(l, r, found))).collect();
        let links = found.iter().map(|(left, right, candidates)| Link { left: *left, right: *right, candidates });
        let run = Tables { tables: &self.tables, deduplicated: &self.deduplicated, links: links.collect() };
        let decision = classify::decide(&run, &learn(&run, &frequencies, &Options::default()));
        let findings = findings(&decision, smallest_cell);
        (decision.clusters, findings)
    }

    fn candidates(&self, left: usize, right: usize, found: Vec<Candidate>) -> Vec<classify::Candidate> {
        let (a, b) = (&self.tables[left], &self.tables[right]);
        let judged = found.into_iter().map(|found| classify::Candidate {
            left: found.left,
            right: found.right,
            score: found.score as f32,
            exact: found.exact,
            pattern: a.pattern(found.left, b, found.right),
        });
        let mut candidates: Vec<_> = judged.collect();
        // The plan gives pairs in any order; what is learnt must not depend on it.
        candidates.sort_unstable_by_key(|candidate| (candidate.left, candidate.right));
        candidates
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
