//! The exact sample.

use std::collections::HashSet;

use rayon::prelude::*;

use super::super::lsh::Stopped;
use super::super::pairs_needed;
use super::super::random::Draws;
use super::super::room::make_room;
use super::super::rows::TokenRows;
use super::tally::{CONFIDENCE, RecallTally};
use crate::dice::{ClkBlock, DiceThreshold, Kernel, Match, search};

/// Left rows of the first round; each later round triples what there is.
const FIRST_ROWS: usize = 128;

/// Right rows that are laid out at a time: what of 1024-bit CLKs stays in the second-level cache.
const TILE_ROWS: usize = 2048;

/// Drawn rows that are compared with a tile at a time, between two looks at whether to stop: what is found of them is held,
/// 32 MB at most and a thread, before there is a grant for it.
const PIECE_ROWS: usize = 1024;

/// Rows that are drawn between two looks at whether to stop.
const DRAWN_AT_A_TIME: usize = 1 << 14;

/// What a drawn row takes beside its layout: its number, and where it is among those that were drawn.
const ROW_BYTES: usize = 64;

/// What a pair takes, and whether it was found.
const PAIR_BYTES: usize = size_of::<(u32, u32)>() + size_of::<bool>();

/// What the stream of draws is for.
const PURPOSE: u64 = 4 << 40;

/// How many times the pairs that are wanted are drawn at most when rows have many pairs each and tell less than their number.
const MOST_PAIRS: u64 = 8;

/// What a search may spend on its certificate: one comparison in a hundred of all, or some ten seconds of one core.
const SHARE_COMPARED: u64 = 100;
const LEAST_COMPARED: u64 = 20_000_000_000;

/// How large a sample is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleRequest {
    /// Draws rows until their pairs at or above the threshold are worth as many ([`RecallSample::worth`]), or eight times as many
    /// were drawn,
    pub pairs: u64,
    /// but makes no more comparisons than this, the first rows apart.
    pub most_compared: u64,
    /// What rows are drawn from.
    pub seed: u64,
}

impl SampleRequest {
    /// A sample that can show a recall of `target` when the search finds half of what that would let it miss.
    ///
    /// For 0.99 that takes some 900 pairs; with no pair missed 368 would do. `most_compared` is left open.
    pub fn for_target(target: f64, seed: u64) -> Self {
        let pairs = pairs_needed(target, f64::midpoint(target, 1.0), CONFIDENCE).unwrap_or(u64::MAX);
        Self { pairs, most_compared: u64::MAX, seed }
    }

    /// The same for a search of these tables, which must not cost as much as comparing all pairs of them.
    pub fn for_search(left: &TokenRows, right: &TokenRows, target: f64, seed: u64) -> Self {
        let all = left.rows() as u64 * right.rows() as u64;
        Self { most_compared: (all / SHARE_COMPARED).max(LEAST_COMPARED), ..Self::for_target(target, seed) }
    }
}

/// Left rows drawn at random, and every pair of theirs.
pub struct RecallSample {
    pub(super) left_rows: usize,
    /// The rows drawn, ascending.
    pub(super) rows: Vec<u32>,
    /// Their pairs, ascending.
    pub(super) pairs: Vec<(u32, u32)>,
    pub(super) compared: u64,
    /// The squares of the rows' numbers of pairs, added up.
    squares: f64,
}

