//! What blocking keys cost: candidates per CPU second, and memory, as tables grow.
//!
//! `cargo run -p linkage-plan --example keyed_scale -- RECORDS ROWS_PER_KEY [PASSES]` links two tables of so many made-up tokens of 1024 bits by
//! so many blocking keys (2), each of which about ROWS_PER_KEY rows of either side share, on two threads, and prints a line of CSV. Half of
//! the people are on both sides. Linux only: CPU time and memory are read from `/proc`.

use std::error::Error;
use std::fs;
use std::io::{Write as _, stdout};
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, FixedSizeBinaryBuilder, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use linkage_plan::{LinkOptions, LinkSession, PlanOptions, Strategy, TokenTable};

const CLK_BYTES: usize = 128;

/// Rows of a batch, as a token file has them.
const BATCH_ROWS: usize = 8192;

/// SplitMix64 of a seed.
fn draw(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A table of people from `first` on; those of even numbers are on both sides, changed in some bits.
fn table(records: u64, side: u64, keys: u64, passes: usize) -> Result<TokenTable, Box<dyn Error>> {
    let names = (0..passes).map(|pass| (format!("block_{pass}"), 16));
    let fields: Vec<(String, i32)> = [("clk".to_owned(), CLK_BYTES as i32)].into_iter().chain(names).collect();
    let schema = fields.iter().map(|(name, bytes)| Field::new(name, DataType::FixedSizeBinary(*bytes), true));
    let schema = Arc::new(Schema::new(schema.collect::<Vec<_>>()));
    let mut batches = Vec::new();
    for first in (0..records).step_by(BATCH_ROWS) {
        let mut columns: Vec<_> = fields.iter().map(|(_, bytes)| FixedSizeBinaryBuilder::new(*bytes)).collect();
        for at in first..(first + BATCH_ROWS as u64).min(records) {
            let person = if at % 2 == 0 { at } else { at + side * records };
            let words = (0..16).map(|word| draw(person * 64 + word) & draw(person * 64 + 32 + word));
            let mut clk: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
            for flip in 0..side * 8 {
                let bit = draw(person * 64 + 48 + flip) as usize % (CLK_BYTES * 8);
                clk[bit / 8] ^= 1 << (bit % 8);
            }
            columns[0].append_value(clk)?;
            for (pass, column) in (1..).zip(&mut columns[1..]) {
                let key = draw(person ^ pass << 56) % keys;
                column.append_value([key.to_le_bytes(); 2].as_flattened())?;
            }
        }
        let columns = columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef);
        batches.push(RecordBatch::try_new(Arc::clone(&schema), columns.collect())?);
    }
    Ok(TokenTable::try_new(batches)?)
}

/// CPU seconds of all threads of this process so far, and the most memory that it has held, in GiB.
fn used() -> Result<(f64, f64), Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name of the program, in brackets, may hold spaces; user and system time are the 12th and 13th field after it.
    let (_, fields) = stat.rsplit_once(')').ok_or("no name in /proc/self/stat")?;
    let ticks: Vec<u64> = fields.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok((ticks.iter().sum::<u64>() as f64 / 100.0, kib / f64::from(1 << 20)))
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<u64> = std::env::args().skip(1).map(|arg| arg.parse()).collect::<Result<_, _>>()?;
    let [records, rows_per_key, passes @ ..] = args.as_slice() else {
        return Err("give RECORDS ROWS_PER_KEY [PASSES]".into());
    };
    let passes = passes.first().map_or(2, |passes| *passes as usize);
    let keys = (records / rows_per_key).max(1);
    let session = LinkSession::new(PlanOptions { memory_bytes: 20 << 30, partitions: 2 })?;
    session.register("ndb", table(*records, 0, keys, passes)?)?;
    session.register("dpc", table(*records, 1, keys, passes)?)?;
    let tables = session.reserved_bytes();

    let (began, (cpu_before, _)) = (Instant::now(), used()?);
    let options = LinkOptions::new("0.85".parse()?, Vec::new());
    let mut stream = session.link_by("ndb", "dpc", &options, Strategy::Keyed { keys: Vec::new(), seed: 1 }).await?;
    let progress = stream.progress();
    let (mut pairs, mut most_held) = (0, 0);
    while let Some(candidates) = stream.next().await {
        pairs += candidates?.len();
        most_held = most_held.max(session.reserved_bytes() - tables);
    }
    let (whole_s, (cpu, peak_gib)) = (began.elapsed().as_secs_f64(), used()?);
    let cpu_s = cpu - cpu_before;
    let report = progress.report().keyed.ok_or("no report of blocking keys")?;
    let completeness = report.completeness;
    writeln!(
        stdout(),
        "records,rows_per_key,passes,candidates,pairs,lower,upper,whole_s,cpu_s,candidates_per_cpu_s,table_bytes_per_row,held_bytes_per_row,peak_gib\n\
         {records},{rows_per_key},{passes},{},{pairs},{:.4},{:.4},{whole_s:.2},{cpu_s:.2},{:.3e},{},{},{peak_gib:.2}",
        report.candidates,
        completeness.lower,
        completeness.upper,
        report.candidates as f64 / cpu_s,
        tables as u64 / (2 * records),
        most_held as u64 / (2 * records),
    )?;
    Ok(())
}
