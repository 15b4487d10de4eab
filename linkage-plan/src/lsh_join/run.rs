//! The search as it runs: sample, bands, certificate.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, UInt32Array};
use arrow::datatypes::SchemaRef;
use datafusion::common::{DataFusionError, exec_datafusion_err};
use datafusion::execution::memory_pool::{MemoryPool, MemoryReservation};
use datafusion::physical_plan::metrics::RecordOutput;
use linkage_core::block::certificate::{RecallCertificate, SampleRequest};
use linkage_core::block::lsh::{
    BandStats, CertifiedSearch, LshDemand, LshError, LshJoin, LshLimits, LshPlan, MAX_BANDS, Stage, Stopped,
};
use linkage_core::dice::{DiceThreshold, Kernel, Match, score};
use tokio::sync::mpsc::Sender;

use super::inputs::Input;
use super::metrics::LshJoinMetrics;
use crate::error::PlanError;
use crate::note::{Note, noted};
use crate::sample;

/// What an LSH join is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LshSettings {
    /// Pairs from this similarity on.
    pub threshold: DiceThreshold,
    /// The recall to be certified, in millionths.
    pub recall_ppm: u32,
    /// What bits and sampled rows are drawn from.
    pub seed: u64,
}

impl LshSettings {
    /// Settings with a recall in (0, 1), which is kept in millionths so that equal settings are equal.
    ///
    /// # Errors
    /// When the recall is none.
    pub fn new(threshold: DiceThreshold, recall: f64, seed: u64) -> Result<Self, PlanError> {
        let recall_ppm = (recall * 1e6).round();
        if !(1.0..1e6).contains(&recall_ppm) {
            return Err(PlanError::Lsh(LshError::Recall { recall }));
        }
        Ok(Self { threshold, recall_ppm: recall_ppm as u32, seed })
    }

    pub(crate) fn recall(&self) -> f64 {
        f64::from(self.recall_ppm) / 1e6
    }
}

impl fmt::Display for LshSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "threshold={}, recall>={}, seed={}", self.threshold, self.recall(), self.seed)
    }
}

/// Some bands of a plan: a piece of a search that can be run by itself, and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BandPart {
    /// Bits per band.
    pub bits: u32,
    /// The first band.
    pub first: u32,
    /// One more than the last band.
    pub end: u32,
}

/// What an LSH join did, and how much of what there was it found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LshReport {
    /// Bits and bands, solved from the data.
    pub plan: LshPlan,
    /// Counts over the bands so far. They are fewer than the plan's when these were enough, and more when they were not.
    pub bands: BandStats,
    /// The recall as measured on the exact sample; of the bands so far. A search that has ended may still not be
    /// [certified](RecallCertificate::certified): what that means is for the caller to say.
    pub certificate: RecallCertificate,
}

impl fmt::Display for LshReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bands searched, {}", self.bands.bands, self.plan.bands(), self.certificate)?;
        match self.bands.capped_blocks {
            0 => Ok(()),
            blocks => write!(
                f,
                "; {blocks} blocks capped: {} pairs not compared, about {:.0} matches lost",
                self.bands.uncompared, self.bands.lost
            ),
        }
    }
}

/// Whether so many more matches may be held.
type Grant<'a> = dyn Fn(usize) -> bool + Sync + 'a;

/// What the search needs beside its inputs.
pub(super) struct Run {
    pub(super) settings: LshSettings,
    pub(super) part: Option<BandPart>,
    pub(super) kernel: Kernel,
    pub(super) threads: usize,
    pub(super) schema: SchemaRef,
    pub(super) batch_size: usize,
    pub(super) memory: MemoryReservation,
    pub(super) pool: Arc<dyn MemoryPool>,
    pub(super) metrics: LshJoinMetrics,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) report: Arc<dyn Fn(LshReport) + Send + Sync>,
    pub(super) out: Sender<Result<RecordBatch, DataFusionError>>,
}

