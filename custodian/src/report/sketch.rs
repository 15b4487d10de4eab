//! How many different values there are and how many occur once, in bounded memory.
//!
//! A sample of values, not of rows (Gibbons 2001): while there are few, all are kept and the counts are exact; beyond that
//! only those whose hash ends in enough zeros, each with all of its occurrences. The hash is keyed anew in every run.

use std::collections::HashMap;

/// How many values are kept: estimates beyond it are within about one per cent.
const KEPT: usize = 1 << 16;

/// Counts the different values of one field or combination.
#[derive(Debug, Default)]
pub(crate) struct Sketch {
    seen: HashMap<u64, u32>,
    /// Hashes of values that are kept end in so many zeros.
    level: u32,
    rows: u64,
}

/// What a sketch says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Distinct {
    /// Rows that have a value.
    pub(crate) rows: u64,
    /// Different values.
    pub(crate) values: u64,
    /// Values that one row alone has.
    pub(crate) unique: u64,
    /// Rows whose value an earlier row has. Counted in the sample itself: the difference of two estimates would be noise.
    pub(crate) repeated: u64,
    /// Whether these are estimates.
    pub(crate) estimated: bool,
}

impl Sketch {
    /// Takes the keyed hash of one row's value.
    pub(crate) fn add(&mut self, hash: u64) {
        self.rows += 1;
        if hash.trailing_zeros() < self.level {
            return;
        }
        let count = self.seen.entry(hash).or_insert(0);
        *count = count.saturating_add(1);
        while self.seen.len() > KEPT {
            self.level += 1;
            let level = self.level;
            self.seen.retain(|hash, _| hash.trailing_zeros() >= level);
        }
    }

    pub(crate) fn distinct(&self) -> Distinct {
        let unique = self.seen.values().filter(|&&count| count == 1).count() as u64;
        let repeated = self.seen.values().map(|&count| u64::from(count) - 1).sum();
        let scaled = |count: u64| (count << self.level).min(self.rows);
        Distinct {
            rows: self.rows,
            values: scaled(self.seen.len() as u64),
            unique: scaled(unique),
            repeated: scaled(repeated),
            estimated: self.level > 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(value: u64) -> u64 {
        u64::from_le_bytes(blake3::hash(&value.to_le_bytes()).as_bytes()[..8].try_into().unwrap())
    }

    #[test]
    fn few_values_are_counted_exactly() {
        let mut sketch = Sketch::default();
        (0..3000).for_each(|value| sketch.add(hash(value % 2000)));
        assert_eq!(
            sketch.distinct(),
            Distinct { rows: 3000, values: 2000, unique: 1000, repeated: 1000, estimated: false }
        );
    }

    #[test]
    fn many_values_are_estimated_within_two_per_cent_in_bounded_memory() {
        let mut sketch = Sketch::default();
        (0..600_000).for_each(|value| sketch.add(hash(value % 400_000)));
        let found = sketch.distinct();
        assert!(found.estimated && sketch.seen.len() <= KEPT);
        for (estimate, truth) in [(found.values, 400_000_f64), (found.unique, 200_000.0), (found.repeated, 200_000.0)] {
            assert!((estimate as f64 / truth - 1.0).abs() < 0.02, "{estimate} for {truth}");
        }
    }
}