impl RecallSample {
    /// Draws left rows and finds all their pairs by comparing each with all right rows.
    ///
    /// Work is shared by the threads of the current rayon pool; they have no say in the result.
    ///
    /// `grant` is asked whether so many more bytes may be held before they are taken, for what drawing takes as well as for the
    /// sample and its tally. When the sample is drawn, [`bytes`](Self::bytes) are still held: the rest is the caller's to take back.
    ///
    /// # Errors
    /// When `stop` says yes or `grant` says no.
    ///
    /// # Panics
    /// When the tables' CLKs differ in length, or a table has more than 2³² rows.
    pub fn draw(
        left: &TokenRows,
        right: &TokenRows,
        threshold: DiceThreshold,
        kernel: Kernel,
        request: SampleRequest,
        stop: &(dyn Fn() -> bool + Sync),
        grant: &(dyn Fn(usize) -> bool + Sync),
    ) -> Result<Self, Stopped> {
        let mut sample =
            Self { left_rows: left.rows(), rows: Vec::new(), pairs: Vec::new(), compared: 0, squares: 0.0 };
        if !grant(sample.bytes()) {
            return Err(Stopped);
        }
        if right.rows() == 0 {
            return Ok(sample);
        }
        let affordable = usize::try_from(request.most_compared / right.rows() as u64).unwrap_or(usize::MAX);
        let most = left.rows().min(affordable.max(FIRST_ROWS));
        let mut order = Order::new(left.rows(), request.seed);
        let wanted_pairs = request.pairs as f64;
        let most_pairs = request.pairs.saturating_mul(MOST_PAIRS);
        while sample.rows.len() < most && sample.worth() < wanted_pairs && (sample.pairs.len() as u64) < most_pairs {
            let wanted = match sample.rows.len() {
                0 => FIRST_ROWS,
                // As many as seem to be missing and a fifth more, but no leap on a weak hint.
                drawn => {
                    let rate = (sample.worth() / drawn as f64).max(f64::MIN_POSITIVE);
                    let missing = (wanted_pairs - sample.worth()) / rate * 1.2;
                    (missing.ceil() as usize).clamp(FIRST_ROWS / 4, 2 * drawn)
                }
            };
            let wanted = wanted.min(most - sample.rows.len());
            if !grant(wanted * ROW_BYTES + left.block_bytes(PIECE_ROWS) * wanted.div_ceil(PIECE_ROWS)) {
                return Err(Stopped);
            }
            let rows = order.draw(wanted, stop)?;
            let found = pairs_of(&rows, (left, right), threshold, kernel, stop, grant)?;
            let before = sample.pairs.len();
            let pairs = found.iter().map(Vec::len).sum();
            make_room(&mut sample.pairs, pairs, |pairs| grant(pairs * PAIR_BYTES))?;
            sample.pairs.extend(found.into_iter().flatten());
            let pairs = &mut sample.pairs[before..];
            pairs.sort_unstable();
            // A row is drawn once, so that all its pairs are among these.
            sample.squares += pairs.chunk_by(|a, b| a.0 == b.0).map(|row| (row.len() as f64).powi(2)).sum::<f64>();
            sample.compared += rows.len() as u64 * right.rows() as u64;
            sample.rows.extend(rows.iter().map(|row| *row as u32));
        }
        sample.rows.sort_unstable();
        sample.pairs.sort_unstable();
        Ok(sample)
    }

    /// Memory that the sample takes, and the [tally](RecallTally) that is made of it.
    pub fn bytes(&self) -> usize {
        self.pairs.capacity() * PAIR_BYTES
            + self.rows.capacity() * size_of::<u32>()
            + RecallTally::bytes_for(self.left_rows)
    }

    /// Rows drawn.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Their pairs at or above the threshold.
    pub fn pairs(&self) -> usize {
        self.pairs.len()
    }

    /// How many pairs drawn one by one would tell as much, if the pairs of a row were always found or missed together: the worst
    /// that can be, and their number when no row has two (Kish 1965).
    pub fn worth(&self) -> f64 {
        (self.pairs.len() as f64).powi(2) / self.squares.max(1.0)
    }

    /// Comparisons made.
    pub fn compared(&self) -> u64 {
        self.compared
    }

    /// How many pairs both tables have, going by the sample.
    pub fn expected_pairs(&self) -> f64 {
        if self.rows.is_empty() {
            0.0
        } else {
            self.pairs.len() as f64 / self.rows.len() as f64 * self.left_rows as f64
        }
    }
}

impl std::fmt::Debug for RecallSample {
    /// Sizes only.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecallSample").field("rows", &self.rows()).field("pairs", &self.pairs()).finish_non_exhaustive()
    }
}

