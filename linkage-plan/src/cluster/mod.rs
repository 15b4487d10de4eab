//! Outgrowing one machine: the Dice stage of a link on workers.
//!
//! A [`Cluster`] is a list of workers and an object store that they and the coordinator see. The exact stage, which is
//! linear, stays with the coordinator. What it leaves of both tables is written to the store in sealed chunks, and the
//! Dice stage is cut into work units: for all pairs, some chunks of the left table against some of the right one; for
//! blocking keys, some chunks of the left table against the whole right one; for bands, some bands of both tables. A unit
//! is a plan, which `datafusion-distributed` sends to one worker and streams back from it.
//!
//! A pair is of one unit whichever it is: which chunks its rows are in, and the first key or band in which it agrees, is a
//! question to the pair alone. So units say nothing to each other. What is not a matter of one unit, the best pairs of a row,
//! the certificate of recall and the end of the bands, the coordinator makes of them as they come; the result is that of one
//! process, pair by pair and count by count.
//!
//! That engine has no retry: a lost worker is an error of the plan. So a unit's pairs are taken over all at once when the
//! unit is done, and a unit that failed is run again, elsewhere if there is an elsewhere. Nothing is lost and nothing
//! comes twice, whenever a worker goes. Dropping the link's stream stops all workers.
//!
//! Workers connect to nobody: a unit stays on one worker. Only [`ClusterSession`] runs plans whose parts lie on several.

mod codec;
mod gather;
mod objects;
mod publish;
mod run;
mod sample;
mod scan;
mod session;
mod stage;
mod unit_exec;
mod units;
mod worker;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{DataFusionError, plan_datafusion_err};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{displayable, execute_stream};
use datafusion::prelude::{DataFrame, SessionContext};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use linkage_core::block::certificate::RecallTally;
use linkage_core::block::lsh::BandRule;
use object_store::ObjectStore;
use url::Url;

pub use worker::worker_service;
pub use workers::Connect;

use crate::error::PlanError;
use crate::keyed::{KeyedSettings, sample_request};
use crate::link::{self, LinkOptions, LinkProgress, LinkStream, Strategy};
use crate::session::LinkSession;
use crate::table::TokenTable;
use gather::{Best, Gather, Search};
use publish::Publication;
use run::Job;
pub(crate) use run::RemoteCounts;
use sample::Held;
use scan::store_url;
use stage::{Stage, Tables};
use workers::Workers;

/// What a worker must say it runs. Plans are not read across versions.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How work is dealt out.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// Most rows of either table in a work unit that compares all pairs. What one worker holds and, when it is lost, what is
    /// done again. Units of bands and of blocking keys are as many as keep the workers busy.
    pub unit_rows: usize,
    /// How often a unit is tried before the link fails.
    pub attempts: usize,
    /// How long no worker at all may answer before the link fails.
    pub patience: Duration,
}

impl Default for ClusterOptions {
    /// Units of 262,144 rows a side, which take a core about half a minute; three attempts; half a minute's patience.
    fn default() -> Self {
        Self { unit_rows: 262_144, attempts: 3, patience: Duration::from_secs(30) }
    }
}

impl ClusterOptions {
    /// Rows of one object in the store: small enough that the parts of a unit get their share.
    fn chunk_rows(&self) -> usize {
        (self.unit_rows / 8).clamp(1, 16_384)
    }
}

/// What a link on workers is made of.
struct Parts {
    /// The exact stage, which is the coordinator's.
    exact: Option<DataFrame>,
    /// Both sides of each stage that is cut into work units, one after the other.
    stages: Vec<([DataFrame; 2], Stage)>,
}

/// Workers, and the store through which they get their rows.
#[derive(Clone)]
pub struct Cluster {
    workers: Arc<Workers>,
    objects: Arc<dyn ObjectStore>,
    options: ClusterOptions,
}

impl Cluster {
    /// A cluster of workers by URL, such as `https://worker-1:7444`. Nothing is connected yet.
    ///
    /// # Errors
    /// When a URL is none.
    pub fn new(
        workers: &[String],
        connect: impl Connect,
        objects: Arc<dyn ObjectStore>,
        options: ClusterOptions,
    ) -> Result<Self, PlanError> {
        let urls = workers.iter().map(|worker| {
            Url::parse(worker).map_err(|error| plan_datafusion_err!("the worker `{worker}` is no URL: {error}"))
        });
        let urls = urls.collect::<Result<Vec<_>, DataFusionError>>()?;
        Ok(Self { workers: Arc::new(Workers::new(urls, Box::new(connect))), objects, options })
    }

    /// Workers listed, whether they answer or not.
    pub fn workers(&self) -> usize {
        self.workers.urls().len()
    }

    /// Asks every worker whether it is there, and returns what is wrong with those that cannot be used.
    pub async fn probe(&self) -> Vec<String> {
        self.workers.probe_all().await.into_iter().map(|(url, problem)| format!("{url}: {problem}")).collect()
    }

