//! How good candidate generation is: how much it leaves out, and how much of that was wanted.

/// What candidate generation kept of all pairs (Christen 2012, §7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidates {
    /// All pairs of the two tables.
    pub possible: u64,
    /// Pairs that were kept.
    pub kept: u64,
    /// True pairs among those kept.
    pub true_kept: u64,
    /// All true pairs.
    pub true_pairs: u64,
}

impl Candidates {
    /// Share of all pairs that was left out; 0 when there are none.
    #[must_use]
    pub fn reduction_ratio(&self) -> f64 {
        if self.possible == 0 { 0.0 } else { 1.0 - self.kept as f64 / self.possible as f64 }
    }

    /// Share of the true pairs that was kept; 1 when there are none, since none is lost.
    #[must_use]
    pub fn pair_completeness(&self) -> f64 {
        if self.true_pairs == 0 { 1.0 } else { self.true_kept as f64 / self.true_pairs as f64 }
    }
}
