//! From the logical Dice join to the operator.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};
use linkage_core::dice::Kernel;

use super::SCORE;
use super::exec::{DiceJoinExec, RowOrder};
use super::node::DiceJoinNode;
use super::output::{OutputColumn, Source};
use crate::blocked_join::BlockedDiceJoinExec;
use crate::bloom::BloomSemiPlanner;
use crate::error::PlanError;
use crate::keyed::KeyedJoinPlanner;
use crate::layout::ClkLayout;
use crate::lsh_join::LshJoinPlanner;

/// Plans a [`DiceJoinNode`] as a [`DiceJoinExec`], or with equalities as a [`BlockedDiceJoinExec`].
#[derive(Debug, Default)]
pub struct DiceJoinPlanner;

#[async_trait]
impl ExtensionPlanner for DiceJoinPlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        _session: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let (Some(node), [left, right]) = (node.as_any().downcast_ref::<DiceJoinNode>(), physical_inputs) else {
            return Ok(None);
        };
        let (left_schema, right_schema) = (node.left.schema(), node.right.schema());
        let left_columns = left_schema.fields().iter().enumerate().map(|(at, field)| (Source::Left(at), field.name()));
        let right_columns =
            right_schema.fields().iter().enumerate().map(|(at, field)| (Source::Right(at), field.name()));
        let mut output: Vec<OutputColumn> = left_columns
            .chain(right_columns)
            .map(|(source, name)| OutputColumn { source, name: name.clone() })
            .chain([OutputColumn { source: Source::Score, name: SCORE.to_owned() }])
            .collect();
        let kernel = Kernel::detect().map_err(|error| PlanError::from(error).into_datafusion())?;
        let clks = (left_schema.index_of_column(&node.left_clk)?, right_schema.index_of_column(&node.right_clk)?);
        let (left, right) = (Arc::clone(left), Arc::clone(right));
        // The layout is in the columns' metadata. A plan that lost it on the way would score whole CLKs, and nobody would know.
        let asked = ClkLayout::of(left_schema.field(clks.0))?;
        if ClkLayout::of(left.schema().field(clks.0))? != asked {
            return internal_err!("a Dice join over {} segments lost them when it was planned", asked.segments);
        }
        if !node.keys.is_empty() {
            let keys = node
                .keys
                .iter()
                .map(|(left, right)| Ok((left_schema.index_of_column(left)?, right_schema.index_of_column(right)?)));
            let keys = keys.collect::<Result<_>>()?;
            let exec = BlockedDiceJoinExec::try_new(left, right, clks, keys, node.threshold, output, kernel)?;
            return Ok(Some(Arc::new(exec)));
        }
        let order = node.order.as_ref().map(|order| {
            let (left, right) =
                (left_schema.index_of_column(&order.left)?, right_schema.index_of_column(&order.right)?);
            Ok::<_, DataFusionError>(RowOrder { left, right, left_first: order.left_first })
        });
        let order = order.transpose()?;
        // The best pairs of a row are known when it was compared with all rows of the other side: it must stream.
        let turned = node.best.is_some_and(|best| best.left);
        let (left, right, clks, order) = if turned {
            output.iter_mut().for_each(|column| column.source = column.source.turned());
            (right, left, (clks.1, clks.0), order.map(RowOrder::turned))
        } else {
            (left, right, clks, order)
        };
        let mut exec = DiceJoinExec::try_new(left, right, clks, node.threshold, output, kernel)?;
        if let Some(order) = order {
            exec = exec.with_order(order)?;
        }
        Ok(Some(Arc::new(exec.with_best(node.best.map(|best| best.pairs)))))
    }
}

/// DataFusion's planner, which also knows the operators of this crate.
#[derive(Debug, Default)]
pub(crate) struct LinkQueryPlanner;

#[async_trait]
impl QueryPlanner for LinkQueryPlanner {
    async fn create_physical_plan(&self, plan: &LogicalPlan, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![
            Arc::new(DiceJoinPlanner),
            Arc::new(LshJoinPlanner),
            Arc::new(KeyedJoinPlanner),
            Arc::new(BloomSemiPlanner),
        ]);
        planner.create_physical_plan(plan, session).await
    }
}
