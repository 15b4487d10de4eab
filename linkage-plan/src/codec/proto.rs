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
    const MAGIC: &'static [u8] = b"linkage/DiceJoinExec/1\n";
}

impl Marked for DiceJoinNodeProto {
    const MAGIC: &'static [u8] = b"linkage/DiceJoinNode/1\n";
}

/// A threshold as its decimal text, which is exact.
pub(super) fn threshold(text: &str) -> Result<DiceThreshold> {
    text.parse().map_err(|_| damaged("its threshold"))
}

pub(crate) fn damaged(what: &str) -> DataFusionError {
    plan_datafusion_err!("a serialised operator is damaged: {what} cannot be read")
}
