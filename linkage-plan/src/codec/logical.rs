//! Our logical nodes as bytes.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::{CatalogProviderList, TableProvider};
use datafusion::common::{
    Column, DataFusionError, Result, TableReference, not_impl_err, plan_datafusion_err, plan_err,
};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Extension, LogicalPlan, ScalarUDF};
use datafusion::prelude::SessionContext;
use datafusion_proto::logical_plan::{DefaultLogicalExtensionCodec, LogicalExtensionCodec};
use futures::FutureExt;

use super::proto::{ColumnProto, DiceJoinNodeProto, Marked, NodeOrderProto, damaged, threshold};
use crate::dice_join::{DiceJoinNode, NodeOrder};
use crate::udf::{DiceUdf, NAME};

/// Writes and reads [`DiceJoinNode`], `dice()` and tables, which are known by name alone.
pub struct LinkLogicalCodec {
    tables: Arc<dyn CatalogProviderList>,
    catalogue: String,
    schema: String,
    inner: DefaultLogicalExtensionCodec,
}

impl LinkLogicalCodec {
    /// A codec that looks tables up among those of a session.
    pub fn new(context: &SessionContext) -> Self {
        let state = context.state();
        let defaults = &state.config_options().catalog;
        Self {
            tables: Arc::clone(state.catalog_list()),
            catalogue: defaults.default_catalog.clone(),
            schema: defaults.default_schema.clone(),
            inner: DefaultLogicalExtensionCodec {},
        }
    }
}

impl std::fmt::Debug for LinkLogicalCodec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkLogicalCodec").finish_non_exhaustive()
    }
}

impl LogicalExtensionCodec for LinkLogicalCodec {
    fn try_decode(&self, buf: &[u8], inputs: &[LogicalPlan], ctx: &TaskContext) -> Result<Extension> {
        let Some(message) = DiceJoinNodeProto::read(buf) else { return self.inner.try_decode(buf, inputs, ctx) };
        let message = message?;
        let [left, right] = inputs else { return not_impl_err!("a Dice join of {} inputs", inputs.len()) };
        let column = |column: Option<ColumnProto>| column.map(read_column).ok_or_else(|| damaged("a column"));
        let node = DiceJoinNode::try_new(
            left.clone(),
            right.clone(),
            column(message.left_clk)??,
            column(message.right_clk)??,
            threshold(&message.threshold)?,
        )?;
        let order = message.order.map(|order| {
            let (left, right) = (column(order.left)??, column(order.right)??);
            Ok::<_, DataFusionError>(NodeOrder { left, right, left_first: order.left_first })
        });
        Ok(Extension { node: Arc::new(node.with_order(order.transpose()?)) })
    }

    fn try_encode(&self, node: &Extension, buf: &mut Vec<u8>) -> Result<()> {
        let Some(node) = node.node.as_any().downcast_ref::<DiceJoinNode>() else {
            return self.inner.try_encode(node, buf);
        };
        let (left_clk, right_clk) = node.clks();
        let message = DiceJoinNodeProto {
            left_clk: Some(write_column(left_clk)),
            right_clk: Some(write_column(right_clk)),
            threshold: node.threshold().to_string(),
            order: node.order().map(|order| NodeOrderProto {
                left: Some(write_column(&order.left)),
                right: Some(write_column(&order.right)),
                left_first: order.left_first,
            }),
        };
        message.write(buf);
        Ok(())
    }

    /// The session's table of that name, if its columns are those of the plan.
    fn try_decode_table_provider(
        &self,
        _: &[u8],
        table_ref: &TableReference,
        schema: SchemaRef,
        _: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        let name = table_ref.clone().resolve(&self.catalogue, &self.schema);
        let tables = self.tables.catalog(&name.catalog).and_then(|catalogue| catalogue.schema(&name.schema));
        // Tables of this crate lie in memory, so the look-up does not wait; one that does is none of ours.
        let table = tables.and_then(|tables| tables.table(&name.table).now_or_never()).transpose()?.flatten();
        let table =
            table.ok_or_else(|| plan_datafusion_err!("the plan reads the table `{name}`, which is not registered"))?;
        if table.schema().fields() != schema.fields() {
            return plan_err!("the plan reads the table `{name}` with other columns than it has");
        }
        Ok(table)
    }

    /// Nothing: the plan has the table's name, and its rows stay where they are.
    fn try_encode_table_provider(&self, _: &TableReference, _: Arc<dyn TableProvider>, _: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }

    fn try_decode_udf(&self, name: &str, buf: &[u8]) -> Result<Arc<ScalarUDF>> {
        match name {
            NAME => Ok(Arc::new(DiceUdf::udf())),
            _ => self.inner.try_decode_udf(name, buf),
        }
    }
}

fn write_column(column: &Column) -> ColumnProto {
    let relation = column.relation.as_ref().map_or_else(Vec::new, |relation| {
        [Some(relation.table()), relation.schema(), relation.catalog()]
            .into_iter()
            .flatten()
            .map(str::to_owned)
            .collect()
    });
    ColumnProto { relation, name: column.name.clone() }
}

fn read_column(column: ColumnProto) -> Result<Column> {
    let relation = match column.relation.as_slice() {
        [] => None,
        [table] => Some(TableReference::bare(table.as_str())),
        [table, schema] => Some(TableReference::partial(schema.as_str(), table.as_str())),
        [table, schema, catalogue] => Some(TableReference::full(catalogue.as_str(), schema.as_str(), table.as_str())),
        _ => return Err(damaged("a relation")),
    };
    Ok(Column::new(relation, column.name))
}
