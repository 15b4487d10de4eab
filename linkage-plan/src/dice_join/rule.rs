//! Which joins become Dice joins.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ExprSchema, JoinType, NullEquality, Result, ScalarValue};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{BinaryExpr, Expr, Extension, Filter, Join, LogicalPlan, Operator, Projection, lit};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use linkage_core::dice::DiceThreshold;

use super::SCORE;
use super::node::{DiceJoinNode, NodeOrder};
use crate::blocked_join::is_key_type;
use crate::udf::{dice_columns, is_dice};

/// Why a join with `dice()` in its condition is not planned as a Dice join. The plain function then runs, pair by pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Declined {
    /// An outer, semi or anti join.
    NotInner,
    /// An equality beside it is not between two columns of one type, is between floats (-0.0 equals 0.0, and their bytes differ),
    /// or takes null for equal: DataFusion joins on the equalities and calls `dice()` within equal keys.
    Keys,
    /// No conjunct compares `dice(column, column)` with a literal by `>=` or `>`.
    NoLowerBound,
    /// The literal is not in (0, 1], or has more than six decimals.
    Threshold,
    /// The columns do not come one from each side.
    OneSided,
    /// The columns are not CLKs of one length of 64 to 4096 bits.
    Length,
}

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotInner => "the join is not an inner join",
            Self::Keys => {
                "an equality beside it is not between two columns of one type, is between floats, or takes null for equal: DataFusion joins on it, and dice() filters"
            }
            Self::NoLowerBound => "no AND-ed condition compares dice(column, column) with a literal by >= or >",
            Self::Threshold => "the threshold is not a literal above 0, at most 1, with at most 6 decimals",
            Self::OneSided => "the columns do not come one from each side",
            Self::Length => "the columns are not CLKs of one length of 64 to 4096 bits",
        })
    }
}

/// Replaces joins on `dice(l.clk, r.clk) >= t` by Dice joins.
///
/// `>` and the mirrored forms are taken too, and so are AND-ed equalities of columns. Other AND-ed conditions go into a filter above, and where the join's
/// projection or that filter calls `dice()` on the same columns, they read the score instead of computing it again.
#[derive(Debug, Default)]
pub struct DiceJoinRule;

impl OptimizerRule for DiceJoinRule {
    fn name(&self) -> &str {
        "dice_join"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        match &plan {
            LogicalPlan::Projection(projection) => {
                let LogicalPlan::Join(join) = projection.input.as_ref() else { return Ok(Transformed::no(plan)) };
                let Some(recognised) = recognise_or_log(join) else { return Ok(Transformed::no(plan)) };
                let exprs = projection
                    .expr
                    .iter()
                    .zip(projection.schema.iter())
                    .map(|(expr, (qualifier, field))| {
                        let read = recognised.read_score(expr.clone())?;
                        // A rule may not rename columns, and the score is named otherwise than the call it replaces.
                        let keep = !read.transformed || matches!(read.data, Expr::Alias(_));
                        Ok(if keep { read.data } else { read.data.alias_qualified(qualifier.cloned(), field.name()) })
                    })
                    .collect::<Result<Vec<_>>>()?;
                let input = Arc::new(recognised.plan(join)?);
                Ok(Transformed::yes(LogicalPlan::Projection(Projection::try_new(exprs, input)?)))
            }
            LogicalPlan::Join(join) => {
                let Some(recognised) = recognise_or_log(join) else { return Ok(Transformed::no(plan)) };
                let columns = join.schema.columns().into_iter().map(Expr::Column).collect();
                let input = Arc::new(recognised.plan(join)?);
                Ok(Transformed::yes(LogicalPlan::Projection(Projection::try_new(columns, input)?)))
            }
            _ => Ok(Transformed::no(plan)),
        }
    }
}

