//! A worker: runs parts of plans for a coordinator.

use std::convert::Infallible;
use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion_distributed::{DistributedExt, Worker, WorkerQueryContext};
use linkage_core::dice::Kernel;
use object_store::ObjectStore;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;

use super::VERSION;
use super::codec::codec;
use super::scan::store_url;
use crate::error::PlanError;
use crate::udf::DiceUdf;

/// The gRPC service of a worker, to be mounted on a server that decides who may call it.
///
/// All that it runs together holds at most `memory_bytes`. It reads chunks from `objects`, which must be the store that
/// the coordinator writes to, and connects to nobody.
///
/// # Errors
/// When no kernel can be chosen.
pub fn worker_service(
    memory_bytes: usize,
    objects: Arc<dyn ObjectStore>,
) -> Result<
    impl Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible, Future: Send>
    + NamedService
    + Clone
    + Send
    + Sync
    + 'static,
    PlanError,
> {
    Kernel::detect()?;
    let runtime = RuntimeEnvBuilder::new().with_memory_limit(memory_bytes, 1.0).build_arc()?;
    runtime.register_object_store(&store_url(), objects);
    let worker = Worker::from_session_builder(|context: WorkerQueryContext| async move {
        let mut state = context.builder.with_distributed_user_codec(codec()).build();
        // Among several codecs the engine does not ask ours for a function of a name alone.
        state.register_udf(Arc::new(DiceUdf::udf()))?;
        Ok::<_, DataFusionError>(state)
    });
    Ok(worker.with_runtime_env(runtime).with_version(VERSION).into_worker_server())
}
