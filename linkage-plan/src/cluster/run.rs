//! Running work units: one at a time on every worker that answers, and again elsewhere what failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::logical_expr::{JoinType, lit};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionContext;
use datafusion_distributed::{DistributedExec, DistributedMetricsFormat, rewrite_distributed_plan_with_metrics};
use futures::{Stream, StreamExt, stream};
use linkage_core::dice::DiceThreshold;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use url::Url;

use super::ClusterOptions;
use super::publish::Publication;
use super::scan::SharedTable;
use super::session;
use super::units::{Ledger, Unit, units};
use super::workers::Workers;
use crate::dice_join::metrics::{BUILD_BYTES, EARLY_ABORTS, PAIRS_COMPARED, total};
use crate::error::PlanError;
use crate::link;

/// How often a worker is asked whether it is still there: while it works, and while it does not answer.
const PULSE: Duration = Duration::from_secs(1);

/// What workers have reported so far.
#[derive(Debug, Default)]
pub(crate) struct RemoteCounts {
    pub(crate) compared: AtomicU64,
    pub(crate) aborted: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

/// The Dice stage of one link.
pub(super) struct Job {
    pub(super) local: SessionContext,
    pub(super) workers: Arc<Workers>,
    pub(super) options: ClusterOptions,
    pub(super) threshold: DiceThreshold,
    pub(super) left: SharedTable,
    pub(super) right: SharedTable,
    pub(super) counts: Arc<RemoteCounts>,
    /// Keeps the chunks in the store until the last unit is done.
    pub(super) _publication: Publication,
}

/// A unit that was run to its end.
struct Finished {
    unit: Unit,
    batches: Vec<RecordBatch>,
    /// Held until the pairs were handed on.
    _memory: MemoryReservation,
}

/// Why a unit has to be run again, or why that would be useless.
enum Failure {
    Again(String),
    Final(PlanError),
}

impl Job {
    /// The pairs of all units, each unit's all at once when it is done. Dropping the stream stops all workers.
    pub(super) fn run(self) -> impl Stream<Item = Result<RecordBatch, PlanError>> + Send {
        let ledger =
            Arc::new(Ledger::new(units(self.left.chunks.len(), self.right.chunks.len(), self.chunks_per_side())));
        let (done, finished) = mpsc::channel::<Result<Finished, PlanError>>(1);
        let mut lanes = JoinSet::new();
        let job = Arc::new(self);
        let last_live = Arc::new(AtomicU64::new(0));
        let began = Instant::now();
        for url in job.workers.urls() {
            let (job, ledger, done) = (Arc::clone(&job), Arc::clone(&ledger), done.clone());
            let lane = Lane { job, ledger, url: url.clone(), done, began, last_live: Arc::clone(&last_live) };
            lanes.spawn(lane.run());
        }
        drop(done);
        // The lanes are in the stream's state: when it is dropped, they are aborted, and with them what they wait for.
        let state = (finished, lanes, ledger, job);
        stream::try_unfold(state, |(mut finished, lanes, ledger, job)| async move {
            while ledger.left() > 0 {
                let Some(unit) = finished.recv().await else {
                    return Err(PlanError::Execution { message: "all workers were given up".into() });
                };
                let unit = unit?;
                if ledger.commit(unit.unit.number) {
                    let batches = stream::iter(unit.batches.into_iter().map(Ok));
                    return Ok(Some((batches, (finished, lanes, ledger, job))));
                }
            }
            Ok(None)
        })
        .flat_map(|batches| match batches {
            Ok(batches) => batches.left_stream(),
            Err(error) => stream::iter([Err(error)]).right_stream(),
        })
    }

    /// As many chunks as make a unit of the wanted size, but few enough that every worker gets several units.
    fn chunks_per_side(&self) -> usize {
        let wanted = self.options.unit_rows.div_ceil(self.options.chunk_rows()).max(1);
        let enough = (4 * self.workers.urls().len()).max(1) as f64;
        let all = (self.left.chunks.len() * self.right.chunks.len()) as f64;
        wanted.min((all / enough).sqrt().floor().max(1.0) as usize)
    }

    async fn unit(&self, unit: &Unit, url: &Url) -> Result<(Vec<RecordBatch>, MemoryReservation), Failure> {
        let planned = |error: DataFusionError| Failure::Final(error.into());
        let context =
            SessionContext::new_with_state(session::state(&self.local, &self.workers, Some(url)).map_err(planned)?);
        let plan = self.plan(&context, unit).await.map_err(planned)?;
        if !plan.is::<DistributedExec>() {
            return Err(Failure::Final(PlanError::Execution {
                message: "a work unit was not planned for workers".into(),
            }));
        }
        let lost = |error: DataFusionError| Failure::Again(error.strip_backtrace());
        let memory = MemoryConsumer::new("pairs of a work unit").register(&self.local.runtime_env().memory_pool);
        let mut stream = execute_stream(Arc::clone(&plan), context.task_ctx()).map_err(planned)?;
        let mut batches = Vec::new();
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(lost)?;
            memory.try_grow(batch.get_array_memory_size()).map_err(|_| {
                Failure::Final(PlanError::OutOfMemory {
                    message: format!("work unit {} finds more pairs than the memory granted holds", unit.number),
                })
            })?;
            if batch.num_rows() > 0 {
                batches.push(batch);
            }
        }
        self.count(unit, plan).await;
        Ok((batches, memory))
    }

