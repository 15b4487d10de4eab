//! Our physical operators as bytes.

use std::sync::Arc;

use datafusion::common::{DataFusionError, Result, not_impl_err};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{AggregateUDF, HigherOrderUDF, ScalarUDF, WindowUDF};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr_common::physical_expr::proto_decode::PhysicalExprDecodeCtx;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{
    DefaultPhysicalExtensionCodec, PhysicalExtensionCodec, PhysicalProtoConverterExtension,
};
use linkage_core::dice::Kernel;

use super::proto::{DiceJoinExecProto, Marked, OrderProto, OutputProto, damaged, threshold};
use crate::dice_join::{DiceJoinExec, OutputColumn, RowOrder, Source};
use crate::error::PlanError;
use crate::udf::{DiceUdf, NAME};

/// Writes and reads [`DiceJoinExec`] and `dice()`, and leaves all else to another codec.
///
/// The kernel is not written: whoever reads the plan chooses the best one of its own CPU, and all kernels find the same
/// pairs.
#[derive(Debug)]
pub struct LinkPhysicalCodec {
    inner: Arc<dyn PhysicalExtensionCodec>,
}

impl LinkPhysicalCodec {
    /// A codec that hands what is not ours to `inner`.
    pub fn new(inner: Arc<dyn PhysicalExtensionCodec>) -> Self {
        Self { inner }
    }
}

impl Default for LinkPhysicalCodec {
    fn default() -> Self {
        Self::new(Arc::new(DefaultPhysicalExtensionCodec {}))
    }
}

impl PhysicalExtensionCodec for LinkPhysicalCodec {
    fn try_decode(
        &self,
        buf: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        ctx: &TaskContext,
        proto_converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match DiceJoinExecProto::read(buf) {
            Some(message) => dice_join(message?, inputs),
            None => self.inner.try_decode(buf, inputs, ctx, proto_converter),
        }
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        proto_converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let Some(join) = node.downcast_ref::<DiceJoinExec>() else {
            return self.inner.try_encode(node, buf, proto_converter);
        };
        let (left_clk, right_clk) = join.clks();
        let output = join.output().iter().map(|column| {
            let (side, at) = match column.source {
                Source::Left(at) => (0, at),
                Source::Right(at) => (1, at),
                Source::Score => (2, 0),
            };
            OutputProto { side, column: at as u32, name: column.name.clone() }
        });
        let message = DiceJoinExecProto {
            left_clk: left_clk as u32,
            right_clk: right_clk as u32,
            threshold: join.threshold().to_string(),
            output: output.collect(),
            order: join.order().map(|order| OrderProto {
                left: order.left as u32,
                right: order.right as u32,
                left_first: order.left_first,
            }),
        };
        message.write(buf);
        Ok(())
    }

    fn try_decode_udf(&self, name: &str, buf: &[u8]) -> Result<Arc<ScalarUDF>> {
        match name {
            NAME => Ok(Arc::new(DiceUdf::udf())),
            _ => self.inner.try_decode_udf(name, buf),
        }
    }

    fn try_encode_udf(&self, node: &ScalarUDF, buf: &mut Vec<u8>) -> Result<()> {
        self.inner.try_encode_udf(node, buf)
    }

    fn try_decode_higher_order_function(&self, name: &str, buf: &[u8]) -> Result<Arc<HigherOrderUDF>> {
        self.inner.try_decode_higher_order_function(name, buf)
    }

    fn try_encode_higher_order_function(&self, node: &HigherOrderUDF, buf: &mut Vec<u8>) -> Result<()> {
        self.inner.try_encode_higher_order_function(node, buf)
    }

    fn try_decode_expr(
        &self,
        buf: &[u8],
        inputs: &[Arc<dyn PhysicalExpr>],
        ctx: &PhysicalExprDecodeCtx<'_>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        self.inner.try_decode_expr(buf, inputs, ctx)
    }

    fn try_decode_udaf(&self, name: &str, buf: &[u8]) -> Result<Arc<AggregateUDF>> {
        self.inner.try_decode_udaf(name, buf)
    }

    fn try_encode_udaf(&self, node: &AggregateUDF, buf: &mut Vec<u8>) -> Result<()> {
        self.inner.try_encode_udaf(node, buf)
    }

    fn try_decode_udwf(&self, name: &str, buf: &[u8]) -> Result<Arc<WindowUDF>> {
        self.inner.try_decode_udwf(name, buf)
    }

    fn try_encode_udwf(&self, node: &WindowUDF, buf: &mut Vec<u8>) -> Result<()> {
        self.inner.try_encode_udwf(node, buf)
    }
}

fn dice_join(message: DiceJoinExecProto, inputs: &[Arc<dyn ExecutionPlan>]) -> Result<Arc<dyn ExecutionPlan>> {
    let [left, right] = inputs else { return not_impl_err!("a Dice join of {} inputs", inputs.len()) };
    let (left_columns, right_columns) = (left.schema().fields().len(), right.schema().fields().len());
    let within =
        |at: u32, columns: usize| Some(at as usize).filter(|at| *at < columns).ok_or_else(|| damaged("a column"));
    let output = message.output.into_iter().map(|OutputProto { side, column, name }| {
        let source = match side {
            0 => Source::Left(within(column, left_columns)?),
            1 => Source::Right(within(column, right_columns)?),
            2 => Source::Score,
            _ => return Err(damaged("a column's side")),
        };
        Ok(OutputColumn { source, name })
    });
    let output = output.collect::<Result<Vec<_>>>()?;
    let clks = (within(message.left_clk, left_columns)?, within(message.right_clk, right_columns)?);
    let kernel = Kernel::detect().map_err(|error| PlanError::from(error).into_datafusion())?;
    let (left, right) = (Arc::clone(left), Arc::clone(right));
    let order = message.order.map(|order| {
        let (left, right) = (within(order.left, left_columns)?, within(order.right, right_columns)?);
        Ok::<_, DataFusionError>(RowOrder { left, right, left_first: order.left_first })
    });
    let join = DiceJoinExec::try_new(left, right, clks, threshold(&message.threshold)?, output, kernel)?;
    Ok(Arc::new(match order.transpose()? {
        Some(order) => join.with_order(order)?,
        None => join,
    }))
}
