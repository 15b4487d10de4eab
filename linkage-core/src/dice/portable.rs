//! The kernel in plain Rust, for every CPU. Its inner loop runs over the lanes, so the compiler vectorises it with
//! whatever the target has.

use super::block::{LANES, Lanes};
use super::search::{Job, Match};

/// Compares all pairs of the job; returns how many were given up at the checkpoint.
pub(super) fn run(job: &Job<'_>, out: &mut Vec<Match>) -> u64 {
    let stop_at = job.checkpoint.map_or(job.left.words(), |at| job.left.checkpoints()[at]);
    let mut words = vec![0_u64; job.left.words()];
    let mut aborted = 0;
    for tile in job.right_tiles() {
        for left in job.left_rows.clone() {
            for (at, word) in words.iter_mut().enumerate() {
                *word = job.left.word(left, at);
            }
            for group in tile.clone() {
                let lanes = job.right.lanes(group);
                let mut common = [0; LANES];
                add_common(&mut common, &words[..stop_at], &lanes[..stop_at]);
                if let Some(at) = job.checkpoint {
                    if !survives(job, left, group, at, &common) {
                        aborted += u64::from(job.right_mask(group).count_ones());
                        continue;
                    }
                    add_common(&mut common, &words[stop_at..], &lanes[stop_at..]);
                }
                push_matches(job, left, group, &common, out);
            }
        }
    }
    aborted
}

/// Adds the common bits of one left row with eight right rows.
fn add_common(common: &mut [u64; LANES], left: &[u64], right: &[Lanes]) {
    for (left, right) in left.iter().zip(right) {
        for (common, right) in common.iter_mut().zip(right.0) {
            // Wrapping, because overflow checks keep the loop from being vectorised; the sum is at most 4096.
            *common = common.wrapping_add(u64::from((left & right).count_ones()));
        }
    }
}

/// Whether any of the eight pairs can still reach the threshold: no more bits can be common than either side has left.
fn survives(job: &Job<'_>, left: usize, group: usize, at: usize, common: &[u64; LANES]) -> bool {
    let (left_group, left_lane) = (left / LANES, left % LANES);
    let left_all = job.left.counts(left_group, 0)[left_lane];
    let left_rest = job.left.counts(left_group, at + 1)[left_lane];
    let (all, rest) = (job.right.counts(group, 0), job.right.counts(group, at + 1));
    (0..LANES).any(|lane| {
        let reachable = common[lane] as u32 + u32::from(left_rest.min(rest[lane]));
        job.threshold.accepts(reachable, left_all.into(), all[lane].into())
    })
}

/// Appends those of the eight pairs that match.
fn push_matches(job: &Job<'_>, left: usize, group: usize, common: &[u64; LANES], out: &mut Vec<Match>) {
    let left_all = job.left.counts(left / LANES, 0)[left % LANES];
    let all = job.right.counts(group, 0);
    let mask = job.right_mask(group);
    for lane in 0..LANES {
        let intersection = common[lane] as u32;
        if mask & 1 << lane != 0 && job.threshold.accepts(intersection, left_all.into(), all[lane].into()) {
            out.push(Match { left: left as u32, right: (group * LANES + lane) as u32, intersection });
        }
    }
}
