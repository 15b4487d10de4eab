//! What a link has done so far.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use datafusion::physical_plan::ExecutionPlan;
use linkage_core::dice::DiceThreshold;

#[cfg(feature = "distributed")]
use crate::cluster::RemoteCounts;
use crate::dice_join::DiceJoinExec;
use crate::dice_join::metrics::{BUILD_BYTES, EARLY_ABORTS, PAIRS_COMPARED, total};
use crate::keyed::{KeyedJoinExec, KeyedReport};
use crate::lsh_join::{CANDIDATES, LshJoinExec, LshReport};

/// Counts of a link, while it runs or when it is done.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LinkReport {
    /// Pairs handed on that agree in an exact token.
    pub exact_pairs: u64,
    /// Pairs handed on that the Dice stage found.
    pub dice_pairs: u64,
    /// Pairs that the Dice stage compared.
    pub compared: u64,
    /// Of these, the pairs given up early, because what was left could not lift them to the threshold.
    pub aborted: u64,
    /// Bytes that the Dice stage reserved for its left side.
    pub bytes: u64,
    /// Work units that workers have done; 0 when the link runs in one process.
    pub work_units: u64,
    /// How often a work unit had failed, or its worker gone, and was run again.
    pub work_units_run_again: u64,
    /// Time since the start, or until the end.
    pub elapsed: Duration,
    /// With bands: what they did, and the recall that was measured in the same run.
    pub lsh: Option<LshReport>,
    /// With blocking keys: candidates, reduction ratio, and the pair completeness that was measured in the same run.
    pub keyed: Option<KeyedReport>,
    /// Conflicts of the stages: pairs handed on that agree in an exact token although their similarity is below the
    /// threshold.
    pub exact_below_threshold: u64,
    /// Conflicts of the stages the other way round: pairs handed on that agree in an exact token although one of their records
    /// is more similar, at or above the threshold, to a record with which it agrees in none. Counted when
    /// [`LinkOptions::rivals`](crate::LinkOptions) asks for it, and known when the link is done.
    pub exact_with_rival: Option<u64>,
}

/// Reads a link's counts while another task runs it. Cheap to clone.
#[derive(Clone)]
pub struct LinkProgress {
    /// None when the whole link runs elsewhere.
    plan: Option<Arc<dyn ExecutionPlan>>,
    counts: Arc<Counts>,
    #[cfg(feature = "distributed")]
    remote: Option<Arc<RemoteCounts>>,
}

pub(super) struct Counts {
    pub(super) exact: AtomicU64,
    pub(super) dice: AtomicU64,
    pub(super) exact_below: AtomicU64,
    pub(super) exact_with_rival: OnceLock<u64>,
    pub(super) threshold: DiceThreshold,
    began: Instant,
    took: OnceLock<Duration>,
}

impl Counts {
    fn start(threshold: DiceThreshold) -> Self {
        Self {
            exact: AtomicU64::new(0),
            dice: AtomicU64::new(0),
            exact_below: AtomicU64::new(0),
            exact_with_rival: OnceLock::new(),
            threshold,
            began: Instant::now(),
            took: OnceLock::new(),
        }
    }
}

impl LinkProgress {
    pub(super) fn start(plan: Arc<dyn ExecutionPlan>, threshold: DiceThreshold) -> Self {
        Self {
            plan: Some(plan),
            counts: Arc::new(Counts::start(threshold)),
            #[cfg(feature = "distributed")]
            remote: None,
        }
    }

    /// Progress of a link whose Dice stage runs on workers; `plan` is what runs here.
    #[cfg(feature = "distributed")]
    pub(crate) fn start_remote(
        plan: Option<Arc<dyn ExecutionPlan>>,
        threshold: DiceThreshold,
        remote: Arc<RemoteCounts>,
    ) -> Self {
        Self { plan, counts: Arc::new(Counts::start(threshold)), remote: Some(remote) }
    }

    /// The counts at this moment.
    pub fn report(&self) -> LinkReport {
        let mut report = LinkReport {
            exact_pairs: self.counts.exact.load(Ordering::Relaxed),
            dice_pairs: self.counts.dice.load(Ordering::Relaxed),
            exact_with_rival: self.counts.exact_with_rival.get().copied(),
            exact_below_threshold: self.counts.exact_below.load(Ordering::Relaxed),
            elapsed: self.counts.took.get().copied().unwrap_or_else(|| self.counts.began.elapsed()),
            ..LinkReport::default()
        };
        if let Some(plan) = &self.plan {
            add_dice_joins(plan, &mut report);
        }
        #[cfg(feature = "distributed")]
        if let Some(remote) = &self.remote {
            report.compared += remote.compared.load(Ordering::Relaxed);
            report.aborted += remote.aborted.load(Ordering::Relaxed);
            report.bytes += remote.bytes.load(Ordering::Relaxed);
            report.work_units = remote.units.load(Ordering::Relaxed);
            report.work_units_run_again = remote.run_again.load(Ordering::Relaxed);
            (report.lsh, report.keyed) = remote.found();
        }
        report
    }

    pub(super) fn plan(&self) -> Option<&dyn ExecutionPlan> {
        self.plan.as_deref()
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(super) fn finish(&self) {
        self.counts.took.get_or_init(|| self.counts.began.elapsed());
    }
}

impl std::fmt::Debug for LinkProgress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LinkProgress").field(&self.report()).finish()
    }
}

fn add_dice_joins(plan: &Arc<dyn ExecutionPlan>, report: &mut LinkReport) {
    if plan.is::<DiceJoinExec>()
        && let Some(metrics) = plan.metrics()
    {
        report.compared += total(&metrics, PAIRS_COMPARED);
        report.aborted += total(&metrics, EARLY_ABORTS);
        report.bytes += total(&metrics, BUILD_BYTES);
    }
    if let Some(join) = plan.downcast_ref::<LshJoinExec>()
        && let Some(metrics) = plan.metrics()
    {
        report.lsh = join.report();
        report.compared += total(&metrics, CANDIDATES);
        report.aborted += total(&metrics, EARLY_ABORTS);
        report.bytes += total(&metrics, BUILD_BYTES);
    }
    if let Some(join) = plan.downcast_ref::<KeyedJoinExec>()
        && let Some(metrics) = plan.metrics()
    {
        report.keyed = join.report();
        report.compared += total(&metrics, CANDIDATES);
        report.bytes += total(&metrics, BUILD_BYTES);
    }
    for child in plan.children() {
        add_dice_joins(child, report);
    }
}
