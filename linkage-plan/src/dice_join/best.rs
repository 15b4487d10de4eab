//! Which windows let a Dice join keep each row's best pairs only.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::logical_expr::expr::{Sort, WindowFunction};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Extension, LogicalPlan, Operator, WindowFunctionDefinition};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use super::SCORE;
use super::node::{BestOf, DiceJoinNode};
use crate::udf::dice_columns;

/// Most best pairs of a row for which the join keeps count.
const MOST_PAIRS: u64 = 1 << 16;

/// Lets a Dice join hand on no more than a window above it can let through.
///
/// Recognised is a filter `row_number() OVER (PARTITION BY … ORDER BY dice(l.clk, r.clk) DESC, …) <= k` (or `rank()`; `<`, `=` and the
/// mirrored forms too) whose partitions are made of one side's columns, over a Dice join without further conditions. The
/// join then keeps of each row of that side the `k` best pairs **and all that are as good as the last of them**. These are
/// never fewer than the window needs, whatever it orders ties by: window and filter stay in the plan and decide.
#[derive(Debug, Default)]
pub struct BestPairsRule;

impl OptimizerRule for BestPairsRule {
    fn name(&self) -> &str {
        "best_pairs_of_dice_join"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        match bound(&plan) {
            Some(best) => Ok(Transformed::yes(with_best(plan, best)?)),
            None => Ok(Transformed::no(plan)),
        }
    }
}

/// What a filter over a window over a Dice join bounds; `None` when it bounds nothing, or the join knows.
fn bound(plan: &LogicalPlan) -> Option<BestOf> {
    let LogicalPlan::Filter(filter) = plan else { return None };
    let mut conjuncts: Vec<Expr> = split_conjunction(&filter.predicate).into_iter().cloned().collect();
    let mut below = filter.input.as_ref();
    while !matches!(below, LogicalPlan::Window(_)) {
        (below, conjuncts) = through(below, conjuncts)?;
    }
    let LogicalPlan::Window(window) = below else { return None };
    let [expr] = window.window_expr.as_slice() else { return None };
    let expr = if let Expr::Alias(alias) = expr { alias.expr.as_ref() } else { expr };
    let Expr::WindowFunction(function) = expr else { return None };
    let (partition_by, order_by) = ranking(function)?;
    // The window's own column is its last.
    let number = window.schema.fields().len() - 1;
    let is_number = |column: &Column| window.schema.index_of_column(column).is_ok_and(|at| at == number);
    let pairs = conjuncts.iter().filter_map(|conjunct| at_most(conjunct, &is_number)).min()?;
    if !(1..=MOST_PAIRS).contains(&pairs) || order_by.asc || partition_by.is_empty() {
        return None;
    }
    let mut exprs = partition_by.to_vec();
    exprs.push(order_by.expr.clone());
    let (node, mut exprs) = join_below(&window.input, exprs)?;
    if node.best().is_some() || !node.keys().is_empty() {
        return None;
    }
    let score = exprs.pop()?;
    let (left_clk, right_clk) = node.clks();
    let is_score = match dice_columns(&score) {
        Some(clks) => [(left_clk, right_clk), (right_clk, left_clk)].contains(&clks),
        None => score.try_as_col().is_some_and(|column| *column == Column::new_unqualified(SCORE)),
    };
    let all_of = |side: &LogicalPlan| {
        exprs.iter().all(|expr| expr.try_as_col().is_some_and(|column| side.schema().has_column(column)))
    };
    let left = all_of(&node.left);
    (is_score && (left || all_of(&node.right))).then_some(BestOf { pairs: pairs as u32, left })
}

/// By what a ranking is partitioned, and first ordered.
fn ranking(function: &WindowFunction) -> Option<(&[Expr], &Sort)> {
    let WindowFunctionDefinition::WindowUDF(udf) = &function.fun else { return None };
    let params = &function.params;
    let ranks = matches!(udf.name(), "row_number" | "rank") && params.filter.is_none() && !params.distinct;
    ranks.then_some((params.partition_by.as_slice(), params.order_by.first()?))
}

/// The largest number that a condition lets through.
fn at_most(condition: &Expr, is_number: &dyn Fn(&Column) -> bool) -> Option<u64> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = condition else { return None };
    let number = |expr: &Expr| expr.try_as_col().is_some_and(is_number);
    let (literal, op) = match (left.as_ref(), right.as_ref()) {
        (column, literal) if number(column) => (literal, *op),
        (literal, column) if number(column) => (literal, op.swap()?),
        _ => return None,
    };
    let most = match literal {
        Expr::Literal(ScalarValue::UInt64(Some(most)), _) => *most,
        Expr::Literal(ScalarValue::Int64(Some(most)), _) => u64::try_from(*most).ok()?,
        _ => return None,
    };
    match op {
        Operator::LtEq | Operator::Eq => Some(most),
        Operator::Lt => most.checked_sub(1),
        _ => None,
    }
}

/// The Dice join below nodes that neither drop rows nor add any, and the expressions in the join's own columns.
fn join_below(plan: &LogicalPlan, exprs: Vec<Expr>) -> Option<(&DiceJoinNode, Vec<Expr>)> {
    if let LogicalPlan::Extension(extension) = plan {
        return Some((extension.node.as_any().downcast_ref::<DiceJoinNode>()?, exprs));
    }
    let (input, exprs) = through(plan, exprs)?;
    join_below(input, exprs)
}

/// The input of a node that neither drops rows nor adds any, and the expressions in the input's columns.
fn through(plan: &LogicalPlan, exprs: Vec<Expr>) -> Option<(&LogicalPlan, Vec<Expr>)> {
    let (input, meaning): (_, Vec<Expr>) = match plan {
        LogicalPlan::Projection(projection) => {
            (&projection.input, projection.expr.iter().map(|expr| expr.clone().unalias_nested().data).collect())
        }
        LogicalPlan::SubqueryAlias(alias) => {
            (&alias.input, alias.input.schema().columns().into_iter().map(Expr::Column).collect())
        }
        _ => return None,
    };
    let exprs = exprs.into_iter().map(|expr| {
        expr.transform(|expr| match &expr {
            Expr::Column(column) => {
                let at = plan.schema().index_of_column(column)?;
                Ok(Transformed::new(meaning[at].clone(), true, TreeNodeRecursion::Jump))
            }
            _ => Ok(Transformed::no(expr)),
        })
    });
    let exprs = exprs.map(|read| Some(read.ok()?.data)).collect::<Option<_>>()?;
    Some((input, exprs))
}

/// The same plan, whose one Dice join knows the bound.
fn with_best(plan: LogicalPlan, best: BestOf) -> Result<LogicalPlan> {
    if let LogicalPlan::Extension(extension) = &plan
        && let Some(node) = extension.node.as_any().downcast_ref::<DiceJoinNode>()
    {
        let node = Arc::new(node.clone().with_best(Some(best)));
        return Ok(LogicalPlan::Extension(Extension { node }));
    }
    Ok(plan.map_children(|child| Ok(Transformed::yes(with_best(child, best)?)))?.data)
}
