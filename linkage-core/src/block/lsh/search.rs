//! A search that goes on until its recall is certified: the one rule by which bands end.

use super::super::certificate::{RecallCertificate, RecallSample, RecallTally};
use super::super::rows::TokenRows;
use super::error::{LshError, Stopped};
use super::join::{BandStats, LshJoin, LshLimits, Stage};
use super::plan::LshPlan;
use crate::dice::{Kernel, Match};

/// How many times the bands of the plan are searched at most.
const MOST_TIMES: u32 = 2;

/// A search by bands and the certificate of its recall.
///
/// It ends as soon as the lower end of the certificate's interval has reached the target, and never before; looking after
/// every band does not make a wrong certificate likelier (see [`super::super::certificate`]). When the bands of the plan are
/// through and the target is not shown, it goes on with further bands, up to as many again. It does not when that is useless,
/// because the sample is too small to show the target at all. What capped blocks lost counts against the certificate, whether
/// or not the sample has any of it. What it means that a search ends without a certificate is for
/// the caller to say: [`certificate`](Self::certificate) says that it is so.
pub struct CertifiedSearch<'a> {
    join: LshJoin<'a>,
    plan: LshPlan,
    tally: RecallTally,
    target: f64,
    stats: BandStats,
    certificate: RecallCertificate,
}

impl<'a> CertifiedSearch<'a> {
    /// A search of `left` × `right` by this plan, for a recall of at least `target`, shown on a sample of the same tables.
    ///
    /// # Errors
    /// When the tables' CLKs have another length than the plan's.
    ///
    /// # Panics
    /// When a table has more than 2³² rows.
    pub fn new(
        left: &'a TokenRows,
        right: &'a TokenRows,
        plan: LshPlan,
        kernel: Kernel,
        limits: LshLimits,
        sample: RecallSample,
        target: f64,
    ) -> Result<Self, LshError> {
        let tally = RecallTally::new(sample);
        let most = if tally.can_certify(target) { plan.bands() * MOST_TIMES } else { plan.bands() };
        let join = LshJoin::new(left, right, plan.with_bands(most), kernel, limits)?;
        let certificate = tally.certificate(target);
        Ok(Self { join, plan, tally, target, stats: BandStats::default(), certificate })
    }

    /// Searches the next band and appends its pairs to `out`; `None` when the search has ended.
    ///
    /// `stop`, `grant` and `stage` are those of [`LshJoin::next_band`].
    ///
    /// # Errors
    /// When `stop` says yes or `grant` says no. The search is then of no further use.
    pub fn next_band(
        &mut self,
        out: &mut Vec<Match>,
        stop: &(dyn Fn() -> bool + Sync),
        grant: &(dyn Fn(usize) -> bool + Sync),
        stage: &mut dyn FnMut(Stage),
    ) -> Result<Option<BandStats>, Stopped> {
        if self.stats.bands > 0 && self.certificate.certified() {
            return Ok(None);
        }
        let from = out.len();
        let band = self.join.next_band(out, stop, grant, stage)?;
        if let Some(band) = &band {
            self.stats.add(band);
            self.tally.observe(&out[from..]);
            self.certificate = self.tally.certificate_of(self.target, self.stats.kept, self.stats.lost);
        }
        Ok(band)
    }

    /// The plan as it was solved. [`stats`](Self::stats) has fewer bands when these were enough, and more when they were not.
    pub fn plan(&self) -> &LshPlan {
        &self.plan
    }

    /// Counts over the bands so far.
    pub fn stats(&self) -> BandStats {
        self.stats
    }

    /// The recall of the bands so far.
    pub fn certificate(&self) -> RecallCertificate {
        self.certificate
    }
}

impl std::fmt::Debug for CertifiedSearch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertifiedSearch")
            .field("join", &self.join)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}
