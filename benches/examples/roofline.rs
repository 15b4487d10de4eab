//! How near this machine's kernel comes to the machine's limit, both measured in one run and in turns.
//!
//! `cargo run -p linkage-benches --example roofline` prints CSV: pairs of 1024 bits per CPU-second, the bare arithmetic
//! (load, AND, popcount, ADD; with VPOPCNT where there is AVX-512) against the kernel without early abort, and the ratio of their medians; then pairs per second
//! of one and of two threads, by the clock on the wall, and their ratio: first of the bare arithmetic, which says what a second
//! core of this machine adds at most, then of searches at a threshold of 0.8. Linux only.

use std::error::Error;
use std::hint::black_box;
use std::io::{Write, stdout};
use std::thread;
use std::time::Instant;

use linkage_benches::{cpu_seconds, person_like};
use linkage_core::dice::{DiceThreshold, Kernel, LIMIT_PAIRS, limit, search};

/// At this threshold stopping early does not pay on these tokens, and few pairs match.
const THRESHOLD: &str = "0.5";

/// At this one most runs search.
const USUAL_THRESHOLD: &str = "0.8";
const TURNS: usize = 15;

/// Searches per turn: the scheduler counts CPU time in ticks of milliseconds, so a turn takes many.
const SEARCHES: usize = 12;

fn main() -> Result<(), Box<dyn Error>> {
    let (left, right) = (person_like(1, 2048), person_like(2, 8192));
    let pairs = (SEARCHES * left.rows() * right.rows()) as u64;
    let rounds = u32::try_from(pairs / LIMIT_PAIRS)?;
    let kernel = Kernel::detect()?;
    if limit(kernel, 1).is_none() {
        return Err(format!(
            "no limit is known for the kernel {}: set LINKAGE_KERNEL to avx2 or avx512",
            kernel.name()
        )
        .into());
    }
    let threshold: DiceThreshold = THRESHOLD.parse()?;

    let (mut bare, mut whole, mut matches) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let start = cpu_seconds()?;
        black_box(limit(kernel, black_box(rounds)));
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
    let name = format!("{} without early abort", kernel.name());
    for (name, seconds) in [("limit", &mut bare), (name.as_str(), &mut whole)] {
        seconds.sort_unstable_by(f64::total_cmp);
        // The longest time is the lowest rate; the ends are those of the middle half.
        let [median, low, high] = [TURNS / 2, TURNS * 3 / 4, TURNS / 4].map(|at| pairs as f64 / seconds[at]);
        writeln!(out, "{name},{median:.3e},{low:.3e},{high:.3e},pairs/CPU-s")?;
    }
    writeln!(out, "ratio,{:.3},,,", bare[TURNS / 2] / whole[TURNS / 2])?;

    // In turns too: what else the machine does then meets both alike.
    let usual: DiceThreshold = USUAL_THRESHOLD.parse()?;
    let bare = || {
        black_box(limit(kernel, black_box(rounds)));
    };
    let searches = || {
        let mut matches = Vec::new();
        for _ in 0..SEARCHES {
            matches.clear();
            search(kernel, &left, 0..left.rows(), &right, 0..right.rows(), usual, &mut matches);
        }
    };
    beside_one(&mut out, "of the limit", pairs, bare)?;
    beside_one(&mut out, &format!("at {usual}"), pairs, searches)?;
    Ok(())
}

/// Writes pairs per second of one thread and of two, and their ratio.
fn beside_one(out: &mut impl Write, what: &str, pairs: u64, turn: impl Fn() + Sync) -> std::io::Result<()> {
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        one.push(seconds(1, &turn));
        two.push(seconds(2, &turn));
    }
    for (threads, seconds) in [(1, &mut one), (2, &mut two)] {
        seconds.sort_unstable_by(f64::total_cmp);
        let [median, low, high] =
            [TURNS / 2, TURNS * 3 / 4, TURNS / 4].map(|at| f64::from(threads) * pairs as f64 / seconds[at]);
        writeln!(out, "{threads} threads {what},{median:.3e},{low:.3e},{high:.3e},pairs/s")?;
    }
    writeln!(out, "ratio,{:.3},,,", 2.0 * one[TURNS / 2] / two[TURNS / 2])
}

/// Seconds by the clock on the wall in which each of so many threads does one turn.
fn seconds(threads: i32, turn: &(impl Fn() + Sync)) -> f64 {
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(turn);
        }
    });
    start.elapsed().as_secs_f64()
}
