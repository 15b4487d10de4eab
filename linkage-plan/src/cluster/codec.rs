//! Shared scans and work units as bytes. The key of the chunks is in them: such a plan travels over mutual TLS and is never stored.

use std::sync::Arc;

use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use datafusion::common::{Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::bytes::{
    physical_plan_from_bytes_with_extension_codec, physical_plan_to_bytes_with_extension_codec,
};
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use object_store::path::Path;
use prost::Message;

use super::objects::{Chunk, ChunkKey};
use super::scan::{SharedScanExec, SharedTable};
use super::unit_exec::UnitExec;
use crate::codec::{LinkPhysicalCodec, Marked, damaged};

/// Everything of this crate that a worker may be asked to run.
pub(super) fn codec() -> LinkPhysicalCodec {
    LinkPhysicalCodec::new(Arc::new(SharedScanCodec))
}

#[derive(Debug)]
struct SharedScanCodec;

#[derive(Clone, PartialEq, Message)]
struct SharedScanProto {
    /// An IPC stream without batches.
    #[prost(bytes = "vec", tag = "1")]
    schema: Vec<u8>,
    #[prost(uint32, repeated, tag = "2")]
    projection: Vec<u32>,
    #[prost(message, repeated, tag = "3")]
    partitions: Vec<PartitionProto>,
    #[prost(bytes = "vec", tag = "4")]
    key: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct PartitionProto {
    #[prost(message, repeated, tag = "1")]
    chunks: Vec<ChunkProto>,
}

#[derive(Clone, PartialEq, Message)]
struct ChunkProto {
    #[prost(string, tag = "1")]
    path: String,
    #[prost(uint64, tag = "2")]
    number: u64,
    #[prost(uint64, tag = "3")]
    rows: u64,
}

/// The plan of a unit as bytes; none of an idle one.
#[derive(Clone, PartialEq, Message)]
struct UnitExecProto {
    #[prost(bytes = "vec", optional, tag = "1")]
    plan: Option<Vec<u8>>,
}

impl Marked for UnitExecProto {
    const MAGIC: &'static [u8] = b"linkage/UnitExec/1\n";
}

impl Marked for SharedScanProto {
    const MAGIC: &'static [u8] = b"linkage/SharedScanExec/1\n";
}

impl PhysicalExtensionCodec for SharedScanCodec {
    fn try_decode(
        &self,
        buf: &[u8],
        _: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if let Some(unit) = UnitExecProto::read(buf) {
            let plan = unit?.plan;
            let plan = plan.map(|plan| physical_plan_from_bytes_with_extension_codec(&plan, context, &codec()));
            return Ok(Arc::new(UnitExec::new(plan.transpose()?)));
        }
        let Some(message) = SharedScanProto::read(buf) else { return internal_err!("an operator of another codec") };
        let message = message?;
        let schema = StreamReader::try_new(message.schema.as_slice(), None)?.schema();
        let key = ChunkKey::from_slice(&message.key).ok_or_else(|| damaged("its key"))?;
        let table = SharedTable { schema, chunks: Vec::new(), key };
        let partitions =
            message.partitions.into_iter().map(|partition| partition.chunks.into_iter().map(read).collect());
        let projection = message.projection.into_iter().map(|at| at as usize).collect();
        let partitions = partitions.collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(SharedScanExec::try_new(&table, projection, partitions)?))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        if let Some(unit) = node.downcast_ref::<UnitExec>() {
            let plan = unit.plan().map(|plan| physical_plan_to_bytes_with_extension_codec(Arc::clone(plan), &codec()));
            UnitExecProto { plan: plan.transpose()?.map(|plan| plan.to_vec()) }.write(buf);
            return Ok(());
        }
        let Some(scan) = node.downcast_ref::<SharedScanExec>() else {
            return internal_err!("{} cannot be sent to a worker", node.name());
        };
        let partitions =
            scan.partitions.iter().map(|chunks| PartitionProto { chunks: chunks.iter().map(write).collect() });
        let message = SharedScanProto {
            schema: StreamWriter::try_new(Vec::new(), &scan.table_schema)?.into_inner()?,
            projection: scan.projection.iter().map(|at| *at as u32).collect(),
            partitions: partitions.collect(),
            key: scan.key.as_bytes().to_vec(),
        };
        message.write(buf);
        Ok(())
    }
}

fn write(chunk: &Chunk) -> ChunkProto {
    ChunkProto { path: chunk.path.to_string(), number: chunk.number, rows: chunk.rows as u64 }
}

fn read(chunk: ChunkProto) -> Result<Chunk> {
    let path = Path::parse(&chunk.path).map_err(|_| damaged("a path"))?;
    Ok(Chunk { path, number: chunk.number, rows: chunk.rows as usize })
}
