//! The Bloom semi-join in a logical plan, and its way to the operator.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{Column, DFSchemaRef, Result, internal_err};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};

use super::exec::BloomSemiExec;

/// The rows of `probe` whose key is among those of `keys`, and a few that are not. Null is no key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BloomSemiNode {
    keys: LogicalPlan,
    probe: LogicalPlan,
    key: Column,
    probe_key: Column,
}

impl BloomSemiNode {
    /// A semi-join of `probe` with `keys` by one column of each.
    ///
    /// # Errors
    /// When an input lacks its column.
    pub fn try_new(keys: LogicalPlan, key: Column, probe: LogicalPlan, probe_key: Column) -> Result<Self> {
        keys.schema().index_of_column(&key)?;
        probe.schema().index_of_column(&probe_key)?;
        Ok(Self { keys, probe, key, probe_key })
    }

    /// The key's column of either input: of the keys, and of the rows that are probed.
    pub fn columns(&self) -> [&Column; 2] {
        [&self.key, &self.probe_key]
    }
}

impl PartialOrd for BloomSemiNode {
    /// Plans have no order but equality.
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for BloomSemiNode {
    fn name(&self) -> &str {
        "BloomSemi"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.keys, &self.probe]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.probe.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![Expr::Column(self.key.clone()), Expr::Column(self.probe_key.clone())]
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BloomSemi: {} in {}", self.probe_key, self.key)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let ([Expr::Column(key), Expr::Column(probe_key)], [keys, probe]) = (exprs.as_slice(), inputs.as_slice())
        else {
            return internal_err!("a Bloom semi-join has two columns and two inputs");
        };
        Self::try_new(keys.clone(), key.clone(), probe.clone(), probe_key.clone())
    }

    /// Of the keys' side the key alone; of the other what is read of the output, and its key.
    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let mut probe = output_columns.to_vec();
        probe.push(self.probe.schema().index_of_column(&self.probe_key).ok()?);
        probe.sort_unstable();
        probe.dedup();
        Some(vec![vec![self.keys.schema().index_of_column(&self.key).ok()?], probe])
    }
}

/// Plans a [`BloomSemiNode`] as a [`BloomSemiExec`].
#[derive(Debug, Default)]
pub struct BloomSemiPlanner;

#[async_trait]
impl ExtensionPlanner for BloomSemiPlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        _session: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let (Some(node), [keys, probe]) = (node.as_any().downcast_ref::<BloomSemiNode>(), physical_inputs) else {
            return Ok(None);
        };
        let key = node.keys.schema().index_of_column(&node.key)?;
        let probe_key = node.probe.schema().index_of_column(&node.probe_key)?;
        Ok(Some(Arc::new(BloomSemiExec::try_new(Arc::clone(keys), key, Arc::clone(probe), probe_key)?)))
    }
}
