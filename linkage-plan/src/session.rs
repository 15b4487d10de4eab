//! The session: tables, memory, and the queries over them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::datasource::MemTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::physical_plan::displayable;
use datafusion::prelude::{DataFrame, SQLOptions, SessionConfig, SessionContext};
use linkage_core::dice::Kernel;

#[cfg(feature = "distributed")]
use crate::cluster::Cluster;
#[cfg(feature = "distributed")]
use crate::codec::{self, PlanForm};
use crate::dice_join::{BestPairsRule, DiceJoinRule, LinkQueryPlanner, declined};
use crate::error::PlanError;
use crate::held::HeldMemory;
use crate::link::{self, Choice, LinkOptions, LinkStream, Strategy, choose};
use crate::table::TokenTable;
use crate::udf::DiceUdf;

/// What a session may use.
#[derive(Debug, Clone)]
pub struct PlanOptions {
    /// Most bytes that tables and running plans hold together.
    pub memory_bytes: usize,
    /// Parts that work in parallel: usually the number of cores.
    pub partitions: usize,
}

/// Tables of tokens and the plans that link them.
pub struct LinkSession {
    context: SessionContext,
    partitions: usize,
    /// What each table holds of the memory pool.
    tables: Mutex<HashMap<String, MemoryReservation>>,
    #[cfg(feature = "distributed")]
    cluster: Option<Cluster>,
}

/// A session's state with the rule and the planner of the Dice join.
pub(crate) fn state_builder(config: SessionConfig, runtime: Arc<RuntimeEnv>) -> SessionStateBuilder {
    SessionStateBuilder::new()
        .with_default_features()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_optimizer_rule(Arc::new(DiceJoinRule))
        .with_optimizer_rule(Arc::new(BestPairsRule))
        .with_query_planner(Arc::new(LinkQueryPlanner))
}

impl LinkSession {
    /// A session without tables.
    ///
    /// # Errors
    /// When no kernel can be chosen, because `LINKAGE_KERNEL` names none that runs here.
    pub fn new(options: PlanOptions) -> Result<Self, PlanError> {
        Kernel::detect()?;
        let partitions = options.partitions.max(1);
        let mut config = SessionConfig::new().with_target_partitions(partitions);
        // A hash join would push the smallest and largest exact token of one side into the scan of the other, and
        // EXPLAIN would print them. No token is ever shown.
        config.options_mut().optimizer.enable_dynamic_filter_pushdown = false;
        let runtime = RuntimeEnvBuilder::new().with_memory_limit(options.memory_bytes, 1.0).build_arc()?;
        let context = SessionContext::new_with_state(state_builder(config, runtime).build());
        context.register_udf(DiceUdf::udf());
        Ok(Self {
            context,
            partitions,
            tables: Mutex::default(),
            #[cfg(feature = "distributed")]
            cluster: None,
        })
    }

    /// Lets workers do the Dice stage of every [`link`](Self::link) and [`link_by`](Self::link_by). A cluster without workers
    /// changes nothing.
    #[cfg(feature = "distributed")]
    #[must_use]
    pub fn with_cluster(self, cluster: Cluster) -> Self {
        Self { cluster: Some(cluster).filter(|cluster| cluster.workers() > 0), ..self }
    }

    #[cfg(feature = "distributed")]
    pub(crate) fn context(&self) -> &SessionContext {
        &self.context
    }

