//! All pairs of two files of CLKs at or above a threshold, and the CPU time that finding them took.
//!
//! `dice_pairs LEFT RIGHT CLK_BYTES THRESHOLD REPETITIONS PAIRS`, where LEFT and RIGHT hold CLKs of `CLK_BYTES` bytes end
//! to end. Writes to PAIRS two little-endian `u32` per pair, ascending, and one line of JSON to stdout. It is our half of
//! `benches/anonlink.py`. Linux only: CPU time is read from `/proc`.

use std::error::Error;
use std::fs;
use std::io::{Write as _, stdout};

use linkage_benches::cpu_seconds;
use linkage_core::dice::{ClkBlock, DiceThreshold, Kernel, Match, search};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [left, right, clk_bytes, threshold, repetitions, pairs] = args.as_slice() else {
        return Err("give LEFT RIGHT CLK_BYTES THRESHOLD REPETITIONS PAIRS".into());
    };
    let (left, right, clk_bytes) = (fs::read(left)?, fs::read(right)?, clk_bytes.parse()?);
    let threshold: DiceThreshold = threshold.parse()?;
    let kernel = Kernel::detect()?;

    let (mut matches, mut aborted, mut cpu) = (Vec::new(), 0, Vec::new());
    for _ in 0..repetitions.parse::<u32>()? {
        let before = cpu_seconds()?;
        (matches, aborted) = all_pairs(kernel, &left, &right, clk_bytes, threshold)?;
        cpu.push(cpu_seconds()? - before);
    }

    let bytes: Vec<u8> = matches.iter().flat_map(|pair| [pair.left, pair.right]).flat_map(u32::to_le_bytes).collect();
    fs::write(pairs, bytes)?;
    writeln!(
        stdout().lock(),
        r#"{{"kernel":"{}","cpu_seconds":{cpu:?},"pairs":{},"aborted":{aborted}}}"#,
        kernel.name(),
        matches.len(),
    )?;
    Ok(())
}

/// Everything from the rows as bytes to the sorted pairs, so that nothing which the other side is charged for is free.
fn all_pairs(
    kernel: Kernel,
    left: &[u8],
    right: &[u8],
    clk_bytes: usize,
    threshold: DiceThreshold,
) -> Result<(Vec<Match>, u64)> {
    let left = ClkBlock::from_rows(clk_bytes, left.chunks(clk_bytes))?;
    let right = ClkBlock::from_rows(clk_bytes, right.chunks(clk_bytes))?;
    let mut matches = Vec::new();
    let stats = search(kernel, &left, 0..left.rows(), &right, 0..right.rows(), threshold, &mut matches);
    matches.sort_unstable();
    Ok((matches, stats.aborted))
}
