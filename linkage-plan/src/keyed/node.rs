//! The keyed join in a logical plan, and its way to the operator.

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
use linkage_core::dice::{DiceThreshold, Kernel};

use super::exec::KeyedJoinExec;
use crate::dice_join::SCORE;
use crate::error::PlanError;
use crate::lsh_join::SideColumns;
use crate::table::ROW;

/// What a keyed join is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyedSettings {
    /// Pairs from this similarity on.
    pub threshold: DiceThreshold,
    /// What sampled rows are drawn from.
    pub seed: u64,
    /// Whether rows are sampled. Not in a work unit: whoever puts the units together draws one sample for all of them.
    pub sampled: bool,
}

impl fmt::Display for KeyedSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "threshold={}, ", self.threshold)?;
        if self.sampled { write!(f, "seed={}", self.seed) } else { f.write_str("no sample") }
    }
}

/// Those of `pairs` whose CLKs reach the threshold.
///
/// Output: `left_row`, `right_row` (UInt32), and the score (Float64, declared nullable as `dice()` is).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyedJoinNode {
    /// The pairs, the left side, the right side.
    inputs: [LogicalPlan; 3],
    /// Left and right row of the pairs; CLK and row of either side.
    columns: [[Column; 2]; 3],
    settings: KeyedSettings,
    schema: DFSchemaRef,
}

impl KeyedJoinNode {
    /// A keyed join of pairs (by their columns of left and right row numbers) of two sides (by CLK and row number).
    ///
    /// # Errors
    /// When an input lacks a column.
    pub fn try_new(inputs: [LogicalPlan; 3], columns: [[Column; 2]; 3], settings: KeyedSettings) -> Result<Self> {
        for (input, columns) in inputs.iter().zip(&columns) {
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
        Ok(Self { inputs, columns, settings, schema })
    }

    /// Left and right row of the pairs; CLK and row of either side.
    pub fn columns(&self) -> &[[Column; 2]; 3] {
        &self.columns
    }

    /// What is asked for.
    pub fn settings(&self) -> KeyedSettings {
        self.settings
    }

    fn places(&self, input: usize) -> Result<[usize; 2]> {
        let (schema, [a, b]) = (self.inputs[input].schema(), &self.columns[input]);
        Ok([schema.index_of_column(a)?, schema.index_of_column(b)?])
    }
}

impl PartialOrd for KeyedJoinNode {
    /// Plans have no order but equality.
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for KeyedJoinNode {
    fn name(&self) -> &str {
        "KeyedJoin"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        self.inputs.iter().collect()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.columns.iter().flatten().cloned().map(Expr::Column).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyedJoin: dice({}, {}), {}", self.columns[1][0], self.columns[2][0], self.settings)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let columns: Option<Vec<Column>> = exprs.iter().map(|expr| expr.try_as_col().cloned()).collect();
        let (Some(Ok::<[Column; 6], _>([a, b, c, d, e, f])), Ok(inputs)) =
            (columns.map(TryInto::try_into), inputs.try_into())
        else {
            return internal_err!("a keyed join has six columns and three inputs");
        };
        Self::try_new(inputs, [[a, b], [c, d], [e, f]], self.settings)
    }

    /// Each input brings its columns, whatever is read of the output.
    fn necessary_children_exprs(&self, _: &[usize]) -> Option<Vec<Vec<usize>>> {
        let needed = |input| {
            let mut places = self.places(input).ok()?.to_vec();
            places.sort_unstable();
            Some(places)
        };
        (0..3).map(needed).collect()
    }
}

/// Plans a [`KeyedJoinNode`] as a [`KeyedJoinExec`].
#[derive(Debug, Default)]
pub struct KeyedJoinPlanner;

#[async_trait]
impl ExtensionPlanner for KeyedJoinPlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let (Some(node), [pairs, left, right]) = (node.as_any().downcast_ref::<KeyedJoinNode>(), physical_inputs)
        else {
            return Ok(None);
        };
        let kernel = Kernel::detect().map_err(|error| PlanError::from(error).into_datafusion())?;
        let side = |input| node.places(input).map(|[clk, row]| SideColumns { clk, row });
        let exec = KeyedJoinExec::try_new(
            [Arc::clone(pairs), Arc::clone(left), Arc::clone(right)],
            node.places(0)?,
            [side(1)?, side(2)?],
            node.settings,
            kernel,
            session.config().target_partitions(),
        )?;
        Ok(Some(Arc::new(exec)))
    }
}
