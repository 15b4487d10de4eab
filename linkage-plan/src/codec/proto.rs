//! The messages of our operators.

use datafusion::common::{DataFusionError, Result, plan_datafusion_err};
use linkage_core::dice::DiceThreshold;
use prost::Message;

/// A message and the prefix by which it is known.
pub(crate) trait Marked: Message + Default + Sized {
    /// Names the message and its version.
    const MAGIC: &'static [u8];

    /// Appends prefix and message.
    fn write(&self, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(Self::MAGIC);
        // A vector grows as needed, and that is the one way in which encoding fails.
        self.encode_raw(buffer);
    }

    /// Reads a message; `None` when the bytes begin otherwise.
    fn read(bytes: &[u8]) -> Option<Result<Self>> {
        let body = bytes.strip_prefix(Self::MAGIC)?;
        Some(Self::decode(body).map_err(|error| plan_datafusion_err!("a serialised operator is damaged: {error}")))
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct DiceJoinExecProto {
    #[prost(uint32, tag = "1")]
    pub(super) left_clk: u32,
    #[prost(uint32, tag = "2")]
    pub(super) right_clk: u32,
    #[prost(string, tag = "3")]
    pub(super) threshold: String,
    #[prost(message, repeated, tag = "4")]
    pub(super) output: Vec<OutputProto>,
    #[prost(message, optional, tag = "5")]
    pub(super) order: Option<OrderProto>,
    /// That the inputs' fields say the same is looked at when the message is read.
    #[prost(uint32, tag = "6")]
    pub(super) segments: u32,
    #[prost(uint32, optional, tag = "7")]
    pub(super) best: Option<u32>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct BlockedDiceJoinExecProto {
    /// CLKs, threshold, output and segments; no order.
    #[prost(message, optional, tag = "1")]
    pub(super) join: Option<DiceJoinExecProto>,
    #[prost(message, repeated, tag = "2")]
    pub(super) keys: Vec<TwoPlaces>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TwoPlaces {
    #[prost(uint32, tag = "1")]
    pub(super) first: u32,
    #[prost(uint32, tag = "2")]
    pub(super) second: u32,
}

/// A keyed join, with pairs, and an LSH join, with a recall.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ScoredJoinExecProto {
    #[prost(message, optional, tag = "1")]
    pub(super) pairs: Option<TwoPlaces>,
    /// CLK and row.
    #[prost(message, optional, tag = "2")]
    pub(super) left: Option<TwoPlaces>,
    #[prost(message, optional, tag = "3")]
    pub(super) right: Option<TwoPlaces>,
    #[prost(string, tag = "4")]
    pub(super) threshold: String,
    #[prost(uint32, optional, tag = "5")]
    pub(super) recall_ppm: Option<u32>,
    #[prost(uint64, tag = "6")]
    pub(super) seed: u64,
    /// Of an LSH join that is a work unit.
    #[prost(message, optional, tag = "7")]
    pub(super) part: Option<BandPartProto>,
    /// Of a keyed join.
    #[prost(bool, tag = "8")]
    pub(super) sampled: bool,
    /// That the inputs' fields say the same is looked at when the message is read.
    #[prost(uint32, tag = "9")]
    pub(super) segments: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct BandPartProto {
    #[prost(uint32, tag = "1")]
    pub(super) bits: u32,
    #[prost(uint32, tag = "2")]
    pub(super) first: u32,
    #[prost(uint32, tag = "3")]
    pub(super) end: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct BloomSemiExecProto {
    #[prost(message, optional, tag = "1")]
    pub(super) columns: Option<TwoPlaces>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct OrderProto {
    #[prost(uint32, tag = "1")]
    pub(super) left: u32,
    #[prost(uint32, tag = "2")]
    pub(super) right: u32,
    #[prost(bool, tag = "3")]
    pub(super) left_first: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct OutputProto {
    /// 0 left, 1 right, 2 score.
    #[prost(uint32, tag = "1")]
    pub(super) side: u32,
    #[prost(uint32, tag = "2")]
    pub(super) column: u32,
    #[prost(string, tag = "3")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct DiceJoinNodeProto {
    #[prost(message, optional, tag = "1")]
    pub(super) left_clk: Option<ColumnProto>,
    #[prost(message, optional, tag = "2")]
    pub(super) right_clk: Option<ColumnProto>,
    #[prost(string, tag = "3")]
    pub(super) threshold: String,
    #[prost(message, optional, tag = "4")]
    pub(super) order: Option<NodeOrderProto>,
    /// Left and right columns by turns.
    #[prost(message, repeated, tag = "5")]
    pub(super) keys: Vec<ColumnProto>,
    #[prost(message, optional, tag = "6")]
    pub(super) best: Option<BestProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct BestProto {
    #[prost(uint32, tag = "1")]
    pub(super) pairs: u32,
    #[prost(bool, tag = "2")]
    pub(super) left: bool,
}

/// A keyed join, an LSH join or a Bloom semi-join: its columns input by input, and what is asked for.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ScoredJoinNodeProto {
    #[prost(message, repeated, tag = "1")]
    pub(super) columns: Vec<ColumnProto>,
    #[prost(string, tag = "2")]
    pub(super) threshold: String,
    #[prost(uint32, optional, tag = "3")]
    pub(super) recall_ppm: Option<u32>,
    #[prost(uint64, tag = "4")]
    pub(super) seed: u64,
    /// Of a keyed join.
    #[prost(bool, tag = "5")]
    pub(super) sampled: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct BloomSemiNodeProto {
    #[prost(message, repeated, tag = "1")]
    pub(super) columns: Vec<ColumnProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct NodeOrderProto {
    #[prost(message, optional, tag = "1")]
    pub(super) left: Option<ColumnProto>,
    #[prost(message, optional, tag = "2")]
    pub(super) right: Option<ColumnProto>,
    #[prost(bool, tag = "3")]
    pub(super) left_first: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ColumnProto {
    /// The parts of the relation's name, from the table outwards: none for a column without a relation.
    #[prost(string, repeated, tag = "1")]
    pub(super) relation: Vec<String>,
    #[prost(string, tag = "2")]
    pub(super) name: String,
}

impl Marked for DiceJoinExecProto {
    const MAGIC: &'static [u8] = b"linkage/DiceJoinExec/2\n";
}

impl Marked for DiceJoinNodeProto {
    const MAGIC: &'static [u8] = b"linkage/DiceJoinNode/2\n";
}

impl Marked for BlockedDiceJoinExecProto {
    const MAGIC: &'static [u8] = b"linkage/BlockedDiceJoinExec/1\n";
}

impl Marked for ScoredJoinExecProto {
    const MAGIC: &'static [u8] = b"linkage/ScoredJoinExec/3\n";
}

impl Marked for BloomSemiExecProto {
    const MAGIC: &'static [u8] = b"linkage/BloomSemiExec/1\n";
}

impl Marked for ScoredJoinNodeProto {
    const MAGIC: &'static [u8] = b"linkage/ScoredJoinNode/2\n";
}

impl Marked for BloomSemiNodeProto {
    const MAGIC: &'static [u8] = b"linkage/BloomSemiNode/1\n";
}

/// A threshold as its decimal text, which is exact.
pub(super) fn threshold(text: &str) -> Result<DiceThreshold> {
    text.parse().map_err(|_| damaged("its threshold"))
}

pub(crate) fn damaged(what: &str) -> DataFusionError {
    plan_datafusion_err!("a serialised operator is damaged: {what} cannot be read")
}
