//! Which candidates are one person: match weights, chances, three zones and estimates, without truth.
//!
//! docs/spec/classification.md has the formulas and where they come from. In short:
//!
//! 1. [`count_frequencies`] learns from the bits alone how frequent each value of each segment is.
//! 2. Candidates come from a search for every pair above a floor, each with its [`Pattern`] of agreement by segment.
//! 3. [`learn`] weighs patterns by EM. m starts from pairs that are each other's best, u is fixed by random pairs, segments
//!    that say partly the same are merged. Composite tokens have no pattern; there the value is what the bits say of the
//!    fields that both records have.
//! 4. It then puts values on one axis and asks how often chance reaches each. That is seen where it is certain: in
//!    candidates that one-to-one assignment passed over. From the size of the tables follow chances, so that no threshold
//!    has to be chosen, and none breaks down as the tables grow.
//! 5. [`Model::judge`] gives each candidate its chance, [`Model::zone`] its zone, [`Model::cut`] the chance from which on to
//!    link when nobody reviews.
//!
//! [`decide`] makes clusters of what the model links, lists what somebody should look at, and estimates precision and recall
//! with intervals and a second opinion. A gold sample corrects the chances first ([`Model::correct`]).
//!
//! ```
//! # use linkage_core::classify::*;
//! # let mut tables = vec![SegmentTable::new(16, 2).unwrap(), SegmentTable::new(16, 2).unwrap()];
//! # for row in 1..50_u64 { for t in &mut tables { t.push(&[row.wrapping_mul(0x9E3779B97F4A7C15), row.wrapping_mul(0xBF58476D1CE4E5B9)], 0b11); } }
//! let frequencies = count_frequencies(&mut tables, &[true, true]);
//! let [left, right] = &tables[..] else { unreachable!() };
//! # let found: Vec<(u32, u32)> = (0..49).map(|row| (row, row)).collect();
//! let candidates: Vec<Candidate> = found
//!     .iter()
//!     .map(|&(a, b)| {
//!         let (score, pattern) = (left.score(a, right, b) as f32, left.pattern(a, right, b));
//!         Candidate { left: a, right: b, score, exact: false, pattern }
//!     })
//!     .collect();
//! let run = Tables { tables: &tables, deduplicated: &[true, true], links: vec![Link { left: 0, right: 1, candidates: &candidates }] };
//! let model = learn(&run, &frequencies, &Options::default());
//! let links = model.judge(&run, 0).iter().filter(|judged| f64::from(judged.probability) >= model.cut()).count();
//! assert!(links <= candidates.len());
//! ```
//!
//! Everything is deterministic: sums are made over pieces of fixed size, in order, on any number of threads. Memory beside
//! the candidates (32 bytes each) is 4 bytes per candidate for values, the same while they are sorted, and 24 bytes per
//! record. [`decide`] holds 8 bytes per candidate and 4 per record, the pairs that it links, and at most
//! [`MOST_REVIEWED`] pairs for review twice over.

mod assign;
mod background;
mod composite;
mod curve;
mod decide;
#[cfg(test)]
mod decide_tests;
mod drowned;
mod em;
mod estimate;
#[cfg(test)]
mod estimate_tests;
#[cfg(test)]
mod evidence_tests;
mod gold;
mod linked;
mod measure;
mod merge;
mod mixture;
mod model;
mod multiplicity;
mod numeric;
mod pattern;
mod review;
#[cfg(test)]
mod review_tests;
mod search;
mod segments;
mod tail;
#[cfg(test)]
mod tests;

pub use decide::{Decision, decide};
pub use em::Weights;
pub use estimate::{Estimate, Estimates};
pub use gold::{Correction, GoldPair, learn_from_gold};
pub use merge::Merged;
pub use model::{Judged, Model, Options, Zone, learn};
pub use pattern::{Candidate, MAX_SEGMENTS, Pattern};
pub use review::{Doubt, MOST_REVIEWED, Reason, Review};
pub use search::{CANDIDATES_PER_RECORD, search_candidates, search_floor, segment_table};
pub use segments::{Frequencies, SegmentTable, count_frequencies};

use crate::cluster::Member;

/// What [`count_frequencies`] takes beside the tables: the values of one segment of all records, in order.
#[must_use]
pub fn frequency_bytes(records: usize) -> usize {
    24 * records
}

/// About what [`learn`] and [`decide`] take beside the tables and the candidates: the values of each candidate, their order and
/// what is judged of it; of each record its best candidate in each other table, and, twice over, half a link to each of them, what
/// became of it, and its part of a cluster; and the list for review.
#[must_use]
pub fn learning_bytes(candidates: usize, records: usize, tables: usize) -> usize {
    let reviewed = candidates.min(2 * MOST_REVIEWED) * 2 * size_of::<Doubt>();
    32 * candidates + (128 + 112 * tables) * records + reviewed
}

/// What a run compared: the tables, and the candidates of each pair of them.
pub struct Tables<'a> {
    /// The segmented tokens of each database; composite ones are tables of one segment.
    pub tables: &'a [SegmentTable],
    /// Whether each database holds every person at most once; one past the end counts as deduplicated.
    pub deduplicated: &'a [bool],
    /// The candidates by pair of databases.
    pub links: Vec<Link<'a>>,
}

/// The candidates of two databases.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    /// Index of the left table.
    pub left: usize,
    /// Index of the right table.
    pub right: usize,
    /// Every pair whose composite similarity reaches the search's floor, and every pair that agrees on an exact token.
    pub candidates: &'a [Candidate],
}

impl Link<'_> {
    /// The two records of a candidate.
    fn members(&self, candidate: &Candidate) -> [Member; 2] {
        let of = |table: usize, record| Member { database: table as u16, record };
        [of(self.left, candidate.left), of(self.right, candidate.right)]
    }
}

impl Tables<'_> {
    fn segments(&self) -> usize {
        self.tables.first().map_or(0, SegmentTable::segments)
    }

    fn rows(&self, link: &Link<'_>) -> [usize; 2] {
        [self.tables[link.left].rows(), self.tables[link.right].rows()]
    }

    /// Pairs of rows.
    fn comparisons(&self, link: &Link<'_>) -> f64 {
        let [n, m] = self.rows(link);
        n as f64 * m as f64
    }

    fn deduplicated(&self, table: usize) -> bool {
        self.deduplicated.get(table).copied().unwrap_or(true)
    }
}
