//! Our physical operators as messages, and back.

use std::sync::Arc;

use datafusion::common::{DataFusionError, Result, not_impl_err};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use linkage_core::dice::Kernel;

use super::proto::{
    BandPartProto, BlockedDiceJoinExecProto, BloomSemiExecProto, DiceJoinExecProto, Marked, OrderProto, OutputProto,
    ScoredJoinExecProto, TwoPlaces, damaged, threshold,
};
use crate::blocked_join::BlockedDiceJoinExec;
use crate::bloom::BloomSemiExec;
use crate::dice_join::{DiceJoinExec, OutputColumn, RowOrder, Source};
use crate::error::PlanError;
use crate::keyed::{KeyedJoinExec, KeyedSettings};
use crate::lsh_join::{BandPart, LshJoinExec, LshSettings, SideColumns};

type Plan = Arc<dyn ExecutionPlan>;

/// Writes an operator of this crate; `false` when it is of another one.
pub(super) fn write(node: &dyn ExecutionPlan, buf: &mut Vec<u8>) -> bool {
    if let Some(join) = node.downcast_ref::<DiceJoinExec>() {
        let order = join.order().map(|order| OrderProto {
            left: order.left as u32,
            right: order.right as u32,
            left_first: order.left_first,
        });
        let message = dice_join(join.clks(), join.segments(), &join.threshold().to_string(), join.output());
        DiceJoinExecProto { order, best: join.best(), ..message }.write(buf);
    } else if let Some(join) = node.downcast_ref::<BlockedDiceJoinExec>() {
        let message = dice_join(join.clks(), join.segments(), &join.threshold().to_string(), join.output());
        let keys = join.keys().iter().map(|key| two([key.0, key.1])).collect();
        BlockedDiceJoinExecProto { join: Some(message), keys }.write(buf);
    } else if let Some(join) = node.downcast_ref::<KeyedJoinExec>() {
        let [left, right] = join.columns().map(|side| Some(two([side.clk, side.row])));
        let KeyedSettings { threshold, seed, sampled } = join.settings();
        let (pairs, threshold) = (Some(two(join.pairs())), threshold.to_string());
        ScoredJoinExecProto { pairs, left, right, threshold, recall_ppm: None, seed, part: None, sampled }.write(buf);
    } else if let Some(join) = node.downcast_ref::<LshJoinExec>() {
        let [left, right] = join.columns().map(|side| Some(two([side.clk, side.row])));
        let LshSettings { threshold, recall_ppm, seed } = join.settings();
        let (recall_ppm, threshold) = (Some(recall_ppm), threshold.to_string());
        let part = join.part().map(|BandPart { bits, first, end }| BandPartProto { bits, first, end });
        let message =
            ScoredJoinExecProto { pairs: None, left, right, threshold, recall_ppm, seed, part, sampled: false };
        message.write(buf);
    } else if let Some(join) = node.downcast_ref::<BloomSemiExec>() {
        BloomSemiExecProto { columns: Some(two(join.columns())) }.write(buf);
    } else {
        return false;
    }
    true
}

/// Reads an operator of this crate; `None` when the bytes are of another one.
pub(super) fn read(buf: &[u8], inputs: &[Plan], ctx: &TaskContext) -> Option<Result<Plan>> {
    let operator = if let Some(message) = DiceJoinExecProto::read(buf) {
        message.and_then(|message| read_dice_join(message, inputs))
    } else if let Some(message) = BlockedDiceJoinExecProto::read(buf) {
        message.and_then(|message| read_blocked(message, inputs))
    } else if let Some(message) = ScoredJoinExecProto::read(buf) {
        message.and_then(|message| read_scored(&message, inputs, ctx))
    } else {
        BloomSemiExecProto::read(buf)?.and_then(|message| read_bloom(&message, inputs))
    };
    Some(operator)
}

fn two([first, second]: [usize; 2]) -> TwoPlaces {
    TwoPlaces { first: first as u32, second: second as u32 }
}

fn dice_join(clks: (usize, usize), segments: usize, threshold: &str, output: &[OutputColumn]) -> DiceJoinExecProto {
    let output = output.iter().map(|column| {
        let (side, at) = match column.source {
            Source::Left(at) => (0, at),
            Source::Right(at) => (1, at),
            Source::Score => (2, 0),
        };
        OutputProto { side, column: at as u32, name: column.name.clone() }
    });
    DiceJoinExecProto {
        left_clk: clks.0 as u32,
        right_clk: clks.1 as u32,
        threshold: threshold.to_owned(),
        output: output.collect(),
        order: None,
        segments: segments as u32,
        best: None,
    }
}

/// A column that an input has.
fn place(at: u32, input: &Plan) -> Result<usize> {
    Some(at as usize).filter(|at| *at < input.schema().fields().len()).ok_or_else(|| damaged("a column"))
}

