//! Both sides' CLKs, where a row's number finds them, and the sample that was drawn of them.

use std::sync::{Mutex, PoisonError};

use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryReservation;
use linkage_core::block::certificate::{RecallCertificate, RecallTally};
use linkage_core::block::{PairSearch, TokenRows};
use linkage_core::dice::Match;

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
    pub(super) search: PairSearch,
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
    pub(super) fn keep(&self, pairs: impl Iterator<Item = (u32, u32)> + Clone) -> Option<Vec<Kept>> {
        let places: Option<Vec<(u32, u32)>> =
            pairs.clone().map(|(left, right)| self.left.place(left).zip(self.right.place(right))).collect();
        let mut found = Vec::new();
        let sides = [&self.left, &self.right].map(|side| (&side.tokens, side.ones.as_slice()));
        self.search.search(sides[0], sides[1], &places?, &mut found);
        if found.is_empty() {
            return Some(Vec::new());
        }
        let (mut pairs, mut next) = (pairs, 0);
        let kept = found.iter().filter_map(|(at, pair)| {
            let (left, right) = pairs.nth(at - next)?;
            next = at + 1;
            Some(Kept { left, right, score: pair.score() })
        });
        let kept = kept.collect();
        let found: Vec<Match> = found.into_iter().map(|(_, pair)| pair).collect();
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).observe(&found);
        Some(kept)
    }

    /// How many of the pairs at or above the threshold were found so far.
    pub(super) fn completeness(&self) -> RecallCertificate {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).certificate(0.0)
    }
}
