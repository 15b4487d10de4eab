//! Running work units: one at a time on every worker that answers, and again elsewhere what failed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionContext;
use datafusion_distributed::{DistributedExec, DistributedMetricsFormat, rewrite_distributed_plan_with_metrics};
use futures::{Stream, StreamExt, stream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use url::Url;

use super::ClusterOptions;
use super::publish::Publication;
use super::stage::{Stage, Tables};
use super::units::{Ledger, Unit};
use super::workers::Workers;
use super::{gather, session};
use crate::dice_join::metrics::{BUILD_BYTES, EARLY_ABORTS, PAIRS_COMPARED, total};
use crate::error::PlanError;
use crate::keyed::KeyedReport;
use crate::lsh_join::LshReport;
use crate::note::UnitCounts;

/// How often a worker is asked whether it is still there: while it works, and while it does not answer.
const PULSE: Duration = Duration::from_secs(1);

/// What workers have reported so far.
#[derive(Debug, Default)]
pub(crate) struct RemoteCounts {
    pub(crate) compared: AtomicU64,
    pub(crate) aborted: AtomicU64,
    pub(crate) bytes: AtomicU64,
    /// Units that were taken over, and how often one had failed and was run again.
    pub(crate) units: AtomicU64,
    pub(crate) run_again: AtomicU64,
    found: Mutex<(Option<LshReport>, Option<KeyedReport>)>,
}

impl RemoteCounts {
    /// What bands and blocking keys have found so far.
    pub(crate) fn found(&self) -> (Option<LshReport>, Option<KeyedReport>) {
        *self.lock()
    }

    /// Adds the counts of a unit that was taken over.
    pub(super) fn unit(&self, counts: UnitCounts) {
        self.compared.fetch_add(counts.compared, Ordering::Relaxed);
        self.aborted.fetch_add(counts.aborted, Ordering::Relaxed);
        self.held(counts.bytes);
    }

    /// Takes note of the most bytes that a unit has held.
    pub(super) fn held(&self, bytes: u64) {
        self.bytes.fetch_max(bytes, Ordering::Relaxed);
    }

    pub(super) fn bands(&self, report: LshReport) {
        self.compared.store(report.bands.candidates, Ordering::Relaxed);
        self.aborted.store(report.bands.aborted, Ordering::Relaxed);
        self.lock().0 = Some(report);
    }

    /// Makes the report on blocking keys out of the one so far.
    pub(super) fn keyed(&self, with: impl FnOnce(Option<KeyedReport>) -> KeyedReport) {
        let mut found = self.lock();
        found.1 = Some(with(found.1));
    }

    fn lock(&self) -> MutexGuard<'_, (Option<LshReport>, Option<KeyedReport>)> {
        // Nothing panics while the lock is held.
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The Dice stage of one link.
pub(super) struct Job {
    pub(super) local: SessionContext,
    pub(super) workers: Arc<Workers>,
    pub(super) options: ClusterOptions,
    pub(super) stage: Stage,
    pub(super) tables: Tables,
    pub(super) counts: Arc<RemoteCounts>,
    /// Keeps the chunks in the store until the last unit is done.
    pub(super) _publication: Publication,
}

/// A unit that was run to its end.
pub(super) struct Finished {
    pub(super) unit: Unit,
    pub(super) batches: Vec<RecordBatch>,
    /// Whether there are notes in the batches, of what it has counted.
    pub(super) noted: bool,
    /// To be held until the pairs were handed on.
    pub(super) memory: MemoryReservation,
}

/// Why a unit has to be run again, or why that would be useless.
enum Failure {
    Again(String),
    Final(PlanError),
}

impl Job {
    /// All units, each when it is done, and once. Dropping the stream stops all workers.
    pub(super) fn run(self) -> impl Stream<Item = Result<Finished, PlanError>> + Send {
        let wanted = self.options.unit_rows.div_ceil(self.options.chunk_rows()).max(1);
        let units = self.stage.units(&self.tables, wanted, self.workers.urls().len());
        let ledger = Arc::new(Ledger::new(units, self.workers.urls().len()));
        let (done, finished) = mpsc::channel::<Result<Finished, PlanError>>(1);
        let mut lanes = JoinSet::new();
        let job = Arc::new(self);
        let last_live = Arc::new(AtomicU64::new(0));
        let began = Instant::now();
        for (worker, url) in job.workers.urls().iter().enumerate() {
            let (job, ledger, done) = (Arc::clone(&job), Arc::clone(&ledger), done.clone());
            let lane = Lane { job, ledger, worker, url: url.clone(), done, began, last_live: Arc::clone(&last_live) };
            lanes.spawn(lane.run());
        }
        drop(done);
        // The lanes are in the stream's state: when it is dropped, they are aborted, and with them what they wait for.
        let state = (finished, lanes, ledger, job);
        stream::try_unfold(state, |(mut finished, mut lanes, ledger, job)| async move {
            while ledger.left() > 0 {
                let unit = tokio::select! {
                    biased;
                    unit = finished.recv() => unit,
                    // The unit of a lane that panicked is neither open nor done, and would be waited for without end.
                    Some(Err(_)) = lanes.join_next() => {
                        let message = "the work on a worker broke off in a fault of the program".into();
                        return Err(PlanError::Execution { message });
                    }
                };
                let Some(unit) = unit else {
                    return Err(PlanError::Execution { message: "all workers were given up".into() });
                };
                let unit = unit?;
                if ledger.commit(unit.unit.number) {
                    job.counts.units.fetch_add(1, Ordering::Relaxed);
                    return Ok(Some((unit, (finished, lanes, ledger, job))));
                }
            }
            Ok(None)
        })
    }

    async fn unit(&self, unit: &Unit, url: &Url) -> Result<(Vec<RecordBatch>, MemoryReservation), Failure> {
        let planned = |error: DataFusionError| Failure::Final(error.into());
        let context =
            SessionContext::new_with_state(session::state(&self.local, &self.workers, Some(url)).map_err(planned)?);
        let plan = self.stage.plan(&self.local, &context, &self.tables, unit).await.map_err(planned)?;
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
        if !self.stage.is_noted() {
            self.count(unit, plan).await;
        } else if !gather::is_whole(&batches) {
            return Err(Failure::Again("it ended before it was done".to_owned()));
        }
        Ok((batches, memory))
    }

    /// Adds up what the worker reports; when it reports nothing, what is known without it.
    async fn count(&self, unit: &Unit, plan: Arc<dyn ExecutionPlan>) {
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
        self.counts.unit(UnitCounts { compared: self.tables.pairs(unit), aborted, bytes });
    }
}

/// What one worker is given, one unit after another.
struct Lane {
    job: Arc<Job>,
    ledger: Arc<Ledger>,
    /// The worker's number among all.
    worker: usize,
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
            let live = |worker| self.job.workers.is_live(worker);
            let Some(mut unit) = self.ledger.take(self.worker, live).await else { return };
            // It may have waited long for the unit.
            if self.job.workers.probe(&self.url).await.is_err() {
                self.ledger.put_back(unit);
                continue;
            }
            self.seen();
            let ran = tokio::select! {
                ran = self.job.unit(&unit, &self.url) => ran,
                problem = self.silence() => Err(Failure::Again(problem)),
            };
            let message = match ran {
                Ok((batches, memory)) => Ok(Finished { unit, batches, noted: self.job.stage.is_noted(), memory }),
                Err(Failure::Final(error)) => Err(error),
                Err(Failure::Again(problem)) => {
                    unit.failed.push(self.worker);
                    let attempts = unit.failed.len();
                    if attempts < self.job.options.attempts {
                        tracing::warn!(unit = unit.number, worker = %self.url, attempts, problem,
                            "a work unit failed and is run again");
                        self.job.counts.run_again.fetch_add(1, Ordering::Relaxed);
                        self.ledger.put_back(unit);
                        tokio::time::sleep(PULSE / 4).await;
                        continue;
                    }
                    Err(PlanError::WorkUnit { unit: unit.number, attempts, worker: self.url.to_string(), problem })
                }
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
        let silent = self.began.elapsed().saturating_sub(Duration::from_millis(self.last_live.load(Ordering::Relaxed)));
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