/// The pairs of these left rows, tile by tile of the right ones.
fn pairs_of(
    rows: &[usize],
    (left, right): (&TokenRows, &TokenRows),
    threshold: DiceThreshold,
    kernel: Kernel,
    stop: &(dyn Fn() -> bool + Sync),
    grant: &(dyn Fn(usize) -> bool + Sync),
) -> Result<Vec<Vec<(u32, u32)>>, Stopped> {
    let pieces: Vec<&[usize]> = rows.chunks(PIECE_ROWS).collect();
    let lay_out = |rows: &&[usize]| if stop() { Err(Stopped) } else { Ok(left.block(rows.iter().copied())) };
    let drawn: Vec<ClkBlock> = pieces.par_iter().map(lay_out).collect::<Result<_, _>>()?;
    let tiles: Vec<usize> = (0..right.rows()).step_by(TILE_ROWS).collect();
    let found = tiles.into_par_iter().map(|from| {
        let tile = right.block(from..(from + TILE_ROWS).min(right.rows()));
        let (mut found, mut near): (Vec<(u32, u32)>, Vec<Match>) = (Vec::new(), Vec::new());
        for (rows, drawn) in pieces.iter().zip(&drawn) {
            if stop() {
                return Err(Stopped);
            }
            search(kernel, drawn, 0..drawn.rows(), &tile, 0..tile.rows(), threshold, &mut near);
            make_room(&mut found, near.len(), |pairs| grant(pairs * size_of::<(u32, u32)>()))?;
            found.extend(near.drain(..).map(|pair| (rows[pair.left as usize] as u32, from as u32 + pair.right)));
        }
        Ok(found)
    });
    found.collect()
}

/// Rows in random order, each once.
struct Order {
    rows: usize,
    draws: Draws,
    drawn: HashSet<usize>,
    /// When most rows are drawn: those that are left, in order.
    rest: Option<std::vec::IntoIter<usize>>,
}

impl Order {
    fn new(rows: usize, seed: u64) -> Self {
        Self { rows, draws: Draws::new(seed, PURPOSE), drawn: HashSet::new(), rest: None }
    }

    /// The next rows, so many or all that are left.
    fn draw(&mut self, wanted: usize, stop: &(dyn Fn() -> bool + Sync)) -> Result<Vec<usize>, Stopped> {
        let mut rows = Vec::with_capacity(wanted);
        while rows.len() < wanted {
            if rows.len().is_multiple_of(DRAWN_AT_A_TIME) && stop() {
                return Err(Stopped);
            }
            if self.rest.is_none() && self.drawn.len() * 2 >= self.rows {
                self.rest = Some(self.shuffled_rest(stop)?.into_iter());
            }
            let Some(rest) = &mut self.rest else {
                let row = self.draws.below(self.rows as u64) as usize;
                rows.extend(self.drawn.insert(row).then_some(row));
                continue;
            };
            match rest.next() {
                Some(row) => rows.push(row),
                None => break,
            }
        }
        Ok(rows)
    }

    fn shuffled_rest(&mut self, stop: &(dyn Fn() -> bool + Sync)) -> Result<Vec<usize>, Stopped> {
        let mut rest = Vec::with_capacity(self.rows - self.drawn.len());
        for from in (0..self.rows).step_by(DRAWN_AT_A_TIME) {
            if stop() {
                return Err(Stopped);
            }
            let rows = from..(from + DRAWN_AT_A_TIME).min(self.rows);
            rest.extend(rows.filter(|row| !self.drawn.contains(row)));
        }
        for at in (1..rest.len()).rev() {
            if at.is_multiple_of(DRAWN_AT_A_TIME) && stop() {
                return Err(Stopped);
            }
            rest.swap(at, self.draws.below(at as u64 + 1) as usize);
        }
        Ok(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_drawn_at_random_and_each_once() {
        for rows in [0, 1, 2, 3, 100] {
            let mut order = Order::new(rows, 5);
            let mut drawn = order.draw(rows / 3, &|| false).unwrap();
            drawn.extend(order.draw(rows, &|| false).unwrap());
            assert!(rows < 100 || !drawn.is_sorted());
            drawn.sort_unstable();
            assert_eq!(drawn, (0..rows).collect::<Vec<_>>());
        }
    }
}
