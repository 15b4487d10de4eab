//! What the coordinator keeps of both sides while workers search them: the exact sample, and where a row is in it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use datafusion::common::{DataFusionError, Result, exec_datafusion_err, internal_datafusion_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::physical_plan::execute_stream;
use datafusion::physical_plan::metrics::{Count, Gauge, Time};
use datafusion::prelude::{DataFrame, SessionContext};
use linkage_core::block::TokenRows;
use linkage_core::block::certificate::{RecallSample, SampleRequest};
use linkage_core::block::lsh::{LshDemand, LshError, LshPlan, MAX_BANDS};
use linkage_core::dice::{DiceThreshold, Kernel, Match};

use super::gather::Pair;
use crate::error::PlanError;
use crate::layout::ClkLayout;
use crate::lsh_join::{Holding, Input, LshSettings, SideColumns, StopOnDrop, collect_of};
use crate::sample;
use crate::steps::stopped;

/// Both sides, whole, as one process would hold them.
pub(super) struct Held {
    sides: [Input; 2],
    kernel: Kernel,
    threads: usize,
    granted: Granted,
}

/// What was reserved, and of which pool.
struct Granted {
    memory: MemoryReservation,
    pool: Arc<dyn MemoryPool>,
}

impl Granted {
    fn draw(
        &self,
        tokens: (&TokenRows, &TokenRows),
        threshold: DiceThreshold,
        kernel: Kernel,
        request: SampleRequest,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<RecallSample> {
        let drawn = sample::draw(tokens, threshold, kernel, request, stop, &self.memory, self.pool.as_ref())?;
        drawn.ok_or_else(stopped)
    }
}

/// A sample of both sides, of which only the rows' numbers are still held.
pub(super) struct Drawn<T> {
    pub(super) drawn: T,
    /// Rows of the left and the right side.
    pub(super) rows: [u64; 2],
    numbers: [Vec<u32>; 2],
    _memory: MemoryReservation,
}

impl Held {
    /// Reads both sides: their first two columns are the row and the CLK.
    pub(super) async fn read(local: &SessionContext, sides: [DataFrame; 2]) -> Result<Self> {
        let kernel = Kernel::detect().map_err(|error| PlanError::from(error).into_datafusion())?;
        let pool = Arc::clone(&local.runtime_env().memory_pool);
        let memory = MemoryConsumer::new("sample of a link on workers").register(&pool);
        let (rows, bytes, time) = (Count::new(), Gauge::new(), Time::new());
        let holding = Holding {
            what: "a side, of which the coordinator draws a sample,",
            bytes_beside: 0,
            rows: &rows,
            bytes: &bytes,
            time: &time,
        };
        let [left, right] = sides;
        let mut read = Vec::with_capacity(2);
        for side in [left, right] {
            let plan = side.create_physical_plan().await?;
            let layout = ClkLayout::of(plan.schema().field(1))?;
            let columns = SideColumns { row: 0, clk: 1 };
            let rows = execute_stream(Arc::clone(&plan), local.task_ctx())?;
            read.push(collect_of(&plan, rows, columns, layout, &memory, pool.as_ref(), &holding).await?);
        }
        let sides = read.try_into().map_err(|_| internal_datafusion_err!("a link has two sides"))?;
        let threads = local.state().config().target_partitions();
        Ok(Self { sides, kernel, threads, granted: Granted { memory, pool } })
    }

    /// Draws the sample, on threads apart from the runtime's.
    pub(super) async fn sample(self, threshold: DiceThreshold, request: SampleRequest) -> Result<Drawn<RecallSample>> {
        let kernel = self.kernel;
        self.on_threads(move |tokens, held, stop| held.draw(tokens, threshold, kernel, request, stop)).await
    }

    /// Solves the bands and draws their sample; `None` when there is nothing to compare.
    pub(super) async fn solve(self, settings: LshSettings) -> Result<Drawn<Option<(LshPlan, RecallSample)>>> {
        let kernel = self.kernel;
        let work = move |tokens: (&TokenRows, &TokenRows), held: &Granted, stop: &(dyn Fn() -> bool + Sync)| {
            let (threshold, recall, seed) = (settings.threshold, settings.recall(), settings.seed);
            let demand = LshDemand { threshold, recall, most_bands: MAX_BANDS, seed };
            let plan = match LshPlan::solve(tokens.0, tokens.1, &demand, stop) {
                Ok(plan) => plan,
                Err(LshError::Empty) => return Ok(None),
                Err(error) => return Err(PlanError::Lsh(error).into_datafusion()),
            };
            let request = SampleRequest::for_search(tokens.0, tokens.1, recall, seed);
            Ok(Some((plan, held.draw(tokens, threshold, kernel, request, stop)?)))
        };
        self.on_threads(work).await
    }

    async fn on_threads<T: Send + 'static>(
        self,
        work: impl FnOnce((&TokenRows, &TokenRows), &Granted, &(dyn Fn() -> bool + Sync)) -> Result<T> + Send + 'static,
    ) -> Result<Drawn<T>> {
        let stop = StopOnDrop::default();
        let dropped = Arc::clone(&stop.0);
        let drawing = tokio::task::spawn_blocking(move || {
            let Self { sides: [left, right], threads, granted, .. } = self;
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let pool = pool.map_err(|e| exec_datafusion_err!("no threads for the exact sample: {e}"))?;
            let sides_bytes = granted.memory.size();
            let (tokens, stop) = ((&left.tokens, &right.tokens), || dropped.load(Ordering::Relaxed));
            let drawn = pool.install(|| work(tokens, &granted, &stop))?;
            let numbers = [left.numbers, right.numbers];
            let rows = [numbers[0].len() as u64, numbers[1].len() as u64];
            let memory = granted.memory;
            let number_bytes: usize = numbers.iter().map(|side| side.capacity() * size_of::<u32>()).sum();
            memory.try_resize(memory.size() - sides_bytes + number_bytes)?;
            Ok::<_, DataFusionError>(Drawn { drawn, rows, numbers, _memory: memory })
        });
        let drawn = drawing.await.map_err(|e| exec_datafusion_err!("the exact sample was not drawn: {e}"))?;
        drop(stop);
        drawn
    }
}

impl<T> Drawn<Option<T>> {
    /// None when nothing was drawn.
    pub(super) fn transpose(self) -> Option<Drawn<T>> {
        let Self { drawn, rows, numbers, _memory } = self;
        drawn.map(|drawn| Drawn { drawn, rows, numbers, _memory })
    }
}

impl<T> Drawn<T> {
    /// The same with what was made of the sample.
    pub(super) fn map<U>(self, with: impl FnOnce(T) -> U) -> Drawn<U> {
        let Self { drawn, rows, numbers, _memory } = self;
        Drawn { drawn: with(drawn), rows, numbers, _memory }
    }

    /// Pairs of rows as the sample knows them: by their places on either side.
    pub(super) fn places(&self, pairs: &[Pair]) -> Result<Vec<Match>> {
        let place = |side: usize, row: u32| {
            let place = self.numbers[side].binary_search(&row);
            place.map(|place| place as u32).map_err(|_| internal_datafusion_err!("a pair of rows that are not there"))
        };
        let found = pairs.iter().map(|pair| {
            // Whether a pair was found is all that is asked of it, and whether its filters are equal.
            let ones = if pair.score == 1.0 { 2 } else { 3 };
            Ok(Match { left: place(0, pair.left)?, right: place(1, pair.right)?, intersection: 1, ones })
        });
        found.collect()
    }
}