/// Why the joins with `dice()` in their condition that are left in an optimised plan are no Dice joins.
pub(crate) fn declined(plan: &LogicalPlan) -> Result<Vec<Declined>> {
    let mut reasons = Vec::new();
    plan.apply_with_subqueries(|plan| {
        if let LogicalPlan::Join(join) = plan
            && let Some(Err(reason)) = recognise(join)
        {
            reasons.push(reason);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(reasons)
}

fn recognise_or_log(join: &Join) -> Option<Recognised> {
    match recognise(join)? {
        Ok(recognised) => Some(recognised),
        Err(reason) => {
            tracing::debug!(%reason, "a join with dice() in its condition is no Dice join");
            None
        }
    }
}

/// What a join must have to become a Dice join.
struct Recognised {
    left_clk: Column,
    right_clk: Column,
    threshold: DiceThreshold,
    order: Option<NodeOrder>,
    keys: Vec<(Column, Column)>,
    residual: Vec<Expr>,
}

/// `None` when the join has nothing to do with `dice()`.
fn recognise(join: &Join) -> Option<std::result::Result<Recognised, Declined>> {
    let filter = join.filter.as_ref()?;
    filter.exists(|expr| Ok(is_dice(expr))).ok()?.then(|| recognise_condition(join, filter))
}

fn recognise_condition(join: &Join, filter: &Expr) -> std::result::Result<Recognised, Declined> {
    if join.join_type != JoinType::Inner {
        return Err(Declined::NotInner);
    }
    let keys = keys(join)?;
    let conjuncts = split_conjunction(filter);
    // The first conjunct that will do is the join's; why others will not is told only when none does.
    let mut reason = Declined::NoLowerBound;
    for (at, conjunct) in conjuncts.iter().enumerate() {
        let Some(bound) = LowerBound::of(conjunct) else { continue };
        match bound.sides(join) {
            Err(other) => reason = other,
            Ok((left_clk, right_clk, threshold)) => {
                let mut residual: Vec<Expr> = conjuncts.iter().map(|conjunct| (*conjunct).clone()).collect();
                residual.remove(at);
                if bound.strict {
                    residual.push(Expr::Column(Column::new_unqualified(SCORE)).gt(lit(threshold.as_f64())));
                }
                // Within blocks, which are small, the order is a filter above.
                let order = if keys.is_empty() { take_order(&mut residual, join) } else { None };
                return Ok(Recognised { left_clk, right_clk, threshold, order, keys, residual });
            }
        }
    }
    Err(reason)
}

/// The columns of the equalities beside the condition: left, right.
fn keys(join: &Join) -> std::result::Result<Vec<(Column, Column)>, Declined> {
    let (left, right) = (join.left.schema(), join.right.schema());
    let keys = join.on.iter().map(|(a, b)| {
        let (a, b) = (a.try_as_col()?, b.try_as_col()?);
        let (a_type, b_type) = (left.data_type(a).ok()?, right.data_type(b).ok()?);
        (a_type == b_type && is_key_type(a_type)).then(|| (a.clone(), b.clone()))
    });
    let keys: Vec<_> = keys.collect::<Option<_>>().ok_or(Declined::Keys)?;
    if !keys.is_empty() && join.null_equality == NullEquality::NullEqualsNull {
        return Err(Declined::Keys);
    }
    Ok(keys)
}

/// Takes the first `left < right` or `left > right` of row numbers out of the conditions: the join itself keeps to it, and
/// does not compare rows that are the wrong way round.
fn take_order(residual: &mut Vec<Expr>, join: &Join) -> Option<NodeOrder> {
    let (left, right) = (join.left.schema(), join.right.schema());
    let number = |schema: &DFSchema, column: &Column| {
        schema
            .field_from_column(column)
            .is_ok_and(|field| field.data_type() == &DataType::UInt32 && !field.is_nullable())
    };
    let order = |expr: &Expr| {
        let Expr::BinaryExpr(BinaryExpr { left: a, op: op @ (Operator::Lt | Operator::Gt), right: b }) = expr else {
            return None;
        };
        let (a, b) = (a.try_as_col()?, b.try_as_col()?);
        let less = *op == Operator::Lt;
        if number(left, a) && number(right, b) {
            Some(NodeOrder { left: a.clone(), right: b.clone(), left_first: less })
        } else if number(left, b) && number(right, a) {
            Some(NodeOrder { left: b.clone(), right: a.clone(), left_first: !less })
        } else {
            None
        }
    };
    let (at, order) = residual.iter().enumerate().find_map(|(at, expr)| Some((at, order(expr)?)))?;
    residual.remove(at);
    Some(order)
}

impl Recognised {
    /// The Dice join, with a filter above for what it does not decide.
    fn plan(&self, join: &Join) -> Result<LogicalPlan> {
        let (left, right) = (join.left.as_ref().clone(), join.right.as_ref().clone());
        let node = DiceJoinNode::try_new(left, right, self.left_clk.clone(), self.right_clk.clone(), self.threshold)?;
        let node = node.with_order(self.order.clone()).with_keys(self.keys.clone());
        let plan = LogicalPlan::Extension(Extension { node: Arc::new(node) });
        let residual = self.residual.iter().map(|expr| Ok(self.read_score(expr.clone())?.data));
        match conjunction(residual.collect::<Result<Vec<_>>>()?) {
            Some(filter) => Ok(LogicalPlan::Filter(Filter::try_new(filter, Arc::new(plan))?)),
            None => Ok(plan),
        }
    }

    /// Reads the score wherever the expression calls `dice()` on the join's columns, in either order.
    fn read_score(&self, expr: Expr) -> Result<Transformed<Expr>> {
        expr.transform_down(|expr| match dice_columns(&expr) {
            Some((a, b)) if [(a, b), (b, a)].contains(&(&self.left_clk, &self.right_clk)) => {
                Ok(Transformed::new(Expr::Column(Column::new_unqualified(SCORE)), true, TreeNodeRecursion::Jump))
            }
            _ => Ok(Transformed::no(expr)),
        })
    }
}

/// `dice(a, b) >= value`, in any of its forms.
struct LowerBound<'a> {
    columns: (&'a Column, &'a Column),
    value: Option<f64>,
    strict: bool,
}

impl<'a> LowerBound<'a> {
    fn of(expr: &'a Expr) -> Option<Self> {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else { return None };
        let (columns, value, op) = match dice_columns(left) {
            Some(columns) => (columns, right, *op),
            None => (dice_columns(right)?, left, op.swap()?),
        };
        let strict = match op {
            Operator::GtEq => false,
            Operator::Gt => true,
            _ => return None,
        };
        let Expr::Literal(ScalarValue::Float64(value), _) = value.as_ref() else { return None };
        Some(Self { columns, value: *value, strict })
    }

    /// The left CLK, the right CLK and the threshold.
    fn sides(&self, join: &Join) -> std::result::Result<(Column, Column, DiceThreshold), Declined> {
        let threshold = self.value.and_then(DiceThreshold::from_f64).ok_or(Declined::Threshold)?;
        let (left, right) = (join.left.schema(), join.right.schema());
        let (a, b) = self.columns;
        let (left_clk, right_clk) = if left.has_column(a) && right.has_column(b) {
            (a, b)
        } else if left.has_column(b) && right.has_column(a) {
            (b, a)
        } else {
            return Err(Declined::OneSided);
        };
        let types = (left.data_type(left_clk), right.data_type(right_clk));
        match types {
            (Ok(DataType::FixedSizeBinary(a)), Ok(DataType::FixedSizeBinary(b)))
                if a == b && a % 8 == 0 && (8..=512).contains(a) =>
            {
                Ok((left_clk.clone(), right_clk.clone(), threshold))
            }
            // That they are cut into the same segments dice() has seen to.
            _ => Err(Declined::Length),
        }
    }
}
