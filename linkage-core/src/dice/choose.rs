//! How much of a pair to look at before it is given up: decided tile by tile from the survivors of samples and of tiles.

use super::block::{LANES, Lanes};
use super::job::{Job, groups};
use super::screen::{Pieces, Screen};

/// What comparing a left row once more with eight right rows costs, beside the instructions for its words: the branch that
/// went the other way, and looking at eight results one by one. Like all costs here in vector instructions.
const FINISH_COST: f64 = 250.0;

/// Comparisons of a left row with eight right rows from which on looking for a screen pays: benches/examples/small_searches.rs measures it.
const LEAST_COMPARISONS: usize = 8192;

/// Samples that say something.
const LEAST_SAMPLES: usize = 16;

/// Samples after which it is asked whether any screen pays. Where none does, it is mostly plain at once.
const STEP: usize = 4;

/// Numbers of word pairs to choose among.
const CHOICES: usize = 8;

/// What a kernel looks at in pairs before it gives them up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looks {
    /// Pairs of words, and piles of the others: for kernels that can count bits.
    Words,
    /// Pieces of all words, the more the finer: for kernels whose instructions only compare bytes.
    Pieces,
}

impl Looks {
    /// What there is to choose among in CLKs of so many words, of which so many count; the least first.
    fn choices(self, words: usize, counting: usize) -> Vec<Screen> {
        match self {
            Self::Words => {
                let step = words.div_ceil(4 * CHOICES);
                let pairs = (1..=CHOICES).map(|at| at * step).filter(|pairs| 2 * pairs <= counting);
                pairs.map(|pairs| Screen { pairs, lanes: 1 }).collect()
            }
            // Words, halves, quarters and bytes of all, and of half of the words.
            Self::Pieces => {
                let lanes = [1, 2, 3, 4, 6, 8].map(|share| (counting * share).div_ceil(8));
                let mut choices = lanes.map(|lanes| Screen { pairs: 0, lanes }).to_vec();
                choices.dedup();
                choices
            }
        }
    }

    /// What a look at a left row and eight right rows costs.
    fn cost(self, screen: Screen) -> f64 {
        match self {
            Self::Words => (4 * screen.pairs + 3 * screen.lanes) as f64,
            Self::Pieces => (5 * screen.lanes + 3) as f64,
        }
    }

    /// What comparing a left row with eight right rows in so many words costs.
    fn whole_cost(self, words: usize) -> f64 {
        match self {
            Self::Words => (3 * words + 2) as f64,
            // Without an instruction that counts bits.
            Self::Pieces => (17 * words + 8) as f64,
        }
    }
}

/// What is known of how many pairs survive the screen.
pub(super) struct Chooser {
    looks: Looks,
    words: usize,
    choices: Vec<Screen>,
    samples: usize,
    /// Survivors among the samples, per choice.
    survivors: Vec<usize>,
    /// Share of survivors in the last tile for which the choice was made.
    measured: Vec<Option<f64>>,
    /// The pieces of a left and of a right group.
    pieces: [Vec<Lanes>; 2],
}

impl Chooser {
    pub(super) fn new(job: &Job<'_>, looks: Looks) -> Self {
        let choices = looks.choices(job.left.words(), job.order.len());
        Self {
            looks,
            words: job.left.words(),
            samples: 0,
            survivors: vec![0; choices.len()],
            measured: vec![None; choices.len()],
            pieces: [0, 1]
                .map(|_| vec![Lanes::default(); choices.iter().map(|screen| screen.lanes).max().unwrap_or(0)]),
            choices,
        }
    }

    /// Looks at some comparisons of the job and says what to look at in it; `None` when a screen does not pay.
    pub(super) fn choose(&mut self, job: &Job<'_>) -> Option<Screen> {
        let groups = groups(&job.right_rows);
        let comparisons = job.left_rows.len() * groups.len();
        // Enough at first that small searches choose well, and fewer once tiles have been measured.
        let samples = match self.samples {
            0 if comparisons < LEAST_COMPARISONS => 0,
            0 => (comparisons / 1024).clamp(LEAST_SAMPLES, 256),
            _ => (comparisons / 8192).min(256),
        };
        for sample in 1..=samples {
            let at = 2 * self.samples;
            self.look(job, spread(at, &job.left_rows), spread(at + 1, &groups));
            self.samples += 1;
            if sample.is_multiple_of(STEP) && self.best().is_none() {
                break;
            }
        }
        self.best()
    }

