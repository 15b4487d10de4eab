//! The columns of pairs: where each comes from, and how they are written out.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use linkage_core::dice::Match;

/// Where an output column comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A column of the left input.
    Left(usize),
    /// A column of the right input.
    Right(usize),
    /// The Dice similarity.
    Score,
}

impl Source {
    /// The same column when the inputs have changed places.
    pub(super) fn turned(self) -> Self {
        match self {
            Self::Left(at) => Self::Right(at),
            Self::Right(at) => Self::Left(at),
            Self::Score => Self::Score,
        }
    }

    fn left(self) -> Option<usize> {
        match self {
            Self::Left(at) => Some(at),
            Self::Right(_) | Self::Score => None,
        }
    }
}

/// A column of the output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputColumn {
    /// Where it comes from.
    pub source: Source,
    /// Its name.
    pub name: String,
}

/// The fields of an output over inputs of these schemas.
pub(crate) fn schema_of(output: &[OutputColumn], left: &Schema, right: &Schema) -> Schema {
    let fields = output.iter().map(|column| match column.source {
        Source::Left(at) => left.field(at).clone().with_name(&column.name),
        Source::Right(at) => right.field(at).clone().with_name(&column.name),
        // Never null, but declared as the function that it stands for: a rule may not change the schema.
        Source::Score => Field::new(&column.name, DataType::Float64, true),
    });
    Schema::new(fields.collect::<Vec<_>>())
}

/// The names of an output's columns, as EXPLAIN shows them.
pub(crate) fn names_of(output: &[OutputColumn]) -> String {
    output.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// The left columns that an output needs, ascending: a left side that is held has no others.
pub(crate) fn kept(output: &[OutputColumn]) -> Vec<usize> {
    let kept: BTreeSet<usize> = output.iter().filter_map(|column| column.source.left()).collect();
    kept.into_iter().collect()
}

/// Writes pairs out as batches.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    schema: SchemaRef,
    /// Left columns by their place among those kept.
    sources: Vec<Source>,
}

impl Writer {
    pub(crate) fn new(output: &[OutputColumn], schema: SchemaRef) -> Self {
        let kept = kept(output);
        let sources = output.iter().map(|column| match column.source {
            Source::Left(at) => Source::Left(kept.partition_point(|kept| *kept < at)),
            other => other,
        });
        Self { sources: sources.collect(), schema }
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// A batch of at most so many of the pending pairs, the latest first: taking them off the end moves no others.
    pub(crate) fn latest(
        &self,
        pending: &mut Vec<Match>,
        most: usize,
        left: &RecordBatch,
        right: &RecordBatch,
    ) -> Result<RecordBatch> {
        let pairs = pending.split_off(pending.len() - pending.len().min(most));
        self.batch(&pairs, left, right)
    }

    /// Pairs of rows of the kept left columns and of a right batch.
    fn batch(&self, pairs: &[Match], left: &RecordBatch, right: &RecordBatch) -> Result<RecordBatch> {
        let left_rows = UInt32Array::from_iter_values(pairs.iter().map(|pair| pair.left));
        let right_rows = UInt32Array::from_iter_values(pairs.iter().map(|pair| pair.right));
        let scores: ArrayRef = Arc::new(Float64Array::from_iter_values(pairs.iter().map(Match::score)));
        let columns = self.sources.iter().map(|source| match source {
            Source::Left(at) => Ok(take(left.column(*at), &left_rows, None)?),
            Source::Right(at) => Ok(take(right.column(*at), &right_rows, None)?),
            Source::Score => Ok(Arc::clone(&scores)),
        });
        let options = RecordBatchOptions::new().with_row_count(Some(pairs.len()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns.collect::<Result<Vec<_>>>()?, &options)?)
    }
}

/// Takes in a projection of plain columns. Under any other projection, drops the columns that it does not read. So no
/// column, and above all no CLK, is written out for every pair only to be dropped above. `with_output` makes the same
/// operator with another output.
pub(crate) fn take_in(
    projection: &ProjectionExec,
    output: &[OutputColumn],
    with_output: impl Fn(Vec<OutputColumn>) -> Result<Arc<dyn ExecutionPlan>>,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let columns = projection.expr().iter().map(|projected| {
        let column = projected.expr.downcast_ref::<Column>()?;
        Some(OutputColumn { source: output[column.index()].source, name: projected.alias.clone() })
    });
    if let Some(columns) = columns.collect::<Option<Vec<_>>>() {
        return Ok(Some(with_output(columns)?));
    }
    let read: BTreeSet<usize> = projection
        .expr()
        .iter()
        .flat_map(|projected| collect_columns(&projected.expr))
        .map(|column| column.index())
        .collect();
    if read.len() == output.len() {
        return Ok(None);
    }
    let narrowed = with_output(read.iter().map(|at| output[*at].clone()).collect())?;
    let exprs = projection.expr().iter().map(|projected| {
        let moved = Arc::clone(&projected.expr).transform(|expr| {
            Ok(match expr.downcast_ref::<Column>() {
                Some(column) => {
                    let at = read.range(..column.index()).count();
                    Transformed::yes(Arc::new(Column::new(column.name(), at)) as Arc<dyn PhysicalExpr>)
                }
                None => Transformed::no(expr),
            })
        })?;
        Ok(ProjectionExpr { expr: moved.data, alias: projected.alias.clone() })
    });
    let exprs = exprs.collect::<Result<Vec<_>>>()?;
    Ok(Some(Arc::new(ProjectionExec::try_new(exprs, narrowed)?)))
}
