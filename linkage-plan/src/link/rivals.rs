//! Exact pairs of a record that is more like another one.

use std::collections::HashMap;

use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryReservation;

use super::Candidate;

/// What an entry of a table of rows takes.
const ENTRY_BYTES: usize = 32;

/// The exact pairs of a link, and the best score of either record with a record of the other table that it does not agree with.
pub(super) struct Rivals {
    exact: Vec<(u32, u32, f64)>,
    left: HashMap<u32, f64>,
    right: HashMap<u32, f64>,
    memory: MemoryReservation,
}

impl Rivals {
    pub(super) fn new(memory: MemoryReservation) -> Self {
        Self { exact: Vec::new(), left: HashMap::new(), right: HashMap::new(), memory }
    }

    /// Takes note of a batch's exact pairs.
    pub(super) fn exact(&mut self, candidates: &[Candidate]) -> Result<()> {
        let exact = candidates.iter().filter(|pair| pair.exact);
        self.exact.extend(exact.map(|pair| (pair.left, pair.right, pair.score)));
        self.reserve()
    }

    /// Takes note of pairs at or above the threshold that agree in no exact token: left, right, score.
    pub(super) fn rivals(&mut self, pairs: impl Iterator<Item = (u32, u32, f64)>) -> Result<()> {
        for (left, right, score) in pairs {
            for (best, row) in [(&mut self.left, left), (&mut self.right, right)] {
                let best = best.entry(row).or_insert(score);
                *best = best.max(score);
            }
        }
        self.reserve()
    }

    /// Exact pairs of which one record is more like another record, when all pairs have come.
    pub(super) fn count(&self) -> u64 {
        let rival = |best: &HashMap<u32, f64>, row: &u32, score: f64| best.get(row).is_some_and(|best| *best > score);
        let beaten = |(left, right, score): &&(u32, u32, f64)| {
            rival(&self.left, left, *score) || rival(&self.right, right, *score)
        };
        self.exact.iter().filter(beaten).count() as u64
    }

    fn reserve(&mut self) -> Result<()> {
        let entries = self.exact.capacity() + self.left.capacity() + self.right.capacity();
        self.memory.try_resize(entries * ENTRY_BYTES)
    }
}
