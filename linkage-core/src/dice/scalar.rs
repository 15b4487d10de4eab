//! The kernel in plain Rust, for every CPU, and the reference for the others.

use super::block::{LANES, Lanes};
use super::job::Job;
use super::loops::loops;
use super::screen::{Group, Screen, Side};
use super::search::Match;

/// Numbers of eight left rows with eight right rows.
type Sums = [[i64; LANES]; LANES];

loops!(pairs: 1 2 3 4 5;);

/// Compares all pairs of the job; returns how many were given up.
pub(super) fn run(job: &Job<'_>, out: &mut Vec<Match>) -> u64 {
    compare(job, out)
}

fn screen<const PAIRS: usize>(left: &Group<'_>, right: &Group<'_>) -> Sums {
    let mut sums = [right.start.0.map(|start| start as i64); LANES];
    for (row, sums) in sums.iter_mut().enumerate() {
        *sums = screen_row(left, row, right, sums);
    }
    sums
}

/// `start` and the lower bounds of the differences of one left row with eight right rows.
pub(super) fn screen_row(left: &Group<'_>, row: usize, right: &Group<'_>, start: &[i64; LANES]) -> [i64; LANES] {
    let mut sums = *start;
    for (left, right) in left.pieces.iter().zip(right.pieces) {
        let left = left.0[row].to_le_bytes();
        for (sum, pieces) in sums.iter_mut().zip(right.0) {
            let both = left.iter().zip(pieces.to_le_bytes());
            *sum += both.map(|(left, right)| i64::from(left.abs_diff(right))).sum::<i64>();
        }
    }
    let (left_words, right_words) = (left.words.as_chunks::<2>().0, right.words.as_chunks::<2>().0);
    for ([left, left_too], [right, right_too]) in left_words.iter().zip(right_words) {
        let (left, left_too) = (left.0[row], left_too.0[row]);
        for (sum, (right, right_too)) in sums.iter_mut().zip(right.0.iter().zip(right_too.0)) {
            // Wrapping, because overflow checks keep the loop from being vectorised; the sum is at most 4096.
            *sum = sum.wrapping_add(i64::from(((left ^ right) | (left_too ^ right_too)).count_ones()));
        }
    }
    sums
}

fn whole(left: &[Lanes], asked: &[i64; LANES], right: &[Lanes], start: &Lanes) -> Sums {
    let mut sums = asked.map(|asked| start.0.map(|start| start as i64 + asked));
    for (row, sums) in sums.iter_mut().enumerate() {
        for (sum, common) in sums.iter_mut().zip(common(left, row, right)) {
            *sum -= common as i64;
        }
    }
    sums
}

fn any(sums: &Sums) -> bool {
    sums.as_flattened().iter().fold(0, |all, sum| all | sum) < 0
}

fn alive(sums: &Sums) -> u8 {
    sums.iter().enumerate().fold(0, |rows, (row, sums)| rows | u8::from(sums.iter().any(|sum| *sum < 0)) << row)
}

fn common(left: &[Lanes], row: usize, right: &[Lanes]) -> [u64; LANES] {
    let mut sums = [0_u64; LANES];
    for (left, right) in left.iter().zip(right) {
        for (sum, right) in sums.iter_mut().zip(right.0) {
            *sum = sum.wrapping_add(u64::from((left.0[row] & right).count_ones()));
        }
    }
    sums
}