fn output(columns: Vec<OutputProto>, left: &Plan, right: &Plan) -> Result<Vec<OutputColumn>> {
    let output = columns.into_iter().map(|OutputProto { side, column, name }| {
        let source = match side {
            0 => Source::Left(place(column, left)?),
            1 => Source::Right(place(column, right)?),
            2 => Source::Score,
            _ => return Err(damaged("a column's side")),
        };
        Ok(OutputColumn { source, name })
    });
    output.collect()
}

/// The best kernel of this CPU: all kernels find the same pairs, so that none is written.
fn kernel() -> Result<Kernel> {
    Kernel::detect().map_err(|error| PlanError::from(error).into_datafusion())
}

fn read_dice_join(message: DiceJoinExecProto, inputs: &[Plan]) -> Result<Plan> {
    let [left, right] = inputs else { return not_impl_err!("a Dice join of {} inputs", inputs.len()) };
    let clks = (place(message.left_clk, left)?, place(message.right_clk, right)?);
    let order = message.order.map(|order| {
        let (left, right) = (place(order.left, left)?, place(order.right, right)?);
        Ok::<_, DataFusionError>(RowOrder { left, right, left_first: order.left_first })
    });
    let (order, output) = (order.transpose()?, output(message.output, left, right)?);
    let (left, right) = (Arc::clone(left), Arc::clone(right));
    let mut join = DiceJoinExec::try_new(left, right, clks, threshold(&message.threshold)?, output, kernel()?)?;
    if join.segments() != message.segments as usize {
        return Err(damaged("its segments"));
    }
    if let Some(order) = order {
        join = join.with_order(order)?;
    }
    Ok(Arc::new(join.with_best(message.best)))
}

fn read_blocked(message: BlockedDiceJoinExecProto, inputs: &[Plan]) -> Result<Plan> {
    let [left, right] = inputs else { return not_impl_err!("a Dice join of {} inputs", inputs.len()) };
    let join = message.join.ok_or_else(|| damaged("its join"))?;
    let clks = (place(join.left_clk, left)?, place(join.right_clk, right)?);
    let keys = message.keys.iter().map(|key| Ok((place(key.first, left)?, place(key.second, right)?)));
    let (keys, output) = (keys.collect::<Result<_>>()?, output(join.output, left, right)?);
    let threshold = threshold(&join.threshold)?;
    let (left, right) = (Arc::clone(left), Arc::clone(right));
    let exec = BlockedDiceJoinExec::try_new(left, right, clks, keys, threshold, output, kernel()?)?;
    if exec.segments() != join.segments as usize {
        return Err(damaged("its segments"));
    }
    Ok(Arc::new(exec))
}

/// A keyed join has three inputs, an LSH join two. Both work on as many threads as this session has partitions.
fn read_scored(message: &ScoredJoinExecProto, inputs: &[Plan], ctx: &TaskContext) -> Result<Plan> {
    let columns = |columns: &Option<TwoPlaces>, input: &Plan| {
        let columns = columns.as_ref().ok_or_else(|| damaged("its columns"))?;
        Ok::<_, DataFusionError>([place(columns.first, input)?, place(columns.second, input)?])
    };
    let side = |side: &Option<TwoPlaces>, input: &Plan| columns(side, input).map(|[clk, row]| SideColumns { clk, row });
    let (threshold, seed, kernel) = (threshold(&message.threshold)?, message.seed, kernel()?);
    let threads = ctx.session_config().target_partitions();
    match (inputs, message.recall_ppm) {
        ([pairs, left, right], None) => {
            let (at, sides) =
                (columns(&message.pairs, pairs)?, [side(&message.left, left)?, side(&message.right, right)?]);
            let inputs = [Arc::clone(pairs), Arc::clone(left), Arc::clone(right)];
            let settings = KeyedSettings { threshold, seed, sampled: message.sampled };
            Ok(Arc::new(KeyedJoinExec::try_new(inputs, at, sides, settings, kernel, threads)?))
        }
        ([left, right], Some(recall_ppm @ 1..1_000_000)) => {
            let sides = [side(&message.left, left)?, side(&message.right, right)?];
            let (left, right) = (Arc::clone(left), Arc::clone(right));
            let settings = LshSettings { threshold, recall_ppm, seed };
            let join = LshJoinExec::try_new(left, right, sides, settings, kernel, threads)?;
            Ok(Arc::new(match &message.part {
                Some(BandPartProto { bits, first, end }) => {
                    join.with_part(BandPart { bits: *bits, first: *first, end: *end })
                }
                None => join,
            }))
        }
        _ => Err(damaged("its inputs")),
    }
}

fn read_bloom(message: &BloomSemiExecProto, inputs: &[Plan]) -> Result<Plan> {
    let [keys, probe] = inputs else { return not_impl_err!("a Bloom semi-join of {} inputs", inputs.len()) };
    let columns = message.columns.as_ref().ok_or_else(|| damaged("its columns"))?;
    let (key, probe_key) = (place(columns.first, keys)?, place(columns.second, probe)?);
    Ok(Arc::new(BloomSemiExec::try_new(Arc::clone(keys), key, Arc::clone(probe), probe_key)?))
}
