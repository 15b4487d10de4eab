//! From what size of a search on giving pairs up early pays, on one core.
//!
//! `cargo run -p linkage-benches --example small_searches` prints CSV: for searches of so many left rows against so many groups of eight right rows, segmented
//! tokens of eight segments of which rows have all or six, the pairs per CPU-second at a threshold at which nothing is given up, and how many times as many at
//! the usual ones. All are measured in turns. Linux only.

use std::error::Error;
use std::io::{Write, stdout};

use linkage_benches::{cpu_seconds, person_like_segments};
use linkage_core::dice::{DiceThreshold, Kernel, search};

/// At the first, stopping early does not pay on these tokens.
const THRESHOLDS: [&str; 3] = ["0.5", "0.7", "0.8"];
const SEGMENTS: usize = 8;
const PATTERNS: [u16; 2] = [0xFF, 0xFF & !0b100_0100];
const TURNS: usize = 9;

/// Left rows, and groups of eight right rows.
const SIZES: [(usize, usize); 9] =
    [(32, 32), (32, 64), (64, 64), (64, 96), (64, 128), (128, 96), (128, 128), (128, 256), (256, 1024)];

/// Pairs per turn: the scheduler counts CPU time in ticks of milliseconds, so a turn takes many searches.
const PAIRS_PER_TURN: usize = 1 << 25;

fn main() -> Result<(), Box<dyn Error>> {
    let kernel = Kernel::detect()?;
    let mut out = stdout().lock();
    writeln!(
        out,
        "kernel,left_rows,right_groups,comparisons,segments,threshold,aborted,pairs_per_cpu_s,times_whole,low,high"
    )?;
    for (left_rows, right_groups) in SIZES {
        for pattern in PATTERNS {
            let left = person_like_segments(1, left_rows, SEGMENTS, pattern);
            let right = person_like_segments(2, 8 * right_groups, SEGMENTS, pattern);
            let pairs = left.rows() * right.rows();
            let searches = PAIRS_PER_TURN.div_ceil(pairs);
            let (mut seconds, mut aborted, mut found) =
                (THRESHOLDS.map(|_| Vec::new()), [0; THRESHOLDS.len()], Vec::new());
            for _ in 0..TURNS {
                for (at, text) in THRESHOLDS.iter().enumerate() {
                    let threshold: DiceThreshold = text.parse()?;
                    let start = cpu_seconds()?;
                    for _ in 0..searches {
                        found.clear();
                        aborted[at] =
                            search(kernel, &left, 0..left.rows(), &right, 0..right.rows(), threshold, &mut found)
                                .aborted;
                    }
                    seconds[at].push(cpu_seconds()? - start);
                }
            }
            for (at, threshold) in THRESHOLDS.iter().enumerate() {
                let mut times: Vec<f64> =
                    seconds[0].iter().zip(&seconds[at]).map(|(whole, this)| whole / this).collect();
                let mut own = seconds[at].clone();
                times.sort_unstable_by(f64::total_cmp);
                own.sort_unstable_by(f64::total_cmp);
                writeln!(
                    out,
                    "{},{left_rows},{right_groups},{},{},{threshold},{:.3},{:.3e},{:.2},{:.2},{:.2}",
                    kernel.name(),
                    left_rows * right_groups,
                    pattern.count_ones(),
                    aborted[at] as f64 / pairs as f64,
                    (searches * pairs) as f64 / own[TURNS / 2],
                    times[TURNS / 2],
                    times[TURNS / 4],
                    times[TURNS * 3 / 4],
                )?;
            }
        }
    }
    Ok(())
}
