//! The Dice join in a logical plan.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::{Column, DFSchema, DFSchemaRef, Result, internal_err};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};
use linkage_core::dice::DiceThreshold;

use super::SCORE;

/// All pairs of `left` and `right` whose CLKs reach the threshold.
///
/// Output: the left columns, the right columns, and the score (Float64, declared nullable as `dice()` is).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DiceJoinNode {
    pub(super) left: LogicalPlan,
    pub(super) right: LogicalPlan,
    pub(super) left_clk: Column,
    pub(super) right_clk: Column,
    pub(super) threshold: DiceThreshold,
    schema: DFSchemaRef,
}

impl DiceJoinNode {
    /// A Dice join of the column `left_clk` of `left` with `right_clk` of `right`.
    ///
    /// # Errors
    /// When both sides have a column of the same qualified name.
    pub fn try_new(
        left: LogicalPlan,
        right: LogicalPlan,
        left_clk: Column,
        right_clk: Column,
        threshold: DiceThreshold,
    ) -> Result<Self> {
        let score = Field::new(SCORE, DataType::Float64, true);
        let score = DFSchema::from_unqualified_fields(vec![score].into(), HashMap::new())?;
        let schema = Arc::new(left.schema().join(right.schema())?.join(&score)?);
        Ok(Self { left, right, left_clk, right_clk, threshold, schema })
    }
}

impl PartialOrd for DiceJoinNode {
    /// Plans have no order but equality.
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for DiceJoinNode {
    fn name(&self) -> &str {
        "DiceJoin"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.left, &self.right]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![Expr::Column(self.left_clk.clone()), Expr::Column(self.right_clk.clone())]
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DiceJoin: dice({}, {}) >= {}", self.left_clk, self.right_clk, self.threshold)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let ([Expr::Column(left_clk), Expr::Column(right_clk)], [left, right]) = (exprs.as_slice(), inputs.as_slice())
        else {
            return internal_err!("a Dice join has two columns and two inputs");
        };
        Self::try_new(left.clone(), right.clone(), left_clk.clone(), right_clk.clone(), self.threshold)
    }

    /// Which columns each side must bring, so that the others are never read.
    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let left_columns = self.left.schema().fields().len();
        let both = left_columns + self.right.schema().fields().len();
        let mut left = vec![self.left.schema().index_of_column(&self.left_clk).ok()?];
        let mut right = vec![self.right.schema().index_of_column(&self.right_clk).ok()?];
        for column in output_columns {
            if *column < left_columns {
                left.push(*column);
            } else if *column < both {
                right.push(column - left_columns);
            }
        }
        for needed in [&mut left, &mut right] {
            needed.sort_unstable();
            needed.dedup();
        }
        Some(vec![left, right])
    }
}
