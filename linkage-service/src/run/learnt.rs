//! Links that a run learns from its tokens, without truth (docs/spec/classification.md).

use std::collections::HashMap;
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

/// The plan compares whole CLKs, the bits of segments that one side lacks included, so that a pair with two segments
/// missing of seven scores a seventh less there: it is asked for that much less, and the score is taken anew.
const SEGMENTED_PPM: u64 = 800_000;

/// The tokens of all databases of a run, cut into segments.
#[derive(Default)]
pub(super) struct Learner {
    tables: Vec<SegmentTable>,
    deduplicated: Vec<bool>,
    /// By pair of databases, from which similarity on candidates are learnt from.
    floors: HashMap<(usize, usize), DiceThreshold>,
}

impl Learner {
    /// Takes the tokens of one more database, in row order.
    pub(super) fn add(
        &mut self,
        batches: &[RecordBatch],
        segments: usize,
        deduplicated: bool,
    ) -> Result<(), LinkError> {
        let mut table: Option<SegmentTable> = None;
        let mut words = Vec::new();
        for batch in batches {
            let clks = batch.column_by_name("clk").and_then(|c| c.as_any().downcast_ref::<FixedSizeBinaryArray>());
            let presence = batch.column_by_name("presence").and_then(|c| c.as_any().downcast_ref::<UInt16Array>());
            let (clks, presence) = clks.zip(presence).ok_or(LinkError::Internal)?;
            if table.is_none() {
                table = SegmentTable::new(clks.value_length() as usize, segments);
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

    /// From which similarity on the plan is to give pairs of two databases.
    pub(super) fn floor(&mut self, left: usize, right: usize) -> DiceThreshold {
        let (a, b) = (&self.tables[left], &self.tables[right]);
        let floor = *self.floors.entry((left, right)).or_insert_with(|| search_floor(a, b, CANDIDATES_PER_RECORD));
        if a.segments() < 2 {
            return floor;
        }
        let lower = u64::from(floor.ppm()) * SEGMENTED_PPM / 1_000_000;
        DiceThreshold::from_ppm(lower as u32).unwrap_or(floor)
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
        // Every pair of databases was searched from its floor.
        let floor = self.floors.get(&(left, right)).map_or(0.0, |floor| floor.as_f64());
        let judged = found.into_iter().filter_map(|found| {
            let score = if a.segments() < 2 { found.score } else { a.score(found.left, b, found.right) };
            let pattern = a.pattern(found.left, b, found.right);
            let candidate = classify::Candidate {
                left: found.left,
                right: found.right,
                score: score as f32,
                exact: found.exact,
                pattern,
            };
            (found.exact || score >= floor).then_some(candidate)
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
    let shown = |count: u64| match count {
        1.. if count < smallest_cell => format!("<{smallest_cell}"),
        count => count.to_string(),
    };
    let mut text = format!("learnt without truth: pairs are linked from a chance of {:.3}\n", decision.cut);
    // Writing to a string cannot fail.
    let _ =
        writeln!(text, "expected: precision {}, recall {}, F1 {}", one(&of.precision), one(&of.recall), one(&of.f1));
    let (split, review) = (shown(decision.split), shown(decision.review.len() as u64));
    let _ = write!(text, "clusters split by repair: {split}; pairs that somebody should look at: {review}");
    if of.warning {
        let _ = write!(
            text,
            "\nwarning: two estimates of precision contradict each other; look at a sample of links before you trust them"
        );
    }
    text
}
