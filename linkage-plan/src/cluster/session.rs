//! Sessions whose plans run on workers.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::execution::SessionState;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};
use datafusion::prelude::SessionContext;
use datafusion_distributed::{
    BroadcastExec, DesiredTaskCountEvent, DesiredTaskCountEventResponse, DistributedExt, DistributedLeafExec,
    RouteTasksEvent, RouteTasksEventResponse, ScaleUpLeafNodeEvent, ScaleUpLeafNodeEventResponse,
    SessionStateBuilderExt,
};
use url::Url;

use super::codec::codec;
use super::scan::SharedScanExec;
use super::unit_exec::UnitExec;
use super::workers::Workers;
use crate::dice_join::DiceJoinExec;
use crate::session::state_builder;

/// Fewest tasks of a stage: the engine runs a stage of one task in the coordinator.
const LEAST_TASKS: usize = 2;

/// Where all tasks of a plan go. Without it they are spread over all workers.
struct Target(Url);

/// A session like `local`, and over the same memory and tables' store, whose plans run on workers.
pub(super) fn state(local: &SessionContext, workers: &Arc<Workers>, target: Option<&Url>) -> Result<SessionState> {
    let mut config = local.copied_config();
    if let Some(target) = target {
        config.set_extension(Arc::new(Target(target.clone())));
    }
    let tasks = if target.is_some() { LEAST_TASKS } else { workers.urls().len().max(LEAST_TASKS) };
    let state = state_builder(config, local.runtime_env())
        .with_physical_optimizer_rule(Arc::new(BroadcastLeftSides))
        .with_distributed_worker_resolver(Resolver(Arc::clone(workers)))
        .with_distributed_channel_resolver(Resolver(Arc::clone(workers)))
        .with_distributed_planner()
        .with_distributed_user_codec(codec())
        .with_distributed_desired_task_count_handler(desired_task_count)
        .with_distributed_scale_up_leaf_node_handler(scale_up)
        .with_distributed_route_tasks_handler(route)
        .with_distributed_max_tasks_per_stage(tasks)?
        // What is compressed before it is encrypted tells something by its length.
        .with_distributed_compression(None)?;
    Ok(state.build())
}

/// The workers as the engine asks for them.
pub(super) struct Resolver(pub(super) Arc<Workers>);

fn desired_task_count(event: DesiredTaskCountEvent<'_>) -> Option<Result<DesiredTaskCountEventResponse>> {
    if event.plan.is::<UnitExec>() {
        return Some(Ok(DesiredTaskCountEventResponse::desired(LEAST_TASKS)));
    }
    let scan = event.plan.downcast_ref::<SharedScanExec>()?;
    let chunks = scan.partitions.iter().map(Vec::len).sum::<usize>();
    Some(Ok(DesiredTaskCountEventResponse::desired(chunks.max(LEAST_TASKS))))
}

fn scale_up(event: ScaleUpLeafNodeEvent<'_>) -> Option<Result<ScaleUpLeafNodeEventResponse>> {
    let shares = match event.plan.downcast_ref::<UnitExec>() {
        Some(unit) => Ok(unit.split(event.task_count)),
        None => event.plan.downcast_ref::<SharedScanExec>()?.split(event.task_count),
    };
    let shares = shares.and_then(|shares| {
        Ok(ScaleUpLeafNodeEventResponse::new(Arc::new(DistributedLeafExec::try_new(Arc::clone(event.plan), shares)?)))
    });
    Some(shares)
}

fn route(event: RouteTasksEvent<'_>) -> Option<Result<RouteTasksEventResponse>> {
    let target = event.task_ctx.session_config().get_extension::<Target>()?;
    Some(Ok(RouteTasksEventResponse::new(vec![target.0.clone(); event.task_count])))
}

/// Brings the whole left side of a Dice join to every task.
///
/// The engine does so for the joins that it knows. It does not know ours, and without this each task would collect only
/// its own share of the left side: pairs would be lost without a word. For the same reason a plan with an operator of
/// several inputs that is not known to be safe is refused.
#[derive(Debug)]
struct BroadcastLeftSides;

/// Operators of several inputs that the engine itself distributes rightly. Ours among them reads both sides partitioned by
/// its keys, as a hash join does, and the engine shuffles them where they are partitioned.
const KNOWN: [&str; 8] = [
    "BlockedDiceJoinExec",
    "HashJoinExec",
    "NestedLoopJoinExec",
    "CrossJoinExec",
    "SortMergeJoinExec",
    "SymmetricHashJoinExec",
    "UnionExec",
    "InterleaveExec",
];

impl PhysicalOptimizerRule for BroadcastLeftSides {
    fn name(&self) -> &str {
        "broadcast_left_sides"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = plan.transform_up(|node| {
            let children = node.children();
            if !node.is::<DiceJoinExec>() {
                if children.len() > 1 && !KNOWN.contains(&node.name()) {
                    return plan_err!("{} cannot run on workers", node.name());
                }
                return Ok(Transformed::no(node));
            }
            let (left, right) = (children[0], Arc::clone(children[1]));
            let input = left.downcast_ref::<CoalescePartitionsExec>().map_or(left, CoalescePartitionsExec::input);
            // The planner puts the number of tasks that read it in the place of 1.
            let broadcast = BroadcastExec::new(Arc::clone(input), 1);
            let left: Arc<dyn ExecutionPlan> = Arc::new(CoalescePartitionsExec::new(Arc::new(broadcast)));
            let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
            Ok(Transformed::yes(Arc::clone(&node).replace_children(vec![left, right], options)?))
        });
        Ok(plan?.data)
    }
}