    /// Links two tables of a session: the exact stage here, the Dice stage on the workers.
    pub(crate) async fn link(
        &self,
        local: &SessionContext,
        left: &str,
        right: &str,
        options: &LinkOptions,
        strategy: Strategy,
    ) -> Result<LinkStream, PlanError> {
        local.runtime_env().register_object_store(&store_url(), Arc::clone(&self.objects));
        let (strategy, _) = link::settle(local, left, right, options.threshold, strategy).await?;
        let Parts { exact, stages } = self.parts(local, left, right, options, strategy).await?;
        let exact = match exact {
            Some(exact) => Some(exact.create_physical_plan().await?),
            None => None,
        };
        let counts = Arc::new(RemoteCounts::default());
        let progress = LinkProgress::start_remote(exact.clone(), options.threshold, Arc::clone(&counts));
        let exact = match exact {
            Some(plan) => execute_stream(plan, local.task_ctx())?.left_stream(),
            None => stream::empty().right_stream(),
        };
        let fields = vec![
            Field::new("left_row", DataType::UInt32, false),
            Field::new("right_row", DataType::UInt32, false),
            Field::new("score", DataType::Float64, true),
            Field::new("exact", DataType::Boolean, true),
        ];
        let schema = Arc::new(Schema::new(fields));
        let (cluster, session, pairs) = (self.clone(), local.clone(), Arc::clone(&schema));
        let similar = stream::iter(stages).then(move |(sides, stage)| {
            cluster.clone().similar(session.clone(), sides, stage, Arc::clone(&counts), Arc::clone(&pairs))
        });
        let batches = Box::pin(RecordBatchStreamAdapter::new(schema, exact.chain(similar.try_flatten())));
        Ok(LinkStream::new(local, batches, progress, options))
    }

    /// What a link does here, and in which stages the workers do the rest.
    async fn parts(
        &self,
        local: &SessionContext,
        left: &str,
        right: &str,
        options: &LinkOptions,
        strategy: Strategy,
    ) -> Result<Parts, PlanError> {
        let stages = link::stages(local, left, right, options).await?;
        let threshold = options.threshold;
        let stage = match strategy {
            Strategy::Lsh { recall, seed } => {
                let settings = link::lsh_settings((left, right), &stages.left, threshold, recall, seed)?;
                Stage::Bands { settings, plan: None, best: options.top_k }
            }
            Strategy::Keyed { keys, seed } => {
                let columns = link::key_columns((left, right), (&stages.left, &stages.right), &keys)?;
                let settings = KeyedSettings { threshold, seed, sampled: false };
                Stage::Keyed { settings, columns, best: options.top_k }
            }
            Strategy::Exhaustive | Strategy::Auto { .. } => Stage::AllPairs { threshold, best: options.top_k },
        };
        let rivals = || Stage::Rivals { options: options.clone(), columns: link::exact_columns(options) };
        let rivals = stages.rivals.into_iter().flatten().map(|sides| (sides, rivals()));
        let stages_of = std::iter::once(([stages.left, stages.right], stage)).chain(rivals).collect();
        Ok(Parts { exact: stages.exact, stages: stages_of })
    }

    /// How two tables are linked on the workers, as text.
    pub(crate) async fn explain(
        &self,
        local: &SessionContext,
        (left, right): (&str, &str),
        options: &LinkOptions,
        strategy: Strategy,
        analyze: bool,
    ) -> Result<String, PlanError> {
        let (strategy, why) = link::settle(local, left, right, options.threshold, strategy).await?;
        let Parts { stages, .. } = self.parts(local, left, right, options, strategy.clone()).await?;
        let mut text = format!(
            "Dice stage: in work units, on {} workers, of the rows that the exact stage did not match\nstrategy: {why}",
            self.workers()
        );
        for (sides, stage) in stages {
            let plan = stage.preview(local, sides).await?;
            let plan = displayable(plan.as_ref()).indent(false).to_string();
            text += &format!(
                "\n{} runs:\n  {}",
                stage.unit_name(self.options.unit_rows),
                plan.trim_end().replace('\n', "\n  ")
            );
        }
        text += "\nOn this machine:";
        let stream = self.link(local, left, right, options, strategy).await?;
        link::explain(stream, (left, right), options, &text, analyze).await
    }

