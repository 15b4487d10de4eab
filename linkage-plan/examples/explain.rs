//! EXPLAIN ANALYZE of each strategy and each form of the Dice join over made-up tokens, as in docs/guides/candidates.md:
//! `cargo run --example explain -- 8000`.

use std::error::Error;
use std::io::{Write, stdout};
use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeBinaryBuilder, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::util::display::array_value_to_string;
use linkage_plan::{LinkOptions, LinkSession, PlanOptions, Strategy, TokenTable};

const CLK_BYTES: usize = 64;

/// CLK, exact token, and two blocking keys.
type Record = (Vec<u8>, [Option<u32>; 3]);

/// Repeatable draws (xorshift).
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    fn clk(&mut self) -> Vec<u8> {
        (0..CLK_BYTES).map(|_| (self.below(256) & self.below(256)) as u8).collect()
    }
}

/// People of whom every other one is on both sides, changed in some bits; every tenth has an exact token, and every twentieth
/// other keys on the right.
fn people(count: usize) -> (Vec<Record>, Vec<Record>) {
    let mut draws = Draws(43);
    let pair = |at: usize| {
        let (left, mut right) = (draws.clk(), draws.clk());
        let exact = at.is_multiple_of(10).then_some(at as u32);
        let [name, place] = [Some((at % 100) as u32), Some((at / 100) as u32)];
        if !at.is_multiple_of(2) {
            return ((left, [exact, name, place]), (right, [None, Some(201), Some(202)]));
        }
        right.clone_from(&left);
        for _ in 0..draws.below(20) {
            right[draws.below(CLK_BYTES as u64) as usize] ^= 1 << draws.below(8);
        }
        let right_keys = if at.is_multiple_of(20) { [exact, Some(200), None] } else { [exact, name, place] };
        ((left, [exact, name, place]), (right, right_keys))
    };
    (0..count).map(pair).unzip()
}

fn table(records: &[Record]) -> Result<TokenTable, Box<dyn Error>> {
    let fields = [("clk", CLK_BYTES as i32), ("exact_id", 16), ("block_name_year", 16), ("block_place", 16)];
    let mut columns = fields.map(|(_, bytes)| FixedSizeBinaryBuilder::new(bytes));
    for (clk, keys) in records {
        columns[0].append_value(clk)?;
        for (column, key) in columns[1..].iter_mut().zip(keys) {
            match key {
                Some(key) => column.append_value([key.to_le_bytes(); 4].as_flattened())?,
                None => column.append_null(),
            }
        }
    }
    let fields = fields.map(|(name, bytes)| Field::new(name, DataType::FixedSizeBinary(bytes), true));
    let columns = columns.map(|mut column| Arc::new(column.finish()) as ArrayRef);
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields.to_vec())), columns.to_vec())?;
    Ok(TokenTable::try_new(vec![batch])?)
}

/// The same people as tokens of four segments, of which every third lacks the second.
fn segmented(records: &[Record]) -> Result<TokenTable, Box<dyn Error>> {
    let mut records = records.to_vec();
    for (clk, _) in records.iter_mut().step_by(3) {
        clk[CLK_BYTES / 4..CLK_BYTES / 2].fill(0);
    }
    Ok(table(&records)?.with_segments(4)?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let count = std::env::args().nth(1).map_or(Ok(8000), |count| count.parse())?;
    let session = LinkSession::new(PlanOptions { memory_bytes: 1 << 30, partitions: 2 })?;
    let (left, right) = people(count);
    session.register("ndb", table(&left)?)?;
    session.register("dpc", table(&right)?)?;
    session.register("ndb_max_quality", segmented(&left)?)?;
    session.register("dpc_max_quality", segmented(&right)?)?;
    let plain = LinkOptions::new("0.8".parse()?, Vec::new());
    let after_exact = LinkOptions { exact_tokens: vec!["id".into()], ..plain.clone() };
    let best = LinkOptions { top_k: Some(1), ..plain.clone() };
    let (lsh, keyed) = (Strategy::Lsh { recall: 0.95, seed: 1 }, Strategy::Keyed { keys: Vec::new(), seed: 3 });
    for (title, tables, options, strategy) in [
        ("All pairs", ["ndb", "dpc"], &plain, Strategy::Exhaustive),
        ("Bands", ["ndb", "dpc"], &plain, lsh),
        ("Blocking keys", ["ndb", "dpc"], &plain, keyed),
        ("Exact tokens first", ["ndb", "dpc"], &after_exact, Strategy::Exhaustive),
        ("The best pair of each left record", ["ndb", "dpc"], &best, Strategy::Exhaustive),
        ("Segmented tokens", ["ndb_max_quality", "dpc_max_quality"], &plain, Strategy::Exhaustive),
    ] {
        let text = session.explain_by(tables[0], tables[1], options, strategy, true).await?;
        writeln!(stdout(), "{title}:\n{text}")?;
    }
    for (title, query) in [
        (
            "Within blocks",
            "SELECT l.row, r.row FROM ndb l JOIN dpc r ON dice(l.clk, r.clk) >= 0.8 AND l.block_name_year = r.block_name_year",
        ),
        (
            "A table with itself",
            "SELECT l.row, r.row FROM ndb l JOIN ndb r ON dice(l.clk, r.clk) >= 0.8 AND l.row < r.row",
        ),
    ] {
        let analysed = session.sql(&format!("EXPLAIN ANALYZE {query}")).await?;
        writeln!(stdout(), "{title}:\n{query}\n{}", array_value_to_string(analysed[0].column(1), 0)?)?;
    }
    Ok(())
}
