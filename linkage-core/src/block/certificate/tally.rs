//! What was found of the sample, and how sure that makes one.

use std::fmt;

use super::super::clopper_pearson;
use super::heavy::{RowSizes, Split};
use super::sample::RecallSample;
use crate::dice::Match;

/// The two-sided confidence of certificates.
pub const CONFIDENCE: f64 = 0.95;

/// Counts which pairs of a sample a search returns.
pub struct RecallTally {
    sample: RecallSample,
    found: Vec<bool>,
    /// One bit per left row: whether it was drawn. Nearly all pairs that are looked up are of other rows.
    drawn: Vec<u64>,
    sizes: RowSizes,
    /// Whether the search cannot miss a pair of equal filters.
    finds_equal: bool,
}

impl RecallTally {
    /// Nothing found yet.
    pub fn new(sample: RecallSample) -> Self {
        let mut drawn = vec![0_u64; sample.left_rows.div_ceil(64)];
        for row in &sample.rows {
            drawn[*row as usize / 64] |= 1 << (row % 64);
        }
        let sizes = RowSizes::new(sample.left_rows);
        Self { found: vec![false; sample.pairs.len()], drawn, sizes, sample, finds_equal: false }
    }

    /// The same for a search that cannot miss a pair of equal filters, however many a row has: they do not make it doubtful.
    #[must_use]
    pub fn that_finds_equal(self) -> Self {
        Self { finds_equal: true, ..self }
    }

    /// Memory of a tally of so many left rows, beside its sample.
    pub(super) fn bytes_for(left_rows: usize) -> usize {
        left_rows.div_ceil(64) * size_of::<u64>() + RowSizes::bytes_for(left_rows)
    }

    /// Takes note of pairs that the search returned. A pair that comes again makes its row look heavier than it is.
    pub fn observe(&mut self, pairs: &[Match]) {
        for pair in pairs {
            if !(self.finds_equal && 2 * pair.intersection == pair.ones) {
                self.sizes.add(pair.left);
            }
            if self.drawn.get(pair.left as usize / 64).is_some_and(|rows| rows >> (pair.left % 64) & 1 != 0)
                && let Ok(at) = self.sample.pairs.binary_search(&(pair.left, pair.right))
            {
                self.found[at] = true;
            }
        }
    }

    /// The certificate of a recall of at least `target`, as things stand.
    pub fn certificate(&self, target: f64) -> RecallCertificate {
        self.with_found(self.found.iter().filter(|found| **found).count() as u64, target)
    }

    /// The certificate of a search that returned `kept` pairs in all, and knows that it lost about `lost` others.
    ///
    /// The rows drawn may have no part in what was lost, so that the lower end is lessened by that share: whatever else was
    /// missed, no larger share can have been found. A sample of all rows has seen it.
    pub fn certificate_of(&self, target: f64, kept: u64, lost: f64) -> RecallCertificate {
        let mut certificate = self.certificate(target);
        if lost > 0.0 && !self.has_all_rows() {
            certificate.lost_share = lost / (kept as f64 + lost);
            certificate.lower *= 1.0 - certificate.lost_share;
        }
        certificate
    }

    /// Whether the sample could show a recall of at least `target` at all: of a search that misses none of its pairs.
    pub fn can_certify(&self, target: f64) -> bool {
        self.with_found(self.sample.pairs.len() as u64, target).certified()
    }

    fn has_all_rows(&self) -> bool {
        self.sample.rows.len() == self.sample.left_rows
    }

