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

/// Which of two rows must have the lesser number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeOrder {
    /// The number's column in the left input: UInt32, never null.
    pub left: Column,
    /// The number's column in the right input, likewise.
    pub right: Column,
    /// Whether the left row's number is the lesser one; if not, the right row's is.
    pub left_first: bool,
}

/// How many pairs of each row are asked for: the best, and all that are as good as the last of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BestOf {
    /// How many.
    pub pairs: u32,
    /// Whether of each left row; if not, of each right row.
    pub left: bool,
}

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
    pub(super) order: Option<NodeOrder>,
    /// Columns of the left and of the right input that must be equal, and not null.
    pub(super) keys: Vec<(Column, Column)>,
    pub(super) best: Option<BestOf>,
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
        Ok(Self { left, right, left_clk, right_clk, threshold, order: None, keys: Vec::new(), best: None, schema })
    }

    /// The same join, of rows in this order alone.
    #[must_use]
    pub fn with_order(self, order: Option<NodeOrder>) -> Self {
        Self { order, ..self }
    }

    /// The same join, of rows that are equal in these columns of the left and the right input. Null equals nothing.
    #[must_use]
    pub fn with_keys(self, keys: Vec<(Column, Column)>) -> Self {
        Self { keys, ..self }
    }

    /// The same join, of which no more than the best pairs of each row are asked for. Not together with keys.
    #[must_use]
    pub fn with_best(self, best: Option<BestOf>) -> Self {
        Self { best, ..self }
    }

    /// How many pairs of each row are asked for; none when all are.
    pub fn best(&self) -> Option<BestOf> {
        self.best
    }

    /// The columns in which rows must be equal.
    pub fn keys(&self) -> &[(Column, Column)] {
        &self.keys
    }

    /// Which of two rows must come first; none when it does not matter.
    pub fn order(&self) -> Option<&NodeOrder> {
        self.order.as_ref()
    }

    /// The CLK columns of the left and the right input.
    pub fn clks(&self) -> (&Column, &Column) {
        (&self.left_clk, &self.right_clk)
    }

    /// From which similarity on a pair is returned.
    pub fn threshold(&self) -> DiceThreshold {
        self.threshold
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
        let numbers = self.order.iter().flat_map(|order| [&order.left, &order.right]);
        let keys = self.keys.iter().flat_map(|(left, right)| [left, right]);
        let columns = [&self.left_clk, &self.right_clk].into_iter().chain(numbers).chain(keys);
        columns.cloned().map(Expr::Column).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DiceJoin: dice({}, {}) >= {}", self.left_clk, self.right_clk, self.threshold)?;
        for (left, right) in &self.keys {
            write!(f, ", {left} = {right}")?;
        }
        if let Some(order) = &self.order {
            write!(f, ", {} {} {}", order.left, if order.left_first { '<' } else { '>' }, order.right)?;
        }
        match self.best {
            Some(best) => write!(f, ", best {} of each {} row", best.pairs, if best.left { "left" } else { "right" }),
            None => Ok(()),
        }
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let columns: Option<Vec<Column>> = exprs.iter().map(|expr| expr.try_as_col().cloned()).collect();
        let (Some(columns), [left, right]) = (columns, inputs.as_slice()) else {
            return internal_err!("a Dice join has columns and two inputs");
        };
        let (pairs, []) = columns.as_chunks::<2>() else { return internal_err!("a Dice join keeps its columns") };
        let mut pairs = pairs.iter().map(|[left, right]| (left.clone(), right.clone()));
        let Some((left_clk, right_clk)) = pairs.next() else { return internal_err!("a Dice join compares CLKs") };
        let order = self.order.as_ref().zip(if self.order.is_some() { pairs.next() } else { None });
        let order = order.map(|(order, (left, right))| NodeOrder { left, right, left_first: order.left_first });
        let keys: Vec<_> = pairs.collect();
        if (order.is_some(), keys.len()) != (self.order.is_some(), self.keys.len()) {
            return internal_err!("a Dice join keeps its columns");
        }
        let node = Self::try_new(left.clone(), right.clone(), left_clk, right_clk, self.threshold)?;
        Ok(node.with_order(order).with_keys(keys).with_best(self.best))
    }

    /// Which columns each side must bring, so that the others are never read.
    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let left_columns = self.left.schema().fields().len();
        let both = left_columns + self.right.schema().fields().len();
        let mut left = vec![self.left.schema().index_of_column(&self.left_clk).ok()?];
        let mut right = vec![self.right.schema().index_of_column(&self.right_clk).ok()?];
        if let Some(order) = &self.order {
            left.push(self.left.schema().index_of_column(&order.left).ok()?);
            right.push(self.right.schema().index_of_column(&order.right).ok()?);
        }
        for (left_column, right_column) in &self.keys {
            left.push(self.left.schema().index_of_column(left_column).ok()?);
            right.push(self.right.schema().index_of_column(right_column).ok()?);
        }
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
