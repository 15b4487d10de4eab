//! A search that goes on until its recall is certified: the one rule by which bands end.

use super::super::certificate::{RecallCertificate, RecallSample, RecallTally};
use super::super::rows::TokenRows;
use super::error::{LshError, Stopped};
use super::join::{BandStats, LshJoin, LshLimits, Stage};
use super::plan::LshPlan;
use crate::dice::{Kernel, Match};

/// How many times the bands of the plan are searched at most.
const MOST_TIMES: u32 = 2;

/// Pairs that are looked up in the sample between two looks at whether to stop.
const OBSERVED_PAIRS: usize = 1 << 20;

/// The rule by which bands end, apart from who searches them, and in which process.
///
/// It ends as soon as the lower end of the certificate's interval has reached the target, and never before; looking after
/// every band does not make a wrong certificate likelier (see [`super::super::certificate`]). When the bands of the plan are
/// through and the target is not shown, it goes on with further bands, up to as many again. It does not when that is useless,
/// because the sample is too small to show the target at all. What capped blocks lost counts against the certificate, whether
/// or not the sample has any of it. What it means that a search ends without a certificate is for
/// the caller to say: [`certificate`](Self::certificate) says that it is so.
#[derive(Debug)]
pub struct BandRule {
    plan: LshPlan,
    tally: RecallTally,
    target: f64,
    most: u32,
    stats: BandStats,
    certificate: RecallCertificate,
}

impl BandRule {
    /// A rule for a recall of at least `target`, shown on a sample of the tables that are searched by this plan.
    pub fn new(plan: LshPlan, sample: RecallSample, target: f64) -> Self {
        // Equal filters agree in every band.
        let tally = RecallTally::new(sample).that_finds_equal();
        let times = if tally.can_certify(target) { MOST_TIMES } else { 1 };
        let (most, certificate) = (plan.with_bands(plan.bands() * times).bands(), tally.certificate(target));
        Self { plan, tally, target, most, stats: BandStats::default(), certificate }
    }

    /// The plan as it was solved. [`stats`](Self::stats) has fewer bands when these were enough, and more when they were not.
    pub fn plan(&self) -> &LshPlan {
        &self.plan
    }

    /// The plan with all bands that may be searched.
    pub fn longest(&self) -> LshPlan {
        self.plan.with_bands(self.most)
    }

    /// Whether another band is to be searched.
    pub fn goes_on(&self) -> bool {
        let (bands, solved) = (self.stats.bands, self.plan.bands());
        let open = bands < self.most && (bands == 0 || !self.certificate.certified());
        open && (bands < solved || self.tally.can_certify(self.target))
    }

    /// Takes note of pairs of the next band.
    pub fn observe(&mut self, found: &[Match]) {
        self.tally.observe(found);
    }

    /// Takes note that the next band is done, whose pairs were all [observed](Self::observe): its counts. Bands come in their order.
    pub fn searched(&mut self, band: &BandStats) {
        self.stats.add(band);
        self.certificate = self.tally.certificate_of(self.target, self.stats.kept, self.stats.lost);
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

/// A search by bands that ends by the [rule](BandRule).
#[derive(Debug)]
pub struct CertifiedSearch<'a> {
    join: LshJoin<'a>,
    rule: BandRule,
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
        let rule = BandRule::new(plan, sample, target);
        Ok(Self { join: LshJoin::new(left, right, rule.longest(), kernel, limits)?, rule })
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
        if !self.rule.goes_on() {
            return Ok(None);
        }
        let from = out.len();
        let band = self.join.next_band(out, stop, grant, stage)?;
        if let Some(band) = &band {
            for found in out[from..].chunks(OBSERVED_PAIRS) {
                if stop() {
                    return Err(Stopped);
                }
                self.rule.observe(found);
            }
            self.rule.searched(band);
        }
        Ok(band)
    }

    /// The plan as it was solved. [`stats`](Self::stats) has fewer bands when these were enough, and more when they were not.
    pub fn plan(&self) -> &LshPlan {
        self.rule.plan()
    }

    /// Counts over the bands so far.
    pub fn stats(&self) -> BandStats {
        self.rule.stats()
    }

    /// The recall of the bands so far.
    pub fn certificate(&self) -> RecallCertificate {
        self.rule.certificate()
    }
}
