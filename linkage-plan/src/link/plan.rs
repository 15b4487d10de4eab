//! The plan of a link, in two stages.

use std::fmt::Write;

use datafusion::common::{DataFusionError, JoinType, ScalarValue};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{Expr, ExprFunctionExt, LogicalPlan, col, lit};
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
    let Stages { exact, rivals, left, right } = stages(context, left, right, options).await?;
    let similar = candidates(left.join_on(right, JoinType::Inner, [similar(options.threshold)])?)?;
    whole(exact, rivals, similar, options)
}

/// The plan of all stages; `similar` is `left_row`, `right_row` and `score` of the Dice stage.
///
/// The best pairs of each left row are a window over these, of which a [Dice join](crate::dice_join::BestPairsRule) below takes note.
pub(super) fn whole(
    exact: Option<DataFrame>,
    rivals: Option<[[DataFrame; 2]; 2]>,
    mut similar: DataFrame,
    options: &LinkOptions,
) -> Result<LogicalPlan, PlanError> {
    if let Some(pairs) = options.top_k {
        similar = best(similar, pairs)?;
    }
    let mut all = similar.with_column("exact", lit(false))?;
    if let Some(exact) = exact {
        all = exact.union(all)?;
    }
    for [left, right] in rivals.into_iter().flatten() {
        all = all.union(rival_pairs(left, right, options)?)?;
    }
    Ok(all.into_unoptimized_plan())
}

/// Of each left row so many pairs: higher similarity first and, of equal ones, the lower right row.
pub(crate) fn best(similar: DataFrame, pairs: u32) -> Result<DataFrame, DataFusionError> {
    let order_by = vec![col("score").sort(false, false), col("right_row").sort(true, false)];
    let rank = row_number().partition_by(vec![col("left_row")]).order_by(order_by).build()?.alias("rank");
    let similar = similar.window(vec![rank])?.filter(col("rank").lt_eq(lit(u64::from(pairs))))?;
    similar.select_columns(&["left_row", "right_row", "score"])
}

/// The exact stage, and what it leaves for the Dice stage.
pub(crate) struct Stages {
    /// `left_row`, `right_row`, `score`, `exact`; none when no exact token is named.
    pub(crate) exact: Option<DataFrame>,
    /// If they are asked for: the left and right sides of which the pairs are [rivals](rival_pairs) of exact pairs, which are
    /// those of which the exact stage has matched one row or both, but not with each other. As `l` and `r`.
    pub(crate) rivals: Option<[[DataFrame; 2]; 2]>,
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
    let exact_columns = exact_columns(options);
    for column in &exact_columns {
        if !(l.schema().has_column_with_unqualified_name(column) && r.schema().has_column_with_unqualified_name(column))
        {
            let hint = "name exact tokens that the linkage schema of both tables has";
            return Err(cannot(format!("they do not both have a column `{column}`"), hint));
        }
    }

    let mut exact: Option<DataFrame> = None;
    let (mut left_rest, mut right_rest) = (l.clone(), r.clone());
    let (mut left_matched, mut right_matched): (Option<DataFrame>, Option<DataFrame>) = (None, None);
    for column in &exact_columns {
        let on = &[column.as_str()];
        let pairs = candidates(l.clone().join(r.clone(), JoinType::Inner, on, on, None)?)?;
        exact = Some(match exact {
            // A pair may agree in several exact tokens. Its score is a function of the pair, so equal rows are one pair.
            Some(others) => others.union_distinct(pairs)?,
            None => pairs,
        });
        if options.rivals {
            for (matched, rest, other) in [(&mut left_matched, &left_rest, &r), (&mut right_matched, &right_rest, &l)] {
                let new = rest.clone().join(other.clone(), JoinType::LeftSemi, on, on, None)?;
                *matched = Some(match matched.take() {
                    Some(before) => before.union(new)?,
                    None => new,
                });
            }
        }
        left_rest = left_rest.join(r.clone(), JoinType::LeftAnti, on, on, None)?;
        right_rest = right_rest.join(l.clone(), JoinType::LeftAnti, on, on, None)?;
    }
    let exact = exact.map(|exact| exact.with_column("exact", lit(true))).transpose()?;
    let rivals = match (left_matched, right_matched) {
        (Some(left_matched), Some(right_matched)) => {
            Some([[left_matched.alias("l")?, r], [left_rest.clone(), right_matched.alias("r")?]])
        }
        _ => None,
    };
    Ok(Stages { exact, rivals, left: left_rest, right: right_rest })
}