    /// Makes a table known by name, in the place of any table that had the name.
    ///
    /// # Errors
    /// When the session's memory does not hold it.
    pub fn register(&self, name: &str, table: TokenTable) -> Result<(), PlanError> {
        let pool = &self.context.runtime_env().memory_pool;
        let memory = MemoryConsumer::new(format!("table {name}")).register(pool);
        if memory.try_grow(table.bytes()).is_err() {
            let hint = "grant the session more memory; linking takes about as much again as its left table";
            return Err(PlanError::memory(pool.as_ref(), "the table", table.rows(), table.bytes(), hint));
        }
        let provider = MemTable::try_new(table.schema(), table.partitions(self.partitions))?;
        self.deregister(name)?;
        self.context.register_table(datafusion::common::TableReference::bare(name), Arc::new(provider))?;
        self.tables.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), memory);
        Ok(())
    }

    /// Forgets a table, if there is one of that name, and gives its memory back.
    ///
    /// # Errors
    /// When DataFusion's catalogue refuses.
    pub fn deregister(&self, name: &str) -> Result<(), PlanError> {
        self.context.deregister_table(datafusion::common::TableReference::bare(name))?;
        self.tables.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        Ok(())
    }

    /// Starts to link two tables: first by equality on exact tokens, then by Dice similarity what that leaves.
    ///
    /// # Errors
    /// When a table or an exact token is unknown, or the tables' CLKs differ in length.
    pub async fn link(&self, left: &str, right: &str, options: &LinkOptions) -> Result<LinkStream, PlanError> {
        #[cfg(feature = "distributed")]
        if let Some(cluster) = &self.cluster {
            return cluster.link(&self.context, left, right, options, Strategy::Exhaustive).await;
        }
        let plan = link::plan(&self.context, left, right, options).await?;
        LinkStream::start(&self.context, plan, options).await
    }

    /// Starts to link two tables as [`link`](Self::link) does, by another [`Strategy`] for the Dice stage.
    ///
    /// # Errors
    /// As `link`; when bands are asked for and a table's CLKs have segments; when the link runs, also when bands cannot reach the recall that is asked for.
    pub async fn link_by(
        &self,
        left: &str,
        right: &str,
        options: &LinkOptions,
        strategy: Strategy,
    ) -> Result<LinkStream, PlanError> {
        #[cfg(feature = "distributed")]
        if let Some(cluster) = &self.cluster {
            return cluster.link(&self.context, left, right, options, strategy).await;
        }
        let choice = choose(&self.context, left, right, options, strategy).await?;
        LinkStream::start(&self.context, choice.plan, options).await
    }

    /// How two tables are linked by a strategy, and why by this one, as text: as [`explain`](Self::explain) does.
    ///
    /// # Errors
    /// As `link_by`; with `analyze` also when the run fails.
    pub async fn explain_by(
        &self,
        left: &str,
        right: &str,
        options: &LinkOptions,
        strategy: Strategy,
        analyze: bool,
    ) -> Result<String, PlanError> {
        #[cfg(feature = "distributed")]
        if let Some(cluster) = &self.cluster {
            return cluster.explain(&self.context, (left, right), options, strategy, analyze).await;
        }
        let Choice { plan, why } = choose(&self.context, left, right, options, strategy).await?;
        let stream = LinkStream::start(&self.context, plan, options).await?;
        link::explain(stream, (left, right), options, &why, analyze).await
    }

    /// How two tables are linked, as text: both stages and DataFusion's physical plan; on workers, what is done here and what a
    /// work unit runs.
    ///
    /// With `analyze` the plan is run, its pairs are counted and dropped, and the text has the counts and every
    /// operator's metrics.
    ///
    /// # Errors
    /// As [`link`](Self::link); with `analyze` also when the run fails.
    pub async fn explain(
        &self,
        left: &str,
        right: &str,
        options: &LinkOptions,
        analyze: bool,
    ) -> Result<String, PlanError> {
        #[cfg(feature = "distributed")]
        if let Some(cluster) = &self.cluster {
            return cluster.explain(&self.context, (left, right), options, Strategy::Exhaustive, analyze).await;
        }
        let plan = link::plan(&self.context, left, right, options).await?;
        let stream = LinkStream::start(&self.context, plan, options).await?;
        link::explain(stream, (left, right), options, link::ALL_PAIRS, analyze).await
    }

    /// Runs a query and returns its rows. `dice(a, b)` is a function; only queries are allowed.
    ///
    /// # Errors
    /// When the query cannot be planned, is no query, or fails.
    pub async fn sql(&self, query: &str) -> Result<Vec<RecordBatch>, PlanError> {
        Ok(self.query(query).await?.collect().await?)
    }

    /// The physical plan of a query as text, and why joins on `dice()` in it are not planned as Dice joins.
    ///
    /// # Errors
    /// When the query cannot be planned, or is no query.
    pub async fn explain_sql(&self, query: &str) -> Result<String, PlanError> {
        let frame = self.query(query).await?;
        let (state, plan) = frame.into_parts();
        let optimised = state.optimize(&plan)?;
        let physical = state.query_planner().create_physical_plan(&optimised, &state).await?;
        let mut text = displayable(physical.as_ref()).indent(false).to_string();
        for reason in declined(&optimised)? {
            text.push_str(&format!("no Dice join: {reason}\n"));
        }
        Ok(text)
    }

    /// The optimised plan of a query as bytes, for [`run_plan`](Self::run_plan) here or in another session.
    ///
    /// # Errors
    /// When the query cannot be planned, is no query, or its plan cannot be written.
    #[cfg(feature = "distributed")]
    pub async fn plan_to_bytes(&self, query: &str, form: PlanForm) -> Result<Vec<u8>, PlanError> {
        codec::to_bytes(self.query(query).await?, &self.context, form).await
    }

    /// The optimised plan of a link by a strategy as bytes: its rows are left row, right row, score, and whether an exact
    /// token agrees.
    ///
    /// # Errors
    /// As [`link_by`](Self::link_by), and when the plan cannot be written.
    #[cfg(feature = "distributed")]
    pub async fn link_to_bytes(
        &self,
        left: &str,
        right: &str,
        options: &LinkOptions,
        strategy: Strategy,
        form: PlanForm,
    ) -> Result<Vec<u8>, PlanError> {
        let Choice { plan, .. } = choose(&self.context, left, right, options, strategy).await?;
        codec::to_bytes(DataFrame::new(self.context.state(), plan), &self.context, form).await
    }

    /// Runs a plan that [`plan_to_bytes`](Self::plan_to_bytes) has written, and returns its rows.
    ///
    /// # Errors
    /// When the bytes are no plan, the plan reads tables that this session does not have, or it fails.
    #[cfg(feature = "distributed")]
    pub async fn run_plan(&self, plan: &[u8]) -> Result<Vec<RecordBatch>, PlanError> {
        codec::run(&self.context, plan).await
    }

    /// Memory of the session for something that its caller holds, such as the pairs that were handed on; errors call it `what`.
    pub fn hold(&self, what: &'static str) -> HeldMemory {
        HeldMemory::new(&self.context.runtime_env().memory_pool, what)
    }

    /// The most memory that tables and plans hold at this moment, and what is [held](Self::hold) beside them.
    pub fn reserved_bytes(&self) -> usize {
        self.context.runtime_env().memory_pool.reserved()
    }

    async fn query(&self, query: &str) -> Result<DataFrame, DataFusionError> {
        let only_queries = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        self.context.sql_with_options(query, only_queries).await
    }
}

impl std::fmt::Debug for LinkSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkSession").field("partitions", &self.partitions).finish_non_exhaustive()
    }
}
