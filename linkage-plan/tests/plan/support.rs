//! Tables to plan over, and what a naive reference finds in them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, FixedSizeBinaryBuilder, Int32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Float64Type, Schema, UInt32Type};
use arrow::util::display::array_value_to_string;
use linkage_core::dice::similarity;
use linkage_plan::{Candidate, LinkSession, LinkStream, PlanError, PlanOptions, TokenTable};

/// Enough for every test that is not about memory.
pub const PLENTY: usize = 1 << 30;

/// How long a test waits for what takes milliseconds before it says that it does not happen: no machine is so busy.
pub const LONG: Duration = Duration::from_secs(30);

/// One record's tokens.
#[derive(Clone, Debug, Default)]
pub struct Row {
    pub clk: Option<Vec<u8>>,
    pub exact: [Option<u8>; 2],
    pub place: i32,
    pub block: Option<u8>,
}

/// Repeatable draws.
pub struct Draws(pub u64);

impl Draws {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    /// Records of which many resemble one another; some lack a CLK, some are empty, some occur twice.
    pub fn rows(&mut self, count: usize, clk_bytes: usize) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for _ in 0..count {
            if !rows.is_empty() && self.below(10) == 0 {
                let again = self.below(rows.len() as u64) as usize;
                rows.push(rows[again].clone());
                continue;
            }
            let clk = match self.below(12) {
                0 => None,
                1 => Some(vec![0; clk_bytes]),
                _ => Some(self.clk(clk_bytes)),
            };
            let mut exact = || match self.below(6) {
                0..3 => None,
                _ => Some(self.below(40) as u8),
            };
            let exact = [exact(), exact()];
            rows.push(Row { clk, exact, place: self.below(5) as i32, block: None });
        }
        rows
    }

    /// One of four centres with a few bits changed: pairs lie on both sides of every usual threshold.
    pub fn clk(&mut self, clk_bytes: usize) -> Vec<u8> {
        let mut centre = Self(0x9E37_79B9 + self.below(4) * 0x1_0000_0001);
        let mut clk: Vec<u8> = (0..clk_bytes).map(|_| (centre.below(256) & centre.below(256)) as u8).collect();
        for _ in 0..self.below(clk_bytes as u64 * 2) {
            let bit = self.below(clk_bytes as u64 * 8) as usize;
            clk[bit / 8] ^= 1 << (bit % 8);
        }
        clk
    }
}

/// The rows as batches of at most `batch_rows`; with a column `block_name` when any row has such a key.
pub fn table(rows: &[Row], clk_bytes: usize, batch_rows: usize) -> TokenTable {
    let mut fields = vec![
        Field::new("clk", DataType::FixedSizeBinary(clk_bytes as i32), true),
        Field::new("exact_a", DataType::FixedSizeBinary(16), true),
        Field::new("exact_b", DataType::FixedSizeBinary(16), true),
        Field::new("place", DataType::Int32, false),
    ];
    let blocked = rows.iter().any(|row| row.block.is_some());
    fields.extend(blocked.then(|| Field::new("block_name", DataType::FixedSizeBinary(16), true)));
    let schema = Arc::new(Schema::new(fields));
    let batches = rows.chunks(batch_rows.max(1)).map(|rows| {
        let binary = |bytes: i32, value: &dyn Fn(&Row) -> Option<Vec<u8>>| -> ArrayRef {
            let mut column = FixedSizeBinaryBuilder::new(bytes);
            for row in rows {
                match value(row) {
                    Some(value) => column.append_value(value).unwrap(),
                    None => column.append_null(),
                }
            }
            Arc::new(column.finish())
        };
        let mut columns = vec![
            binary(clk_bytes as i32, &|row| row.clk.clone()),
            binary(16, &|row| row.exact[0].map(|value| vec![value; 16])),
            binary(16, &|row| row.exact[1].map(|value| vec![value; 16])),
            Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.place))) as ArrayRef,
        ];
        columns.extend(blocked.then(|| binary(16, &|row| row.block.map(|value| vec![value; 16]))));
        RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()
    });
    TokenTable::with_schema(Arc::clone(&schema), batches.collect()).unwrap()
}

/// A session with the tables `ndb` and `dpc`.
pub fn session(left: TokenTable, right: TokenTable, memory_bytes: usize, partitions: usize) -> LinkSession {
    let session = LinkSession::new(PlanOptions { memory_bytes, partitions }).unwrap();
    session.register("ndb", left).unwrap();
    session.register("dpc", right).unwrap();
    session
}

/// Left row, right row, and the bits of the score.
pub type Pairs = BTreeSet<(u32, u32, u64)>;

/// Every pair for which `wanted` says yes; it is given the score.
pub fn naive(left: &[Row], right: &[Row], wanted: impl Fn(&Row, &Row, f64) -> bool) -> Pairs {
    let mut pairs = Pairs::new();
    for (l, a) in left.iter().enumerate() {
        for (r, b) in right.iter().enumerate() {
            if let (Some(x), Some(y)) = (&a.clk, &b.clk) {
                let score = similarity(x, y);
                if wanted(a, b, score) {
                    pairs.insert((l as u32, r as u32, score.to_bits()));
                }
            }
        }
    }
    pairs
}

/// The result of a query of left row, right row and score; no pair may come twice.
pub async fn pairs(session: &LinkSession, query: &str) -> Pairs {
    pairs_of(&session.sql(query).await.unwrap())
}

/// Left row, right row and score in batches; no pair may come twice.
pub fn pairs_of(batches: &[RecordBatch]) -> Pairs {
    let mut pairs = Pairs::new();
    for batch in batches {
        let (left, right) =
            (batch.column(0).as_primitive::<UInt32Type>(), batch.column(1).as_primitive::<UInt32Type>());
        let scores = batch.column(2).as_primitive::<Float64Type>();
        for at in 0..batch.num_rows() {
            let new = pairs.insert((left.value(at), right.value(at), scores.value(at).to_bits()));
            assert!(new, "a pair came twice");
        }
    }
    pairs
}

/// The rows of a result as text, in the order in which they came.
pub fn texts(batches: &[RecordBatch]) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let values = batch.columns().iter().map(|column| match column.is_null(row) {
                true => "NULL".to_owned(),
                false => array_value_to_string(column, row).unwrap(),
            });
            rows.push(values.collect::<Vec<_>>().join(" "));
        }
    }
    rows
}

/// All candidates of a link.
pub async fn drain(mut stream: LinkStream) -> Result<Vec<Candidate>, PlanError> {
    let mut all = Vec::new();
    while let Some(candidates) = stream.next().await {
        all.extend(candidates?);
    }
    Ok(all)
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
