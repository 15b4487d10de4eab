//! What was found of the sample, and how sure that makes one.

use std::fmt;

use super::super::clopper_pearson;
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
}

impl RecallTally {
    /// Nothing found yet.
    pub fn new(sample: RecallSample) -> Self {
        let mut drawn = vec![0_u64; sample.left_rows.div_ceil(64)];
        for row in &sample.rows {
            drawn[*row as usize / 64] |= 1 << (row % 64);
        }
        Self { found: vec![false; sample.pairs.len()], drawn, sample }
    }

    /// Takes note of pairs that the search returned. A pair may come again.
    pub fn observe(&mut self, pairs: &[Match]) {
        for pair in pairs {
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

    fn with_found(&self, found: u64, target: f64) -> RecallCertificate {
        let pairs = self.sample.pairs.len() as u64;
        let recall = if pairs == 0 { 1.0 } else { found as f64 / pairs as f64 };
        let worth = self.sample.worth();
        let (lower, upper) =
            if self.has_all_rows() { (recall, recall) } else { clopper_pearson(recall * worth, worth, CONFIDENCE) };
        RecallCertificate {
            target,
            rows: self.sample.rows.len() as u64,
            pairs,
            found,
            compared: self.sample.compared,
            expected_pairs: self.sample.expected_pairs(),
            recall,
            lower,
            upper,
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
    /// Where the recall over all pairs lies, at a confidence of [`CONFIDENCE`]: at least here,
    pub lower: f64,
    /// and at most here.
    pub upper: f64,
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
        if self.lost_share > 0.0 {
            write!(f, "; the lower end is lessened by the {:.4} of pairs lost in capped blocks", self.lost_share)?;
        }
        Ok(())
    }
}
