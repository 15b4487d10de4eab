//! The Dice stage over blocking keys.

use std::sync::Arc;

use datafusion::common::{Column, TableReference, plan_datafusion_err};
use datafusion::logical_expr::{Extension, JoinType, LogicalPlan, col};
use datafusion::prelude::{DataFrame, SessionContext};

use super::LinkOptions;
use super::plan::{Stages, stages, whole};
use crate::bloom::BloomSemiNode;
use crate::dice_join::SCORE;
use crate::error::PlanError;
use crate::keyed::{KeyedJoinNode, KeyedSettings};
use crate::table::{CLK, ROW};

/// What the columns of blocking keys begin with.
const BLOCK: &str = "block_";

/// Builds the plan: one hash join per blocking key, and over all of them the keyed join, which scores.
///
/// ```sql
/// SELECT l.row, r.row FROM l JOIN (r BLOOM SEMI l.block_a) r ON l.block_a = r.block_a
/// UNION ALL
/// SELECT l.row, r.row FROM l JOIN (r BLOOM SEMI l.block_b) r
///     ON l.block_b = r.block_b AND (l.block_a = r.block_a) IS NOT TRUE …
/// ```
/// A pair comes from the first key in which it agrees, so that no set of pairs is kept. A null key equals nothing. The
/// hash tables are built of the left rows, or of the right ones when `right_builds` is set. Returns what EXPLAIN says of
/// the stage as well.
pub(super) async fn plan(
    context: &SessionContext,
    (left, right): (&str, &str),
    options: &LinkOptions,
    keys: &[String],
    seed: u64,
    right_builds: bool,
) -> Result<(LogicalPlan, String), PlanError> {
    let Stages { exact, rivals, left: l, right: r } = stages(context, left, right, options).await?;
    let columns = key_columns((left, right), (&l, &r), keys)?;
    let settings = KeyedSettings { threshold: options.threshold, seed, sampled: true };
    let similar = similar(context, (&l, &r), &columns, settings, right_builds)?;
    let plan = whole(exact, rivals, similar, options)?;
    let stage = format!(
        "Dice stage: pairs that agree in a blocking key, of the rows that the exact stage did not match, by hash join on {}",
        columns.join(", ")
    );
    Ok((plan, stage))
}

/// The pairs that agree in one of these columns and reach the threshold: `left_row`, `right_row`, `score`.
pub(crate) fn similar(
    context: &SessionContext,
    (l, r): (&DataFrame, &DataFrame),
    columns: &[String],
    settings: KeyedSettings,
    right_builds: bool,
) -> Result<DataFrame, PlanError> {
    let (build, probe, build_side, probe_side) = if right_builds { (r, l, "r", "l") } else { (l, r, "l", "r") };
    let mut pairs: Option<DataFrame> = None;
    for (at, column) in columns.iter().enumerate() {
        let keys = build.clone().select(vec![col(format!("{build_side}.{column}"))])?;
        let node = BloomSemiNode::try_new(
            keys.into_unoptimized_plan(),
            of(build_side, column),
            probe.clone().into_unoptimized_plan(),
            of(probe_side, column),
        )?;
        let pruned = DataFrame::new(context.state(), LogicalPlan::Extension(Extension { node: Arc::new(node) }));
        let agree = |column: &String| col(format!("l.{column}")).eq(col(format!("r.{column}")));
        let new = columns[..at].iter().map(|earlier| agree(earlier).is_not_true());
        let on = [agree(column)].into_iter().chain(new);
        let rows = ["l", "r"].into_iter().zip(["left_row", "right_row"]);
        let rows = rows.map(|(side, name)| col(format!("{side}.{ROW}")).alias(name));
        let found = build.clone().join_on(pruned, JoinType::Inner, on)?.select(rows.collect::<Vec<_>>())?;
        pairs = Some(match pairs {
            Some(others) => others.union(found)?,
            None => found,
        });
    }
    let Some(pairs) = pairs else { return Err(plan_datafusion_err!("a keyed join without keys").into()) };
    let node = KeyedJoinNode::try_new(
        [pairs, l.clone(), r.clone()].map(DataFrame::into_unoptimized_plan),
        [
            ["left_row", "right_row"].map(Column::new_unqualified),
            [of("l", CLK), of("l", ROW)],
            [of("r", CLK), of("r", ROW)],
        ],
        settings,
    )?;
    let similar = DataFrame::new(context.state(), LogicalPlan::Extension(Extension { node: Arc::new(node) }));
    let rows = ["left_row", "right_row"].map(col);
    Ok(similar.select(rows.into_iter().chain([col(SCORE).alias("score")]))?)
}

fn of(side: &str, column: &str) -> Column {
    Column::new(Some(TableReference::bare(side)), column)
}

/// The columns of the keys that are named, or of all that both tables have; at least one.
pub(crate) fn key_columns(
    (left, right): (&str, &str),
    (l, r): (&DataFrame, &DataFrame),
    keys: &[String],
) -> Result<Vec<String>, PlanError> {
    let both = |column: &str| {
        l.schema().has_column_with_unqualified_name(column) && r.schema().has_column_with_unqualified_name(column)
    };
    if keys.is_empty() {
        let all = l.schema().fields().iter().map(|field| field.name().clone());
        let all: Vec<String> = all.filter(|name| name.starts_with(BLOCK) && both(name)).collect();
        if all.is_empty() {
            let (problem, hint) = ("they have no blocking key in common".into(), "compare all pairs, or use bands");
            return Err(PlanError::Link { left: left.into(), right: right.into(), problem, hint });
        }
        return Ok(all);
    }
    let mut columns: Vec<String> = Vec::new();
    for column in keys.iter().map(|key| format!("{BLOCK}{key}")) {
        if !both(&column) {
            let problem = format!("they do not both have a column `{column}`");
            let hint = "name blocking keys that the linkage schema of both tables has";
            return Err(PlanError::Link { left: left.into(), right: right.into(), problem, hint });
        }
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    Ok(columns)
}
