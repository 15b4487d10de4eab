//! Our logical nodes as messages, and back.

use std::sync::Arc;

use datafusion::common::{Column, DataFusionError, Result, TableReference, not_impl_err};
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};

use super::proto::{
    BestProto, BloomSemiNodeProto, ColumnProto, DiceJoinNodeProto, Marked, NodeOrderProto, ScoredJoinNodeProto,
    damaged, threshold,
};
use crate::bloom::BloomSemiNode;
use crate::dice_join::{BestOf, DiceJoinNode, NodeOrder};
use crate::keyed::{KeyedJoinNode, KeyedSettings};
use crate::lsh_join::{LshJoinNode, LshSettings};

type Node = Arc<dyn UserDefinedLogicalNode>;

/// Writes a node of this crate; `false` when it is of another one.
pub(super) fn write(node: &dyn UserDefinedLogicalNode, buf: &mut Vec<u8>) -> bool {
    let node = node.as_any();
    if let Some(node) = node.downcast_ref::<DiceJoinNode>() {
        let (left_clk, right_clk) = node.clks();
        let keys = node.keys().iter().flat_map(|(left, right)| [left, right]);
        let message = DiceJoinNodeProto {
            left_clk: Some(write_column(left_clk)),
            right_clk: Some(write_column(right_clk)),
            threshold: node.threshold().to_string(),
            order: node.order().map(|order| NodeOrderProto {
                left: Some(write_column(&order.left)),
                right: Some(write_column(&order.right)),
                left_first: order.left_first,
            }),
            keys: keys.map(write_column).collect(),
            best: node.best().map(|BestOf { pairs, left }| BestProto { pairs, left }),
        };
        message.write(buf);
    } else if let Some(node) = node.downcast_ref::<KeyedJoinNode>() {
        let columns = node.columns().iter().flatten().map(write_column).collect();
        let KeyedSettings { threshold, seed, sampled } = node.settings();
        ScoredJoinNodeProto { columns, threshold: threshold.to_string(), recall_ppm: None, seed, sampled }.write(buf);
    } else if let Some(node) = node.downcast_ref::<LshJoinNode>() {
        let columns = node.columns().into_iter().flatten().map(write_column).collect();
        let LshSettings { threshold, recall_ppm, seed } = node.settings();
        let recall_ppm = Some(recall_ppm);
        ScoredJoinNodeProto { columns, threshold: threshold.to_string(), recall_ppm, seed, sampled: false }.write(buf);
    } else if let Some(node) = node.downcast_ref::<BloomSemiNode>() {
        BloomSemiNodeProto { columns: node.columns().into_iter().map(write_column).collect() }.write(buf);
    } else {
        return false;
    }
    true
}

/// Reads a node of this crate; `None` when the bytes are of another one.
pub(super) fn read(buf: &[u8], inputs: &[LogicalPlan]) -> Option<Result<Node>> {
    let node = if let Some(message) = DiceJoinNodeProto::read(buf) {
        message.and_then(|message| dice_join(message, inputs))
    } else if let Some(message) = ScoredJoinNodeProto::read(buf) {
        message.and_then(|message| scored(message, inputs))
    } else {
        BloomSemiNodeProto::read(buf)?.and_then(|message| bloom(message, inputs))
    };
    Some(node)
}

fn dice_join(message: DiceJoinNodeProto, inputs: &[LogicalPlan]) -> Result<Node> {
    let [left, right] = inputs else { return not_impl_err!("a Dice join of {} inputs", inputs.len()) };
    let column = |column: Option<ColumnProto>| column.map(read_column).ok_or_else(|| damaged("a column"));
    let node = DiceJoinNode::try_new(
        left.clone(),
        right.clone(),
        column(message.left_clk)??,
        column(message.right_clk)??,
        threshold(&message.threshold)?,
    )?;
    let order = message.order.map(|order| {
        let (left, right) = (column(order.left)??, column(order.right)??);
        Ok::<_, DataFusionError>(NodeOrder { left, right, left_first: order.left_first })
    });
    let keys = read_columns(message.keys)?;
    let (keys, []) = keys.as_chunks::<2>() else { return Err(damaged("its keys")) };
    let keys = keys.iter().map(|[left, right]| (left.clone(), right.clone())).collect();
    let best = message.best.map(|BestProto { pairs, left }| BestOf { pairs, left });
    Ok(Arc::new(node.with_order(order.transpose()?).with_keys(keys).with_best(best)))
}

/// A keyed join has three inputs, an LSH join two; each input has two columns.
fn scored(message: ScoredJoinNodeProto, inputs: &[LogicalPlan]) -> Result<Node> {
    let columns = read_columns(message.columns)?;
    let (threshold, seed) = (threshold(&message.threshold)?, message.seed);
    match (inputs, columns.as_chunks::<2>(), message.recall_ppm) {
        ([pairs, left, right], ([of_pairs, of_left, of_right], []), None) => {
            let inputs = [pairs.clone(), left.clone(), right.clone()];
            let columns = [of_pairs.clone(), of_left.clone(), of_right.clone()];
            let settings = KeyedSettings { threshold, seed, sampled: message.sampled };
            Ok(Arc::new(KeyedJoinNode::try_new(inputs, columns, settings)?))
        }
        ([left, right], ([of_left, of_right], []), Some(recall_ppm @ 1..1_000_000)) => {
            let settings = LshSettings { threshold, recall_ppm, seed };
            let (of_left, of_right) = (of_left.clone(), of_right.clone());
            Ok(Arc::new(LshJoinNode::try_new(left.clone(), right.clone(), of_left, of_right, settings)?))
        }
        _ => Err(damaged("its columns")),
    }
}

fn bloom(message: BloomSemiNodeProto, inputs: &[LogicalPlan]) -> Result<Node> {
    let columns = read_columns(message.columns)?;
    let ([keys, probe], [key, probe_key]) = (inputs, columns.as_slice()) else { return Err(damaged("its columns")) };
    Ok(Arc::new(BloomSemiNode::try_new(keys.clone(), key.clone(), probe.clone(), probe_key.clone())?))
}

fn read_columns(columns: Vec<ColumnProto>) -> Result<Vec<Column>> {
    columns.into_iter().map(read_column).collect()
}

fn write_column(column: &Column) -> ColumnProto {
    let relation = column.relation.as_ref().map_or_else(Vec::new, |relation| {
        [Some(relation.table()), relation.schema(), relation.catalog()]
            .into_iter()
            .flatten()
            .map(str::to_owned)
            .collect()
    });
    ColumnProto { relation, name: column.name.clone() }
}

fn read_column(column: ColumnProto) -> Result<Column> {
    let relation = match column.relation.as_slice() {
        [] => None,
        [table] => Some(TableReference::bare(table.as_str())),
        [table, schema] => Some(TableReference::partial(schema.as_str(), table.as_str())),
        [table, schema, catalogue] => Some(TableReference::full(catalogue.as_str(), schema.as_str(), table.as_str())),
        _ => return Err(damaged("a relation")),
    };
    Ok(Column::new(relation, column.name))
}
