//! Reading shared tables: a table of chunks, and the operator that reads them wherever it runs.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{StreamExt, TryStreamExt, stream};
use url::Url;

use super::objects::{self, Chunk, ChunkKey};

/// The URL by which a runtime knows the store of shared chunks.
pub(super) fn store_url() -> Url {
    Url::parse("linkage://chunks").expect("a fixed text that is a URL")
}

/// A table whose rows lie in chunks in the object store.
#[derive(Debug, Clone)]
pub(super) struct SharedTable {
    pub(super) schema: SchemaRef,
    pub(super) chunks: Vec<Chunk>,
    pub(super) key: ChunkKey,
}

#[async_trait]
impl TableProvider for SharedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all = || (0..self.schema.fields().len()).collect();
        let projection = projection.cloned().unwrap_or_else(all);
        let partitions = deal(&self.chunks, session.config().target_partitions());
        Ok(Arc::new(SharedScanExec::try_new(self, projection, partitions)?))
    }
}

/// Chunks dealt out to `hands`, one after another.
pub(super) fn deal(chunks: &[Chunk], hands: usize) -> Vec<Vec<Chunk>> {
    let mut dealt = vec![Vec::new(); hands.max(1)];
    for (at, chunk) in chunks.iter().enumerate() {
        dealt[at % hands.max(1)].push(chunk.clone());
    }
    dealt
}

/// Reads chunks of a shared table, one at a time per partition.
pub(super) struct SharedScanExec {
    /// Of the whole table.
    pub(super) table_schema: SchemaRef,
    pub(super) projection: Vec<usize>,
    pub(super) partitions: Vec<Vec<Chunk>>,
    pub(super) key: ChunkKey,
    properties: Arc<PlanProperties>,
}

impl SharedScanExec {
    pub(super) fn try_new(table: &SharedTable, projection: Vec<usize>, partitions: Vec<Vec<Chunk>>) -> Result<Self> {
        let schema = Arc::new(table.schema.project(&projection)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(partitions.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self {
            table_schema: Arc::clone(&table.schema),
            projection,
            partitions,
            key: table.key.clone(),
            properties: Arc::new(properties),
        })
    }

    /// One scan for each of `tasks`, which together read every chunk once.
    pub(super) fn split(&self, tasks: usize) -> Result<Vec<Arc<dyn ExecutionPlan>>> {
        let all: Vec<Chunk> = self.partitions.iter().flatten().cloned().collect();
        let table = SharedTable { schema: Arc::clone(&self.table_schema), chunks: Vec::new(), key: self.key.clone() };
        let shares = deal(&all, tasks).into_iter().map(|share| {
            let partitions = deal(&share, self.partitions.len());
            Ok(Arc::new(Self::try_new(&table, self.projection.clone(), partitions)?) as Arc<dyn ExecutionPlan>)
        });
        shares.collect()
    }
}

impl fmt::Debug for SharedScanExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedScanExec").field("partitions", &self.partitions).finish_non_exhaustive()
    }
}

impl DisplayAs for SharedScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes: Vec<usize> = self.partitions.iter().map(Vec::len).collect();
        let rows: usize = self.partitions.iter().flatten().map(|chunk| chunk.rows).sum();
        write!(f, "SharedScanExec: partitions={}, chunks={sizes:?}, rows={rows}", sizes.len())
    }
}

impl ExecutionPlan for SharedScanExec {
    fn name(&self) -> &'static str {
        "SharedScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("a shared scan has no inputs") }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let store = context.runtime_env().object_store_registry.get_store(&store_url())?;
        let (key, schema, projection) = (self.key.clone(), Arc::clone(&self.table_schema), self.projection.clone());
        let batch_size = context.session_config().batch_size();
        let batches = stream::iter(self.partitions[partition].clone()).then(move |chunk| {
            let (store, key) = (Arc::clone(&store), key.clone());
            let (schema, projection) = (Arc::clone(&schema), projection.clone());
            async move {
                let batch = objects::get(store.as_ref(), &chunk, &key).await?;
                objects::check_schema(&batch, &schema, &chunk)?;
                let batch = batch.project(&projection)?;
                Ok::<_, DataFusionError>(stream::iter(slices(&batch, batch_size).map(Ok).collect::<Vec<_>>()))
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches.try_flatten())))
    }
}

fn slices(batch: &RecordBatch, rows: usize) -> impl Iterator<Item = RecordBatch> + '_ {
    let rows = rows.max(1);
    (0..batch.num_rows()).step_by(rows).map(move |from| batch.slice(from, rows.min(batch.num_rows() - from)))
}
