//! EXPLAIN ANALYZE of each strategy over made-up tokens, as in docs/guides/candidates.md:
//! `cargo run --example explain -- 8000`.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeBinaryBuilder, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use linkage_plan::{LinkOptions, LinkSession, PlanOptions, Strategy, TokenTable};

const CLK_BYTES: usize = 64;

/// CLK and two blocking keys.
type Record = (Vec<u8>, [Option<u8>; 2]);

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

/// People of whom every other one is on both sides, changed in some bits, and every twentieth with other keys.
fn people(count: usize) -> (Vec<Record>, Vec<Record>) {
    let mut draws = Draws(43);
    let pair = |at: usize| {
        let (left, mut right) = (draws.clk(), draws.clk());
        let keys = [Some((at % 100) as u8), Some((at / 100) as u8)];
        if !at.is_multiple_of(2) {
            return ((left, keys), (right, [Some(201), Some(202)]));
        }
        right.clone_from(&left);
        for _ in 0..draws.below(20) {
            right[draws.below(CLK_BYTES as u64) as usize] ^= 1 << draws.below(8);
        }
        ((left, keys), (right, if at.is_multiple_of(20) { [Some(200), None] } else { keys }))
    };
    (0..count).map(pair).unzip()
}

fn table(records: &[Record]) -> Result<TokenTable, Box<dyn Error>> {
    let fields = [("clk", CLK_BYTES as i32), ("block_name_year", 16), ("block_place", 16)];
    let mut columns = fields.map(|(_, bytes)| FixedSizeBinaryBuilder::new(bytes));
    for (clk, keys) in records {
        columns[0].append_value(clk)?;
        for (column, key) in columns[1..].iter_mut().zip(keys) {
            match key {
                Some(key) => column.append_value([*key; 16])?,
                None => column.append_null(),
            }
        }
    }
    let fields = fields.map(|(name, bytes)| Field::new(name, DataType::FixedSizeBinary(bytes), true));
    let columns = columns.map(|mut column| Arc::new(column.finish()) as ArrayRef);
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields.to_vec())), columns.to_vec())?;
    Ok(TokenTable::try_new(vec![batch])?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let count = std::env::args().nth(1).map_or(Ok(8000), |count| count.parse())?;
    let session = LinkSession::new(PlanOptions { memory_bytes: 1 << 30, partitions: 2 })?;
    let (left, right) = people(count);
    session.register("ndb", table(&left)?)?;
    session.register("dpc", table(&right)?)?;
    let options = LinkOptions::new("0.8".parse()?, Vec::new());
    let (lsh, keyed) = (Strategy::Lsh { recall: 0.95, seed: 1 }, Strategy::Keyed { keys: Vec::new(), seed: 3 });
    for strategy in [Strategy::Exhaustive, lsh, keyed] {
        let text = session.explain_by("ndb", "dpc", &options, strategy, true).await?;
        writeln!(std::io::stdout(), "{text}")?;
    }
    Ok(())
}
