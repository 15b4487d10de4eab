//! Our physical operators as messages, and back.

use std::sync::Arc;

use datafusion::common::{DataFusionError, Result, not_impl_err, plan_err};
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
        let (threshold, segments) = (threshold.to_string(), join.segments() as u32);
        let message = ScoredJoinExecProto { left, right, threshold, seed, sampled, segments, ..Default::default() };
        ScoredJoinExecProto { pairs: Some(two(join.pairs())), ..message }.write(buf);
    } else if let Some(join) = node.downcast_ref::<LshJoinExec>() {
        let [left, right] = join.columns().map(|side| Some(two([side.clk, side.row])));
        let LshSettings { threshold, recall_ppm, seed } = join.settings();
        let (threshold, segments) = (threshold.to_string(), join.segments() as u32);
        let part = join.part().map(|BandPart { bits, first, end }| BandPartProto { bits, first, end });
        let message = ScoredJoinExecProto { left, right, threshold, seed, part, segments, ..Default::default() };
        ScoredJoinExecProto { recall_ppm: Some(recall_ppm), ..message }.write(buf);
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

/// That the tokens here are cut as those that the plan was made for: else it would give their pairs other scores.
fn same_segments(written: u32, here: usize) -> Result<()> {
    match written as usize == here {
        true => Ok(()),
        false => plan_err!("the plan scores CLKs of {written} segments, and the tokens that it reads have {here}"),
    }
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
    same_segments(message.segments, join.segments())?;
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
    same_segments(join.segments, exec.segments())?;
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
            let join = KeyedJoinExec::try_new(inputs, at, sides, settings, kernel, threads)?;
            same_segments(message.segments, join.segments())?;
            Ok(Arc::new(join))
        }
        ([left, right], Some(recall_ppm @ 1..1_000_000)) => {
            let sides = [side(&message.left, left)?, side(&message.right, right)?];
            let (left, right) = (Arc::clone(left), Arc::clone(right));
            let settings = LshSettings { threshold, recall_ppm, seed };
            let join = LshJoinExec::try_new(left, right, sides, settings, kernel, threads)?;
            same_segments(message.segments, join.segments())?;
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

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::physical_plan::empty::EmptyExec;
    use datafusion::prelude::SessionContext;

    use super::*;
    use crate::layout::ClkLayout;

    const OUTPUT: [Source; 3] = [Source::Left(1), Source::Right(1), Source::Score];

    /// A side with CLKs of so many segments.
    fn side(segments: usize) -> Plan {
        let layout = ClkLayout { bytes: 128, segments };
        let fields = vec![
            layout.mark(&Field::new("clk", DataType::FixedSizeBinary(128), true)),
            Field::new("row", DataType::UInt32, false),
            Field::new("block_a", DataType::FixedSizeBinary(16), true),
        ];
        Arc::new(EmptyExec::new(Arc::new(Schema::new(fields))))
    }

    /// Every operator that scores CLKs, over sides of so many segments; and its inputs.
    fn operators(segments: usize) -> Vec<(Plan, Vec<Plan>)> {
        let (threshold, kernel) = ("0.85".parse().unwrap(), kernel().unwrap());
        let (left, right) = (side(segments), side(segments));
        let sides = || vec![Arc::clone(&left), Arc::clone(&right)];
        let output = OUTPUT.map(|source| OutputColumn { source, name: format!("{source:?}") }).to_vec();
        let columns = [SideColumns { clk: 0, row: 1 }; 2];
        let rows = ["left", "right"].map(|name| Field::new(name, DataType::UInt32, false));
        let pairs: Plan = Arc::new(EmptyExec::new(Arc::new(Schema::new(rows.to_vec()))));
        let dice =
            DiceJoinExec::try_new(Arc::clone(&left), Arc::clone(&right), (0, 0), threshold, output.clone(), kernel);
        let order = RowOrder { left: 1, right: 1, left_first: true };
        let dice = dice.unwrap().with_order(order).unwrap().with_best(Some(3));
        let keys = vec![(2, 2)];
        let blocked = BlockedDiceJoinExec::try_new(
            Arc::clone(&left),
            Arc::clone(&right),
            (0, 0),
            keys,
            threshold,
            output,
            kernel,
        );
        let settings = KeyedSettings { threshold, seed: 7, sampled: true };
        let inputs = [Arc::clone(&pairs), Arc::clone(&left), Arc::clone(&right)];
        let keyed = KeyedJoinExec::try_new(inputs.clone(), [0, 1], columns, settings, kernel, 2);
        let mut operators: Vec<(Plan, Vec<Plan>)> = vec![
            (Arc::new(dice), sides()),
            (Arc::new(blocked.unwrap()), sides()),
            (Arc::new(keyed.unwrap()), inputs.to_vec()),
        ];
        if segments == 1 {
            let settings = LshSettings { threshold, recall_ppm: 990_000, seed: 7 };
            let lsh = LshJoinExec::try_new(Arc::clone(&left), Arc::clone(&right), columns, settings, kernel, 2);
            operators.push((Arc::new(lsh.unwrap().with_part(BandPart { bits: 20, first: 3, end: 9 })), sides()));
        }
        operators
    }

    fn written(operator: &Plan) -> Vec<u8> {
        let mut bytes = Vec::new();
        assert!(write(operator.as_ref(), &mut bytes), "{} is not written", operator.name());
        bytes
    }

    #[test]
    fn every_operator_is_read_as_it_was_written_over_tokens_of_its_segments_and_of_no_others() {
        let context = SessionContext::new().task_ctx();
        for (segments, others) in [(1, 4), (4, 1), (4, 2)] {
            for (operator, inputs) in operators(segments) {
                let bytes = written(&operator);
                let back = read(&bytes, &inputs, &context).unwrap().unwrap();
                assert_eq!((back.name(), written(&back)), (operator.name(), bytes.clone()), "{segments}");
                // The same inputs, but for how their CLKs are cut.
                let mut other = inputs;
                let sides = other.len() - 2;
                other.truncate(sides);
                other.extend([side(others), side(others)]);
                let error = read(&bytes, &other, &context).unwrap().unwrap_err().to_string();
                let expected =
                    format!("the plan scores CLKs of {segments} segments, and the tokens that it reads have {others}");
                let bands = "an LSH join compares composite CLKs";
                assert!(error.contains(&expected) || error.contains(bands), "{}: {error}", operator.name());
            }
        }
    }

    #[test]
    fn a_bloom_semi_join_is_read_as_it_was_written() {
        let context = SessionContext::new().task_ctx();
        let inputs = vec![side(4), side(4)];
        let bloom: Plan =
            Arc::new(BloomSemiExec::try_new(Arc::clone(&inputs[0]), 2, Arc::clone(&inputs[1]), 2).unwrap());
        let bytes = written(&bloom);
        let back = read(&bytes, &inputs, &context).unwrap().unwrap();
        assert_eq!((back.name(), written(&back)), ("BloomSemiExec", bytes));
    }
}