    /// The screen that costs least, going by what is known; `None` when comparing whole rows does.
    fn best(&self) -> Option<Screen> {
        if self.samples == 0 {
            return None;
        }
        let whole = self.looks.whole_cost(self.words);
        let costs =
            self.choices.iter().zip(&self.survivors).zip(&self.measured).map(|((screen, survivors), measured)| {
                let alive = measured.unwrap_or(*survivors as f64 / self.samples as f64);
                (self.looks.cost(*screen) + alive * (FINISH_COST + whole), Some(*screen))
            });
        costs.fold((whole, None), |best, next| if next.0 < best.0 { next } else { best }).1
    }

    /// Takes note of how many of a tile's pairs survived.
    pub(super) fn measured(&mut self, job: &Job<'_>, aborted: u64) {
        let (asked, at) = (job.pairs(), self.choices.iter().position(|screen| Some(*screen) == job.screen));
        if let (Some(at), 1..) = (at, asked) {
            self.measured[at] = Some((asked - aborted) as f64 / asked as f64);
        }
    }

    /// Counts for which choices any pair of a left row with a right group survives.
    fn look(&mut self, job: &Job<'_>, row: usize, group: usize) {
        let (lane, left_group) = (row % LANES, row / LANES);
        let left_may = job.may_differ(job.ones(job.left, left_group)[lane]);
        let may = job.ones(job.right, group).map(|ones| left_may + job.may_differ(ones) + 1);
        let (left, right) = (job.left.lanes(left_group), job.right.lanes(group));
        let mut differ = [0_i64; LANES];
        let mut looked_at = 0;
        for (screen, survivors) in self.choices.iter().zip(&mut self.survivors) {
            for words in job.order[2 * looked_at..2 * screen.pairs].as_chunks::<2>().0 {
                let [first, second] = words.map(usize::from);
                for (at, differ) in differ.iter_mut().enumerate() {
                    let either =
                        (left[first].0[lane] ^ right[first].0[at]) | (left[second].0[lane] ^ right[second].0[at]);
                    *differ += i64::from(either.count_ones());
                }
            }
            looked_at = screen.pairs;
            let pieces = Pieces::new(&job.order[2 * screen.pairs..], screen.lanes, job.allowance);
            let [left_pieces, right_pieces] = self.pieces.each_mut().map(|lanes| &mut lanes[..screen.lanes]);
            pieces.write(job.left, left_group, left_pieces);
            pieces.write(job.right, group, right_pieces);
            let survives = (0..LANES).any(|at| {
                let bytes = left_pieces
                    .iter()
                    .zip(&*right_pieces)
                    .flat_map(|(left, right)| left.0[lane].to_le_bytes().into_iter().zip(right.0[at].to_le_bytes()));
                differ[at] + bytes.map(|(left, right)| i64::from(left.abs_diff(right))).sum::<i64>() <= may[at]
            });
            *survivors += usize::from(survives);
            // Whoever looks at more hardly ever sees less of a difference, and with finer pieces never.
            if !survives {
                break;
            }
        }
    }
}

/// The words that count; where there may be a screen, those first in which a sample of pairs differs most.
pub(super) fn order(job: &Job<'_>, words: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut words: Vec<u8> = words.collect();
    let groups = groups(&job.right_rows);
    // No screen will be looked for.
    if job.left_rows.len() * groups.len() < LEAST_COMPARISONS {
        return words;
    }
    let mut differ = vec![0_u32; job.left.words()];
    for sample in 0..16 {
        let (row, group) = (spread(2 * sample, &job.left_rows), spread(2 * sample + 1, &groups));
        let (left, right) = (job.left.lanes(row / LANES), job.right.lanes(group));
        for ((differ, left), right) in differ.iter_mut().zip(left).zip(right) {
            *differ += right.0.iter().map(|right| (left.0[row % LANES] ^ right).count_ones()).sum::<u32>();
        }
    }
    words.sort_by_key(|word| std::cmp::Reverse(differ[usize::from(*word)]));
    words
}

/// A number of the range. Multiples of the golden ratio spread evenly, and are the same in every run.
fn spread(at: usize, range: &std::ops::Range<usize>) -> usize {
    let fraction = (at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    range.start + ((fraction as usize * range.len()) >> 32)
}
