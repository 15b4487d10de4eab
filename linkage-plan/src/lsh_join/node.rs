//! The LSH join in a logical plan, and its way to the operator.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{Column, DFSchema, DFSchemaRef, Result, internal_err};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};
use linkage_core::dice::Kernel;

use super::exec::{LshJoinExec, SideColumns};
use super::run::LshSettings;
use crate::dice_join::SCORE;
use crate::error::PlanError;
use crate::table::ROW;

/// Pairs of `left` and `right` whose CLKs reach the threshold, nearly all of them.
///
/// Output: `left_row`, `right_row` (UInt32), and the score (Float64, declared nullable as `dice()` is).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LshJoinNode {
    left: LogicalPlan,
    right: LogicalPlan,
    /// The CLK's column and the row's, on either side.
    left_columns: [Column; 2],
    right_columns: [Column; 2],
    settings: LshSettings,
    schema: DFSchemaRef,
}

impl LshJoinNode {
    /// An LSH join of two inputs, each by its columns of CLKs and of row numbers.
    ///
    /// # Errors
    /// When an input lacks a column.
    pub fn try_new(
        left: LogicalPlan,
        right: LogicalPlan,
        left_columns: [Column; 2],
        right_columns: [Column; 2],
        settings: LshSettings,
    ) -> Result<Self> {
        for (input, columns) in [(&left, &left_columns), (&right, &right_columns)] {
            for column in columns {
                input.schema().index_of_column(column)?;
            }
        }
        let fields = vec![
            Field::new(format!("left_{ROW}"), DataType::UInt32, false),
            Field::new(format!("right_{ROW}"), DataType::UInt32, false),
            Field::new(SCORE, DataType::Float64, true),
        ];
        let schema = Arc::new(DFSchema::from_unqualified_fields(fields.into(), HashMap::new())?);
        Ok(Self { left, right, left_columns, right_columns, settings, schema })
    }

    /// The columns of CLKs and of row numbers, of the left and the right input.
    pub fn columns(&self) -> [&[Column; 2]; 2] {
        [&self.left_columns, &self.right_columns]
    }

    /// What is asked for.
    pub fn settings(&self) -> LshSettings {
        self.settings
    }
}

impl PartialOrd for LshJoinNode {
    /// Plans have no order but equality.
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for LshJoinNode {
    fn name(&self) -> &str {
        "LshJoin"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.left, &self.right]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.left_columns.iter().chain(&self.right_columns).cloned().map(Expr::Column).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LshJoin: dice({}, {}), {}", self.left_columns[0], self.right_columns[0], self.settings)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let (
            [Expr::Column(left_clk), Expr::Column(left_row), Expr::Column(right_clk), Expr::Column(right_row)],
            [left, right],
        ) = (exprs.as_slice(), inputs.as_slice())
        else {
            return internal_err!("an LSH join has four columns and two inputs");
        };
        Self::try_new(
            left.clone(),
            right.clone(),
            [left_clk.clone(), left_row.clone()],
            [right_clk.clone(), right_row.clone()],
            self.settings,
        )
    }

    /// Each side brings its CLKs and row numbers, whatever is read of the output.
    fn necessary_children_exprs(&self, _: &[usize]) -> Option<Vec<Vec<usize>>> {
        let needed = |input: &LogicalPlan, columns: &[Column; 2]| {
            let mut needed = vec![
                input.schema().index_of_column(&columns[0]).ok()?,
                input.schema().index_of_column(&columns[1]).ok()?,
            ];
            needed.sort_unstable();
            Some(needed)
        };
        Some(vec![needed(&self.left, &self.left_columns)?, needed(&self.right, &self.right_columns)?])
    }
}

/// Plans an [`LshJoinNode`] as an [`LshJoinExec`].
#[derive(Debug, Default)]
pub struct LshJoinPlanner;

#[async_trait]
impl ExtensionPlanner for LshJoinPlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let (Some(node), [left, right]) = (node.as_any().downcast_ref::<LshJoinNode>(), physical_inputs) else {
            return Ok(None);
        };
        let columns = |input: &LogicalPlan, columns: &[Column; 2]| {
            let schema = input.schema();
            Ok::<_, datafusion::common::DataFusionError>(SideColumns {
                clk: schema.index_of_column(&columns[0])?,
                row: schema.index_of_column(&columns[1])?,
            })
        };
        let kernel = Kernel::detect().map_err(|error| PlanError::from(error).into_datafusion())?;
        let exec = LshJoinExec::try_new(
            Arc::clone(left),
            Arc::clone(right),
            [columns(&node.left, &node.left_columns)?, columns(&node.right, &node.right_columns)?],
            node.settings,
            kernel,
            session.config().target_partitions(),
        )?;
        Ok(Some(Arc::new(exec)))
    }
}
