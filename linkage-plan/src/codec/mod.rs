//! Plans as bytes.
//!
//! DataFusion writes its own operators; what is ours goes through [`LinkPhysicalCodec`] and [`LinkLogicalCodec`]. Each
//! message of ours begins with a prefix that names it and its version; what does not begin so is handed to the codec
//! within. A physical plan over tables in memory carries their rows, so its bytes are as confidential as a token file; a
//! logical plan names its tables and carries no row.

mod logical;
mod nodes;
mod operators;
mod physical;
mod proto;

use datafusion_proto::bytes::{
    logical_plan_from_bytes_with_extension_codec, logical_plan_to_bytes_with_extension_codec,
    physical_plan_from_bytes_with_extension_codec, physical_plan_to_bytes_with_extension_codec,
};

use arrow::array::RecordBatch;
use datafusion::common::plan_datafusion_err;
use datafusion::physical_plan::collect;
use datafusion::prelude::{DataFrame, SessionContext};

pub use logical::LinkLogicalCodec;
pub use physical::LinkPhysicalCodec;
pub(crate) use proto::{Marked, damaged};

use crate::error::PlanError;

/// Which form of a plan to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanForm {
    /// What is asked, over tables by name. Whoever reads it must have registered tables of the same names.
    Logical,
    /// How it is done, operator by operator, with the rows of tables that are in memory.
    Physical,
}

/// What a serialised plan begins with.
const LOGICAL: &[u8] = b"linkage-plan/1 logical\n";
const PHYSICAL: &[u8] = b"linkage-plan/1 physical\n";

/// The optimised plan of a query.
pub(crate) async fn to_bytes(query: DataFrame, context: &SessionContext, form: PlanForm) -> Result<Vec<u8>, PlanError> {
    let (state, plan) = query.into_parts();
    let optimised = state.optimize(&plan)?;
    let (prefix, body) = match form {
        PlanForm::Logical => {
            (LOGICAL, logical_plan_to_bytes_with_extension_codec(&optimised, &LinkLogicalCodec::new(context))?)
        }
        PlanForm::Physical => {
            let physical = state.query_planner().create_physical_plan(&optimised, &state).await?;
            (PHYSICAL, physical_plan_to_bytes_with_extension_codec(physical, &LinkPhysicalCodec::default())?)
        }
    };
    Ok([prefix, &body].concat())
}

/// Runs a plan that [`to_bytes`] has written.
pub(crate) async fn run(context: &SessionContext, bytes: &[u8]) -> Result<Vec<RecordBatch>, PlanError> {
    let task = context.task_ctx();
    let physical = if let Some(body) = bytes.strip_prefix(PHYSICAL) {
        physical_plan_from_bytes_with_extension_codec(body, &task, &LinkPhysicalCodec::default())?
    } else if let Some(body) = bytes.strip_prefix(LOGICAL) {
        let codec = LinkLogicalCodec::new(context);
        let logical = logical_plan_from_bytes_with_extension_codec(body, &task, &codec)?;
        let state = context.state();
        state.query_planner().create_physical_plan(&logical, &state).await?
    } else {
        return Err(plan_datafusion_err!("the bytes are not a plan of linkage-plan/1").into());
    };
    Ok(collect(physical, task).await?)
}
