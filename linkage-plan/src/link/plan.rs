//! The plan of a link, in two stages.

use std::fmt::Write;

use datafusion::common::{DataFusionError, JoinType};
use datafusion::logical_expr::{Expr, LogicalPlan, col, lit};
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::prelude::{DataFrame, SessionContext};
use linkage_core::dice::{DiceThreshold, Kernel};

use super::LinkOptions;
use super::stream::LinkStream;
use crate::error::PlanError;
use crate::layout::ClkLayout;
use crate::table::{CLK, ROW};
use crate::udf::DiceUdf;

/// Builds the plan: `left`, `right`, `score`, `exact`.
///
/// ```sql
/// SELECT l.row, r.row, dice(l.clk, r.clk), true FROM l JOIN r ON l.exact_a = r.exact_a   -- one per exact token; UNION
/// UNION ALL
/// SELECT l.row, r.row, dice(l.clk, r.clk), false
///   FROM (l LEFT ANTI JOIN r ON l.exact_a = r.exact_a …) l
///   JOIN (r LEFT ANTI JOIN l ON r.exact_a = l.exact_a …) r ON dice(l.clk, r.clk) >= threshold
/// ```
/// A null exact token equals nothing, so its row goes on to the Dice stage.
pub(crate) async fn plan(
    context: &SessionContext,
    left: &str,
    right: &str,
    options: &LinkOptions,
) -> Result<LogicalPlan, PlanError> {
    let Stages { exact, left, right } = stages(context, left, right, options).await?;
    let similar = candidates(left.join_on(right, JoinType::Inner, [similar(options.threshold)])?)?;
    let similar = similar.with_column("exact", lit(false))?;
    let all = match exact {
        Some(exact) => exact.union(similar)?,
        None => similar,
    };
    Ok(all.into_unoptimized_plan())
}

/// The exact stage, and what it leaves for the Dice stage.
pub(crate) struct Stages {
    /// `left_row`, `right_row`, `score`, `exact`; none when no exact token is named.
    pub(crate) exact: Option<DataFrame>,
    /// The left table, as `l`, without the rows that the exact stage has matched.
    pub(crate) left: DataFrame,
    /// The right table, as `r`, likewise.
    pub(crate) right: DataFrame,
}

/// Builds the exact stage, having looked whether the tables can be linked at all.
pub(crate) async fn stages(
    context: &SessionContext,
    left: &str,
    right: &str,
    options: &LinkOptions,
) -> Result<Stages, PlanError> {
    let cannot = |problem: String, hint| PlanError::Link { left: left.into(), right: right.into(), problem, hint };
    if left == right {
        return Err(cannot("they are one table".into(), "link the tables of two databases"));
    }
    let table = async |name: &str, alias: &str| -> Result<DataFrame, PlanError> {
        let table = datafusion::common::TableReference::bare(name);
        if !context.table_exist(table.clone())? {
            return Err(cannot(format!("there is no table `{name}`"), "register it first"));
        }
        Ok(context.table(table).await?.alias(alias)?)
    };
    let (l, r) = (table(left, "l").await?, table(right, "r").await?);
    let layout = |frame: &DataFrame| ClkLayout::of(frame.schema().field_with_unqualified_name(CLK)?);
    let (left_layout, right_layout) = (layout(&l)?, layout(&r)?);
    if left_layout != right_layout {
        let length = left_layout.bytes != right_layout.bytes;
        let problem = format!("their CLKs differ in {}", if length { "length" } else { "the number of segments" });
        return Err(cannot(problem, "both must be tokenised with one linkage schema"));
    }
    let exact_columns: Vec<String> = options.exact_tokens.iter().map(|name| format!("exact_{name}")).collect();
    for column in &exact_columns {
        if !(l.schema().has_column_with_unqualified_name(column) && r.schema().has_column_with_unqualified_name(column))
        {
            let hint = "name exact tokens that the linkage schema of both tables has";
            return Err(cannot(format!("they do not both have a column `{column}`"), hint));
        }
    }

    let mut exact: Option<DataFrame> = None;
    let (mut left_rest, mut right_rest) = (l.clone(), r.clone());
    for column in &exact_columns {
        let on = &[column.as_str()];
        let pairs = candidates(l.clone().join(r.clone(), JoinType::Inner, on, on, None)?)?;
        exact = Some(match exact {
            // A pair may agree in several exact tokens. Its score is a function of the pair, so equal rows are one pair.
            Some(others) => others.union_distinct(pairs)?,
            None => pairs,
        });
        left_rest = left_rest.join(r.clone(), JoinType::LeftAnti, on, on, None)?;
        right_rest = right_rest.join(l.clone(), JoinType::LeftAnti, on, on, None)?;
    }
    let exact = exact.map(|exact| exact.with_column("exact", lit(true))).transpose()?;
    Ok(Stages { exact, left: left_rest, right: right_rest })
}