    /// Publishes both sides, draws what is drawn of them, and runs the units.
    async fn similar(
        self,
        local: SessionContext,
        [left, right]: [DataFrame; 2],
        mut stage: Stage,
        counts: Arc<RemoteCounts>,
        schema: SchemaRef,
    ) -> Result<impl Stream<Item = Result<RecordBatch, DataFusionError>> + Send, DataFusionError> {
        let mut publication = Publication::new(Arc::clone(&self.objects))?;
        let chunk_rows = self.options.chunk_rows();
        let sides = [link::rows_with(left, "l", stage.columns())?, link::rows_with(right, "r", stage.columns())?];
        let [left, right] = sides.clone();
        let left = publication.table(left.execute_stream().await?, chunk_rows).await?;
        let right = publication.table(right.execute_stream().await?, chunk_rows).await?;
        let search = match &mut stage {
            Stage::AllPairs { .. } | Stage::Rivals { .. } => Search::AllPairs,
            Stage::Keyed { settings, .. } => {
                let request = sample_request(KeyedSettings { sampled: true, ..*settings });
                let drawn = Held::read(&local, sides).await?.sample(settings.threshold, request).await?;
                Search::Keyed(Box::new(drawn.map(RecallTally::new)))
            }
            Stage::Bands { settings, plan, .. } => {
                let drawn = Held::read(&local, sides).await?.solve(*settings).await?;
                let rule = drawn
                    .transpose()
                    .map(|drawn| drawn.map(|(solved, sample)| BandRule::new(solved, sample, settings.recall())));
                *plan = rule.as_ref().map(|rule| rule.drawn.longest());
                Search::bands(rule)
            }
        };
        let best = stage.best().map(|pairs| {
            let pool = &local.runtime_env().memory_pool;
            Best::new(pairs, MemoryConsumer::new("best pairs of work units").register(pool))
        });
        let gather = Gather { schema, counts: Arc::clone(&counts), search, best };
        let (workers, options, tables) = (self.workers, self.options, Tables { left, right });
        let job = Job { local, workers, options, stage, tables, counts, _publication: publication };
        let state = Some((Box::pin(job.run()), gather));
        let taken = stream::try_unfold(state, |state| async move {
            let Some((mut units, mut gather)) = state else { return Ok(None) };
            let unit = if gather.done() { None } else { units.next().await };
            // What is dropped here stops the workers, who may be searching what is not wanted any more.
            let ((batches, memory), state) = match unit {
                Some(unit) => (gather.take(unit.map_err(PlanError::into_datafusion)?)?, Some((units, gather))),
                None => ((gather.rest()?, Vec::new()), None),
            };
            let batches = batches.into_iter().map(move |batch| {
                // With the last of them it goes.
                let _held = &memory;
                Ok(batch)
            });
            Ok::<_, DataFusionError>(Some((stream::iter(batches), state)))
        });
        Ok(taken.try_flatten())
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("workers", &self.workers.urls()).field("options", &self.options).finish()
    }
}

/// Queries over tables in the object store, spread over all workers of a cluster.
///
/// Workers of such a query read one another's rows, so they must be able to reach one another; a link needs no such
/// thing. There is no retry: a worker that is lost fails the query.
pub struct ClusterSession {
    cluster: Cluster,
    context: SessionContext,
    publication: tokio::sync::Mutex<Publication>,
}

impl ClusterSession {
    /// A session over the workers that answer now, with the memory of `local`.
    ///
    /// # Errors
    /// When the session cannot be made.
    pub async fn new(cluster: &Cluster, local: &LinkSession) -> Result<Self, PlanError> {
        cluster.probe().await;
        let local = local.context();
        local.runtime_env().register_object_store(&store_url(), Arc::clone(&cluster.objects));
        let context = SessionContext::new_with_state(session::state(local, &cluster.workers, None)?);
        context.register_udf(crate::udf::DiceUdf::udf());
        let publication = tokio::sync::Mutex::new(Publication::new(Arc::clone(&cluster.objects))?);
        Ok(Self { cluster: cluster.clone(), context, publication })
    }

    /// Writes a table to the object store and makes it known by name.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn register(&self, name: &str, table: &TokenTable) -> Result<(), PlanError> {
        let rows = stream::iter(table.partitions(1).into_iter().flatten().map(Ok));
        let rows = Box::pin(RecordBatchStreamAdapter::new(table.schema(), rows));
        let shared = self.publication.lock().await.table(rows, self.cluster.options.chunk_rows()).await?;
        self.context.register_table(datafusion::common::TableReference::bare(name), Arc::new(shared))?;
        Ok(())
    }

    /// Runs a query and returns its rows.
    ///
    /// # Errors
    /// When the query cannot be planned, fails, or a worker is lost.
    pub async fn sql(&self, query: &str) -> Result<Vec<RecordBatch>, PlanError> {
        Ok(self.context.sql(query).await?.collect().await?)
    }

    /// The plan of a query as text, with its parts.
    ///
    /// # Errors
    /// When the query cannot be planned.
    pub async fn explain_sql(&self, query: &str) -> Result<String, PlanError> {
        let plan = self.context.sql(query).await?.create_physical_plan().await?;
        Ok(displayable(plan.as_ref()).indent(false).to_string())
    }
}

impl std::fmt::Debug for ClusterSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterSession").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}
