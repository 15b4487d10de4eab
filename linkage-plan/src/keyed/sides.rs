//! Both sides' CLKs, where a row's number finds them, and the sample that was drawn of them.

use std::sync::{Mutex, PoisonError};

use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryReservation;
use linkage_core::block::TokenRows;
use linkage_core::block::certificate::{RecallCertificate, RecallTally};
use linkage_core::dice::{DiceThreshold, Match};

use crate::lsh_join::Input;
use crate::steps::{STEP_ROWS, go_on};

/// The place of a number that no row has.
const NONE: u32 = u32::MAX;

/// One side.
pub(super) struct Side {
    pub(super) tokens: TokenRows,
    ones: Vec<u32>,
    /// Row number → place in `tokens`.
    places: Vec<u32>,
}

impl Side {
    /// What a side of so many rows, numbered below `numbers`, takes beside what was read of it.
    pub(super) fn bytes_for(rows: usize, numbers: usize) -> usize {
        (rows + numbers) * size_of::<u32>()
    }

    /// One more than the largest row number.
    pub(super) fn numbers(input: &Input) -> usize {
        input.numbers.iter().max().map_or(0, |most| *most as usize + 1)
    }

    /// The side of an input, until it is to be stopped.
    pub(super) fn new(input: Input, stop: &dyn Fn() -> bool) -> Result<Self> {
        let mut places = vec![NONE; Self::numbers(&input)];
        let mut ones = Vec::with_capacity(input.tokens.rows());
        for (place, number) in input.numbers.iter().enumerate() {
            if place.is_multiple_of(STEP_ROWS) {
                go_on(stop)?;
            }
            places[*number as usize] = place as u32;
            ones.push(input.tokens.popcount(place));
        }
        Ok(Self { tokens: input.tokens, ones, places })
    }

    fn place(&self, number: u32) -> Option<u32> {
        self.places.get(number as usize).copied().filter(|place| *place != NONE)
    }
}

/// What the partitions of a keyed join share.
pub(super) struct Sides {
    pub(super) left: Side,
    pub(super) right: Side,
    pub(super) tally: Mutex<RecallTally>,
    pub(super) _memory: MemoryReservation,
}

/// A pair that is kept.
pub(super) struct Kept {
    pub(super) left: u32,
    pub(super) right: u32,
    pub(super) score: f64,
}

impl Sides {
    /// Those of the pairs that reach the threshold. `None` when a pair names a row that is not there.
    pub(super) fn keep(&self, pairs: impl Iterator<Item = (u32, u32)>, threshold: DiceThreshold) -> Option<Vec<Kept>> {
        let (mut kept, mut found) = (Vec::new(), Vec::new());
        for (left_row, right_row) in pairs {
            let (left, right) = (self.left.place(left_row)?, self.right.place(right_row)?);
            let (l, r) = (left as usize, right as usize);
            let (intersection, ones) = if self.left.tokens.segments() > 1 {
                self.left.tokens.in_common(l, &self.right.tokens, r)
            } else {
                let rows = self.left.tokens.row(l).iter().zip(self.right.tokens.row(r));
                (rows.map(|(a, b)| (a & b).count_ones()).sum(), self.left.ones[l] + self.right.ones[r])
            };
            if threshold.accepts(intersection, ones, 0) {
                let pair = Match { left, right, intersection, ones };
                found.push(pair);
                kept.push(Kept { left: left_row, right: right_row, score: pair.score() });
            }
        }
        if !found.is_empty() {
            self.tally.lock().unwrap_or_else(PoisonError::into_inner).observe(&found);
        }
        Some(kept)
    }

    /// How many of the pairs at or above the threshold were found so far.
    pub(super) fn completeness(&self) -> RecallCertificate {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).certificate(0.0)
    }
}