    async fn plan(&self, context: &SessionContext, unit: &Unit) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let side = |table: &SharedTable, chunks: &std::ops::Range<usize>| {
            let chunks = table.chunks[chunks.clone()].to_vec();
            context.read_table(Arc::new(SharedTable { chunks, ..table.clone() }))
        };
        let (left, right) = (side(&self.left, &unit.left)?.alias("l")?, side(&self.right, &unit.right)?.alias("r")?);
        let similar = link::similar(self.threshold);
        let pairs = link::candidates(left.join_on(right, JoinType::Inner, [similar])?)?;
        pairs.with_column("exact", lit(false))?.create_physical_plan().await
    }

    /// Adds up what the worker reports; when it reports nothing, what is known without it.
    async fn count(&self, unit: &Unit, plan: Arc<dyn ExecutionPlan>) {
        let rows = |table: &SharedTable, chunks: &std::ops::Range<usize>| {
            table.chunks[chunks.clone()].iter().map(|chunk| chunk.rows as u64).sum::<u64>()
        };
        let mut counted = [0; 3];
        if let Some(distributed) = plan.downcast_ref::<DistributedExec>() {
            // Metrics come after the rows. A worker that dies in between has done its work all the same.
            let _ = tokio::time::timeout(PULSE, distributed.wait_for_metrics()).await;
        }
        let with_metrics = rewrite_distributed_plan_with_metrics(plan, DistributedMetricsFormat::Aggregated).await;
        if let Ok(plan) = with_metrics {
            let _ = plan.apply(|node| {
                if let Some(metrics) = node.metrics() {
                    for (count, name) in counted.iter_mut().zip([PAIRS_COMPARED, EARLY_ABORTS, BUILD_BYTES]) {
                        *count += total(&metrics, name);
                    }
                }
                Ok(TreeNodeRecursion::Continue)
            });
        }
        let [_, aborted, bytes] = counted;
        let compared = rows(&self.left, &unit.left) * rows(&self.right, &unit.right);
        self.counts.compared.fetch_add(compared, Ordering::Relaxed);
        self.counts.aborted.fetch_add(aborted, Ordering::Relaxed);
        self.counts.bytes.fetch_max(bytes, Ordering::Relaxed);
    }
}

/// What one worker is given, one unit after another.
struct Lane {
    job: Arc<Job>,
    ledger: Arc<Ledger>,
    url: Url,
    done: mpsc::Sender<Result<Finished, PlanError>>,
    began: Instant,
    /// When any worker last answered, in milliseconds after `began`.
    last_live: Arc<AtomicU64>,
}

impl Lane {
    async fn run(self) {
        loop {
            if let Err(problem) = self.job.workers.probe(&self.url).await {
                if self.ledger.left() == 0 || self.nobody_answers(&problem).await {
                    return;
                }
                tokio::time::sleep(PULSE).await;
                continue;
            }
            self.seen();
            let Some(unit) = self.ledger.take().await else { return };
            // It may have waited long for the unit.
            if self.job.workers.probe(&self.url).await.is_err() {
                self.ledger.put_back(Unit { attempts: unit.attempts - 1, ..unit });
                continue;
            }
            self.seen();
            let ran = tokio::select! {
                ran = self.job.unit(&unit, &self.url) => ran,
                problem = self.silence() => Err(Failure::Again(problem)),
            };
            let message = match ran {
                Ok((batches, memory)) => Ok(Finished { unit, batches, _memory: memory }),
                Err(Failure::Final(error)) => Err(error),
                Err(Failure::Again(problem)) if unit.attempts < self.job.options.attempts => {
                    tracing::warn!(unit = unit.number, worker = %self.url, attempt = unit.attempts, problem,
                        "a work unit failed and is run again");
                    self.ledger.put_back(unit);
                    tokio::time::sleep(PULSE / 4).await;
                    continue;
                }
                Err(Failure::Again(problem)) => Err(PlanError::WorkUnit {
                    unit: unit.number,
                    attempts: unit.attempts,
                    worker: self.url.to_string(),
                    problem,
                }),
            };
            if self.done.send(message).await.is_err() {
                return;
            }
        }
    }

    fn seen(&self) {
        self.last_live.store(self.began.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// Whether no worker has answered for so long that the link is given up.
    async fn nobody_answers(&self, problem: &str) -> bool {
        let silent = self.began.elapsed() - Duration::from_millis(self.last_live.load(Ordering::Relaxed));
        if silent < self.job.options.patience {
            return false;
        }
        let error = PlanError::NoWorker {
            workers: self.job.workers.urls().len(),
            seconds: silent.as_secs(),
            problem: format!("{}: {problem}", self.url),
        };
        // Nobody listens any more when another lane has said so already.
        let _ = self.done.send(Err(error)).await;
        true
    }

    /// Ready when the worker no longer answers: it may be frozen, or cut off without a word.
    async fn silence(&self) -> String {
        loop {
            tokio::time::sleep(PULSE).await;
            match self.job.workers.probe(&self.url).await {
                Ok(()) => self.seen(),
                Err(problem) => return problem,
            }
        }
    }
}