    /// The interval of so many pairs found, the share of pairs that it sets aside, and what the sample is worth in it.
    fn interval(&self, found: u64) -> (f64, f64, Split) {
        let pairs = self.sample.pairs.len() as f64;
        let worth = |split: &Split| self.sample.worth().min(pairs * split.worth);
        // Which rows are set aside is chosen as if all were found, so that what was found has no say in it.
        let best =
            |split: &Split| clopper_pearson(worth(split), worth(split), CONFIDENCE).0 * (1.0 - split.heavy_share);
        let first = Split { worth: 1.0, heavy_share: 0.0 };
        let split = self.sizes.splits().reduce(|a, b| if best(&b) > best(&a) { b } else { a }).unwrap_or(first);
        let (worth, recall) = (worth(&split), if pairs == 0.0 { 1.0 } else { found as f64 / pairs });
        let (lower, upper) = clopper_pearson(recall * worth, worth, CONFIDENCE);
        let split = Split { worth, ..split };
        (lower * (1.0 - split.heavy_share), upper + split.heavy_share * (1.0 - upper), split)
    }

    fn with_found(&self, found: u64, target: f64) -> RecallCertificate {
        let pairs = self.sample.pairs.len() as u64;
        let recall = if pairs == 0 { 1.0 } else { found as f64 / pairs as f64 };
        let (lower, upper, split) = if self.has_all_rows() {
            (recall, recall, Split { worth: pairs as f64, heavy_share: 0.0 })
        } else {
            self.interval(found)
        };
        RecallCertificate {
            target,
            rows: self.sample.rows.len() as u64,
            pairs,
            found,
            compared: self.sample.compared,
            expected_pairs: self.sample.expected_pairs(),
            recall,
            worth: split.worth,
            lower,
            upper,
            heavy_share: split.heavy_share,
            lost_share: 0.0,
        }
    }
}

impl fmt::Debug for RecallTally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecallTally").field("sample", &self.sample).finish_non_exhaustive()
    }
}

/// The recall of one search, measured on a random exact sample that was drawn in the same run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecallCertificate {
    /// The recall that was asked for.
    pub target: f64,
    /// Left rows drawn, each compared with every right row.
    pub rows: u64,
    /// Their pairs at or above the threshold.
    pub pairs: u64,
    /// Of these, the pairs that the search returned.
    pub found: u64,
    /// Comparisons that the sample took.
    pub compared: u64,
    /// How many pairs at or above the threshold there are in all, going by the sample.
    pub expected_pairs: f64,
    /// `found` of `pairs`; 1 when there are none.
    pub recall: f64,
    /// How many pairs drawn one by one would tell as much as the sample does; fewer than it has where few rows have many pairs.
    pub worth: f64,
    /// Where the recall over all pairs lies, at a confidence of [`CONFIDENCE`]: at least here,
    pub lower: f64,
    /// and at most here.
    pub upper: f64,
    /// The share of the pairs returned that belong to rows with too many pairs for the sample to speak of them: both ends allow
    /// for it that of these as many were missed as were returned, or none. 0 when there are no such rows.
    pub heavy_share: f64,
    /// The share of pairs that the search itself knows to have lost, by which `lower` is lessened already; 0 when none.
    pub lost_share: f64,
}

impl RecallCertificate {
    /// Whether the target is shown to be reached.
    pub fn certified(&self) -> bool {
        self.lower >= self.target
    }
}

impl fmt::Display for RecallCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.certified() { "certified" } else { "NOT CERTIFIED" };
        write!(
            f,
            "recall {:.4} (95 % interval {:.4} to {:.4}), at least {} {verdict}: {} of {} pairs of {} random rows found",
            self.recall, self.lower, self.upper, self.target, self.found, self.pairs, self.rows
        )?;
        if self.worth < 0.9 * self.pairs as f64 {
            write!(f, ", worth {:.0} because few rows have many", self.worth)?;
        }
        if self.heavy_share > 0.0 {
            write!(f, "; the interval allows for the {:.4} of pairs in a few heavy rows", self.heavy_share)?;
        }
        if self.lost_share > 0.0 {
            write!(f, "; the lower end is lessened by the {:.4} of pairs lost in capped blocks", self.lost_share)?;
        }
        Ok(())
    }
}
