//! How near the AVX-512 kernel comes to this machine's limit, both measured in one run and in turns.
//!
//! `cargo run -p linkage-benches --example roofline` prints CSV: pairs of 1024 bits per CPU-second, the bare arithmetic
//! (load, AND, VPOPCNT, ADD) against the kernel without early abort, and the ratio of their medians. Linux only.

use std::error::Error;
use std::hint::black_box;
use std::io::{Write as _, stdout};

use linkage_benches::{cpu_seconds, person_like};
use linkage_core::dice::{DiceThreshold, Kernel, LIMIT_PAIRS, limit, search};

/// At this threshold stopping early does not pay on these tokens, and hardly a pair matches.
const THRESHOLD: &str = "0.6";
const TURNS: usize = 15;

/// Searches per turn: the scheduler counts CPU time in ticks of milliseconds, so a turn takes many.
const SEARCHES: usize = 12;

fn main() -> Result<(), Box<dyn Error>> {
    let (left, right) = (person_like(1, 2048), person_like(2, 8192));
    let pairs = (SEARCHES * left.rows() * right.rows()) as u64;
    let rounds = u32::try_from(pairs / LIMIT_PAIRS)?;
    let kernel = Kernel::named("avx512")?;
    let threshold: DiceThreshold = THRESHOLD.parse()?;

    let (mut bare, mut whole, mut matches) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let start = cpu_seconds()?;
        black_box(limit(black_box(rounds)));
        let half = cpu_seconds()?;
        for _ in 0..SEARCHES {
            matches.clear();
            let stats = search(kernel, &left, 0..left.rows(), &right, 0..right.rows(), threshold, &mut matches);
            if stats.aborted > 0 {
                return Err("the kernel stopped early, so this is no measure of whole comparisons".into());
            }
        }
        whole.push(cpu_seconds()? - half);
        bare.push(half - start);
    }
    let mut out = stdout().lock();
    writeln!(out, "bench,median,low,high,unit")?;
    for (name, seconds) in [("limit", &mut bare), ("avx512 without early abort", &mut whole)] {
        seconds.sort_unstable_by(f64::total_cmp);
        // The longest time is the lowest rate; the ends are those of the middle half.
        let [median, low, high] = [TURNS / 2, TURNS * 3 / 4, TURNS / 4].map(|at| pairs as f64 / seconds[at]);
        writeln!(out, "{name},{median:.3e},{low:.3e},{high:.3e},pairs/CPU-s")?;
    }
    writeln!(out, "ratio,{:.3},,,", bare[TURNS / 2] / whole[TURNS / 2])?;
    Ok(())
}
