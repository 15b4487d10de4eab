//! Our logical nodes as bytes.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::{CatalogProviderList, TableProvider};
use datafusion::common::{Result, TableReference, plan_datafusion_err, plan_err};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Extension, LogicalPlan, ScalarUDF};
use datafusion::prelude::SessionContext;
use datafusion_proto::logical_plan::{DefaultLogicalExtensionCodec, LogicalExtensionCodec};
use futures::FutureExt;

use super::nodes;
use crate::udf::{DiceUdf, NAME};

/// Writes and reads all nodes of this crate, `dice()` and tables, which are known by name alone.
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
        match nodes::read(buf, inputs) {
            Some(node) => Ok(Extension { node: node? }),
            None => self.inner.try_decode(buf, inputs, ctx),
        }
    }

    fn try_encode(&self, node: &Extension, buf: &mut Vec<u8>) -> Result<()> {
        if nodes::write(node.node.as_ref(), buf) { Ok(()) } else { self.inner.try_encode(node, buf) }
    }

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