/// The condition of the Dice stage.
pub(crate) fn similar(threshold: DiceThreshold) -> Expr {
    dice().gt_eq(lit(threshold.as_f64()))
}

/// What the Dice stage reads of a side.
#[cfg(feature = "distributed")]
pub(crate) fn row_and_clk(rows: DataFrame, side: &str) -> Result<DataFrame, DataFusionError> {
    rows.select(vec![col(format!("{side}.{ROW}")), col(format!("{side}.{CLK}"))])
}

/// Row numbers and score of joined rows.
pub(crate) fn candidates(joined: DataFrame) -> Result<DataFrame, DataFusionError> {
    let row = |side: &str, name: &str| col(format!("{side}.{ROW}")).alias(name);
    joined.select(vec![row("l", "left_row"), row("r", "right_row"), dice().alias("score")])
}

fn dice() -> Expr {
    DiceUdf::udf().call(vec![col(format!("l.{CLK}")), col(format!("r.{CLK}"))])
}

/// The plan as text, after it has been run when `analyze` is set.
pub(crate) async fn explain(
    context: &SessionContext,
    plan: LogicalPlan,
    (left, right): (&str, &str),
    options: &LinkOptions,
    stage: &str,
    analyze: bool,
) -> Result<String, PlanError> {
    let mut stream = LinkStream::start(context, plan, options.threshold).await?;
    if analyze {
        while let Some(candidates) = stream.next().await {
            candidates?;
        }
    }
    let report = stream.report();
    let mut text = String::new();
    let kernel = Kernel::detect()?.name();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "Link {left} with {right}: dice(clk, clk) >= {}, kernel {kernel}", options.threshold);
    let exact = match options.exact_tokens.as_slice() {
        [] => "no exact token is named".to_owned(),
        names => format!("hash join on exact_{}", names.join(", exact_")),
    };
    if analyze {
        let _ = write!(text, "Exact stage: {exact}: {} pairs", report.exact_pairs);
        let _ = match options.exact_tokens.len() {
            0 => writeln!(text),
            _ => writeln!(text, ", {} of them below the threshold", report.exact_below_threshold),
        };
        let _ = writeln!(
            text,
            "Dice stage: {} pairs of {} compared, {} given up early",
            report.dice_pairs, report.compared, report.aborted
        );
        for line in stage.lines().skip(1) {
            let _ = writeln!(text, "{line}");
        }
        if let Some(lsh) = &report.lsh {
            let _ = writeln!(text, "{lsh}");
        }
        if let Some(keyed) = &report.keyed {
            let _ = writeln!(text, "{keyed}");
        }
        if let Some(plan) = stream.physical_plan() {
            let _ = write!(text, "{}", DisplayableExecutionPlan::with_metrics(plan).indent(false));
        }
    } else {
        let _ = writeln!(text, "Exact stage: {exact}");
        let _ = writeln!(text, "{stage}");
        if let Some(plan) = stream.physical_plan() {
            let _ = write!(text, "{}", DisplayableExecutionPlan::new(plan).indent(false));
        }
    }
    Ok(text)
}