/// Pairs at or above the threshold that agree in no exact token: `left_row`, `right_row`, `score`, and `exact`, which is null.
pub(crate) fn rival_pairs(
    left: DataFrame,
    right: DataFrame,
    options: &LinkOptions,
) -> Result<DataFrame, DataFusionError> {
    // Which columns agree is asked of each pair that is kept.
    let agree = |column: &String| col(format!("l.{column}")).eq(col(format!("r.{column}"))).is_not_true();
    let columns = exact_columns(options);
    let on = [similar(options.threshold)].into_iter().chain(columns.iter().map(agree));
    let pairs = candidates(left.join_on(right, JoinType::Inner, on)?)?;
    pairs.with_column("exact", lit(ScalarValue::Boolean(None)))
}

/// The columns of the exact tokens.
pub(crate) fn exact_columns(options: &LinkOptions) -> Vec<String> {
    options.exact_tokens.iter().map(|name| format!("exact_{name}")).collect()
}

/// The condition of the Dice stage.
pub(crate) fn similar(threshold: DiceThreshold) -> Expr {
    dice().gt_eq(lit(threshold.as_f64()))
}

/// What the Dice stage reads of a side: row, CLK, and these columns.
#[cfg(feature = "distributed")]
pub(crate) fn rows_with(rows: DataFrame, side: &str, columns: &[String]) -> Result<DataFrame, DataFusionError> {
    let columns = [ROW, CLK].into_iter().chain(columns.iter().map(String::as_str));
    rows.select(columns.map(|column| col(format!("{side}.{column}"))).collect::<Vec<_>>())
}

/// Row numbers and score of joined rows.
pub(crate) fn candidates(joined: DataFrame) -> Result<DataFrame, DataFusionError> {
    let row = |side: &str, name: &str| col(format!("{side}.{ROW}")).alias(name);
    joined.select(vec![row("l", "left_row"), row("r", "right_row"), dice().alias("score")])
}

fn dice() -> Expr {
    DiceUdf::udf().call(vec![col(format!("l.{CLK}")), col(format!("r.{CLK}"))])
}

/// The plan of a link that has not begun yet, as text; after it has been run when `analyze` is set. `stage` says what the Dice
/// stage is, and in further lines why.
pub(crate) async fn explain(
    mut stream: LinkStream,
    (left, right): (&str, &str),
    options: &LinkOptions,
    stage: &str,
    analyze: bool,
) -> Result<String, PlanError> {
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
        if !options.exact_tokens.is_empty() {
            let _ = write!(text, ", {} of them below the threshold", report.exact_below_threshold);
        }
        if let Some(rivals) = report.exact_with_rival {
            let _ = write!(text, ", {rivals} of a record that is more like another one");
        }
        let _ = writeln!(text);
        let _ = writeln!(
            text,
            "Dice stage: {} pairs of {} compared, {} given up early",
            report.dice_pairs, report.compared, report.aborted
        );
        if report.work_units > 0 {
            let (units, again) = (report.work_units, report.work_units_run_again);
            let _ = writeln!(text, "Workers: {units} work units, {again} times one was run again");
        }
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
        let rivals =
            if options.rivals { "; matched records are compared with all others, to count conflicts" } else { "" };
        let _ = writeln!(text, "Exact stage: {exact}{rivals}");
        let _ = writeln!(text, "{stage}");
        if let Some(plan) = stream.physical_plan() {
            let _ = write!(text, "{}", DisplayableExecutionPlan::new(plan).indent(false));
        }
    }
    Ok(text)
}