impl Run {
    /// Searches bands on threads of its own until the recall is certified, and hands on each band's pairs.
    pub(super) fn search(self, left: &Input, right: &Input) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.threads).build();
        let done = match pool {
            Ok(pool) => pool.install(|| match self.part {
                Some(part) => self.part(part, left, right),
                None => self.bands(left, right),
            }),
            Err(error) => Err(exec_datafusion_err!("no threads for the LSH join: {error}")),
        };
        if let Err(error) = done {
            // Nobody listens when the stream was dropped, which is also how a search is stopped.
            let _ = self.out.blocking_send(Err(error));
        }
    }

    fn bands(&self, left: &Input, right: &Input) -> Result<(), DataFusionError> {
        let Self { settings, kernel, metrics, stop, .. } = self;
        let stopped = || stop.load(Ordering::Relaxed);
        let recall = settings.recall();
        let demand = LshDemand { threshold: settings.threshold, recall, most_bands: MAX_BANDS, seed: settings.seed };
        let timer = metrics.solve_time.timer();
        let tokens = (&left.tokens, &right.tokens);
        let plan = match LshPlan::solve(tokens.0, tokens.1, &demand, &stopped) {
            Ok(plan) => plan,
            // Nothing to compare has no pairs, and all of them are found. Whoever stopped a search asks for nothing more.
            Err(LshError::Empty | LshError::Stopped(_)) => return Ok(()),
            Err(error) => return Err(PlanError::Lsh(error).into_datafusion()),
        };
        timer.done();
        metrics.bits.set(plan.bits() as usize);

        let timer = metrics.sample_time.timer();
        let request = SampleRequest::for_search(tokens.0, tokens.1, recall, settings.seed);
        let (memory, pool) = (&self.memory, self.pool.as_ref());
        let sample = sample::draw(tokens, settings.threshold, *kernel, request, &stopped, memory, pool)?;
        let Some(sample) = sample else { return Ok(()) };
        metrics.build_bytes.add(sample.bytes());
        timer.done();

        let limits = LshLimits::default();
        let mut search = CertifiedSearch::new(tokens.0, tokens.1, plan, *kernel, limits, sample, recall)
            .map_err(|error| PlanError::Lsh(error).into_datafusion())?;
        self.each_band(left, right, |found, grant, stage| {
            let band = search.next_band(found, &stopped, grant, stage)?;
            if band.is_some() {
                (self.report)(LshReport { plan, bands: search.stats(), certificate: search.certificate() });
            }
            Ok(band)
        })
    }

    /// Searches the bands of a part. Their plan is of the whole search: which pairs are of which band follows from it.
    fn part(&self, part: BandPart, left: &Input, right: &Input) -> Result<(), DataFusionError> {
        let Self { settings, kernel, stop, .. } = self;
        let failed = |error| PlanError::Lsh(error).into_datafusion();
        let (clk_bits, bands) = (left.tokens.words() as u32 * 64, (part.bits, part.end));
        let plan = LshPlan::by_hand(clk_bits, settings.threshold, 0, bands, settings.seed).map_err(failed)?;
        let search = LshJoin::new(&left.tokens, &right.tokens, plan, *kernel, LshLimits::default()).map_err(failed)?;
        let mut search = search.from_band(part.first);
        let stopped = || stop.load(Ordering::Relaxed);
        self.each_band(left, right, |found, grant, stage| search.next_band(found, &stopped, grant, stage))
    }

    /// Searches band after band until there is none, and hands on each band's pairs.
    fn each_band(
        &self,
        left: &Input,
        right: &Input,
        mut next_band: impl FnMut(&mut Vec<Match>, &Grant<'_>, &mut dyn FnMut(Stage)) -> Result<Option<BandStats>, Stopped>,
    ) -> Result<(), DataFusionError> {
        let Self { metrics, memory, .. } = self;
        let held = memory.size();
        let refused = Mutex::new(None);
        let grant = |matches: usize| {
            let granted = memory.try_grow(matches * size_of::<Match>());
            granted.map_err(|error| *refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(error)).is_ok()
        };
        loop {
            let mut found = Vec::new();
            let began = Instant::now();
            let (mut at, mut since) = (None::<Stage>, began);
            let band = next_band(&mut found, &grant, &mut |stage| {
                if let Some(time) = at.replace(stage).and_then(|before| metrics.stage(before)) {
                    time.add_elapsed(since);
                }
                since = Instant::now();
            });
            let band = match band {
                Ok(None) => return Ok(()),
                Err(Stopped) => {
                    return refused.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err);
                }
                Ok(Some(band)) => band,
            };
            metrics.baseline.elapsed_compute().add_elapsed(began);
            metrics.searched(&band);
            memory.try_resize(held + found.capacity() * size_of::<Match>())?;
            if !self.hand_on(&found, left, right)? {
                return Ok(());
            }
            drop(found);
            memory.try_resize(held)?;
            if self.part.is_some() && self.out.blocking_send(Note::Band(band).batch()).is_err() {
                return Ok(());
            }
        }
    }

    /// Sends the pairs on; `false` when nobody wants them any more.
    fn hand_on(&self, found: &[Match], left: &Input, right: &Input) -> Result<bool, DataFusionError> {
        for pairs in found.chunks(self.batch_size.max(1)) {
            let number = |side: &Input, row: u32| side.numbers[row as usize];
            let left_rows = UInt32Array::from_iter_values(pairs.iter().map(|pair| number(left, pair.left)));
            let right_rows = UInt32Array::from_iter_values(pairs.iter().map(|pair| number(right, pair.right)));
            let scores = Float64Array::from_iter_values(pairs.iter().map(|pair| {
                let ones = |side: &Input, row: u32| side.tokens.popcount(row as usize);
                score(pair.intersection, ones(left, pair.left), ones(right, pair.right))
            }));
            let columns: Vec<ArrayRef> = vec![Arc::new(left_rows), Arc::new(right_rows), Arc::new(scores)];
            let batch = match self.part {
                Some(_) => noted(&columns, pairs.len())?,
                None => RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(DataFusionError::from)?,
            };
            if self.out.blocking_send(Ok(batch.record_output(&self.metrics.baseline))).is_err() {
                return Ok(false);
            }
        }
        Ok(!self.stop.load(Ordering::Relaxed))
    }
}
