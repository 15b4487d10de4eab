//! The linking itself: token files → tables → candidates → clusters.

use std::sync::Arc;
use std::time::{Duration, Instant};

use linkage_core::cluster::Cluster;
use linkage_core::dice::DiceThreshold;
use linkage_core::types::RecordRef;
use linkage_plan::{LinkOptions, LinkSession, PlanOptions, Strategy, TokenTable};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::candidates;
use super::found::Found;
use super::learnt::Learner;
use super::tokens::{Refs, load};
use crate::config::{Candidates, MatchRule, Uncertified};
use crate::error::LinkError;
use crate::store::{Conflicts, PairRecord, RunRecord, RunState, Submission};
use crate::unit::Unit;

/// How often progress is told while no pair of records comes out.
const TICK: Duration = Duration::from_millis(200);

/// What a run found.
pub(super) struct Linked {
    /// What was executed.
    pub pairs: Vec<PairRecord>,
    /// By cluster, the position of the database and the record ref of each member.
    pub clusters: Vec<Vec<(u16, RecordRef)>>,
    /// What was learnt, as text.
    pub findings: Option<String>,
}

/// Links every pair of the submissions' databases. Work on other threads, which goes on for a moment when a run is ended
/// from outside, holds on to the `turn` until it is over.
pub(super) async fn link(
    unit: &Arc<Unit>,
    submissions: &[Submission],
    progress: &watch::Sender<RunRecord>,
    turn: &Arc<OwnedSemaphorePermit>,
) -> Result<Linked, LinkError> {
    let started = Instant::now();
    progress.send_modify(|run| run.state = RunState::Running);
    let record = progress.borrow().clone();
    unit.store().update_run(&record).await?;

    let limits = &unit.config().limits;
    let memory_bytes = limits.memory_mib << 20;
    let partitions = match limits.partitions {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        partitions => partitions,
    };
    let needed_mib = submissions.iter().map(|submission| submission.file_bytes.div_ceil(1 << 20)).sum();
    if needed_mib > limits.memory_mib as u64 {
        return Err(LinkError::TooLarge { needed_mib, limit_mib: limits.memory_mib as u64 });
    }
    let session = LinkSession::new(PlanOptions { memory_bytes, partitions })?;
    #[cfg(feature = "distributed")]
    let session = session.with_cluster(unit.cluster().clone());
    let rule = MatchRule::parse(&record.threshold).ok_or(LinkError::Internal)?;
    let mut refs = Vec::with_capacity(submissions.len());
    let mut exact_tokens = Vec::new();
    let mut layout = None;
    let mut learner = (rule == MatchRule::Learnt).then(|| Learner::new(&session));
    // A file that is read counts until its table does.
    let reading = session.hold("a token file");
    for submission in submissions {
        reading.grow(submission.file_bytes as usize, submission.records as usize)?;
        let mut tokens = load(unit, submission, turn).await?;
        let of_these = tokens.layout();
        if of_these.is_some() && *layout.get_or_insert(of_these) != of_these {
            return Err(LinkError::OtherLayout { database: submission.database.clone() });
        }
        if record.candidates == Candidates::Keyed && !tokens.blocking_keys {
            return Err(LinkError::NoBlockingKeys { database: submission.database.clone() });
        }
        if let Some(learns) = learner.take() {
            let deduplicated = submission.deduplicated;
            let added = on_threads(turn, move || Ok::<_, LinkError>((learns.add(&tokens, deduplicated)?, tokens)));
            let (learns, same) = added.await??;
            (learner, tokens) = (Some(learns), same);
        }
        reading.free();
        session.register(
            submission.database.as_str(),
            TokenTable::try_new(tokens.batches)?.with_segments(tokens.segments as u32)?,
        )?;
        refs.push(tokens.refs);
        exact_tokens = tokens.exact_tokens;
    }
    let learnt = match learner {
        Some(learner) => Some(on_threads(turn, move || learner.count()).await??),
        None => None,
    };
    let found = Found::new(&session, learnt, refs.iter().map(Refs::rows).sum())?;
    let mut run = Run {
        session: &session,
        exact_tokens,
        rivals: unit.config().matching.count_rivals,
        strategy: candidates::strategy(&unit.config().matching),
        uncertified: unit.config().matching.uncertified,
        progress,
        started,
        found,
    };
    let mut pairs = Vec::new();
    for (left, right) in pairs_of(submissions.len()) {
        let threshold = match (rule, run.found.learnt()) {
            (MatchRule::Threshold(threshold), _) => threshold,
            (MatchRule::Learnt, learnt) => {
                learnt.and_then(|learnt| learnt.floor((left, right))).ok_or(LinkError::Internal)?
            }
        };
        pairs.push(run.link_pair(threshold, submissions, (left, right)).await?);
        progress.send_modify(|run| run.pairs_done += 1);
    }
    let found = run.found;
    let deduplicated: Vec<bool> = submissions.iter().map(|submission| submission.deduplicated).collect();
    let smallest_cell = unit.config().policy.smallest_cell;
    let decided = on_threads(turn, move || {
        let (clusters, findings) = found.decide(&deduplicated, smallest_cell);
        (clusters.iter().map(|cluster| members(cluster, &refs)).collect::<Option<_>>(), findings)
    });
    let (clusters, findings) = decided.await?;
    Ok(Linked { pairs, clusters: clusters.ok_or(LinkError::Internal)?, findings })
}

/// Work that takes long, on a thread of its own. When the run is ended from outside, it goes on for a moment, and the next run
/// waits for it.
async fn on_threads<T: Send + 'static>(
    turn: &Arc<OwnedSemaphorePermit>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, LinkError> {
    let turn = Arc::clone(turn);
    let working = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work()
    });
    working.await.map_err(|_| LinkError::Internal)
}

/// The database and the record ref of each member; [`None`] when there is no such record.
fn members(cluster: &Cluster, refs: &[Refs]) -> Option<Vec<(u16, RecordRef)>> {
    let members = cluster.members.iter();
    members.map(|member| Some((member.database, refs[usize::from(member.database)].get(member.record)?))).collect()
}

struct Run<'a> {
    session: &'a LinkSession,
    exact_tokens: Vec<String>,
    rivals: bool,
    /// None for all pairs.
    strategy: Option<Strategy>,
    uncertified: Uncertified,
    progress: &'a watch::Sender<RunRecord>,
    started: Instant,
    found: Found,
}

impl Run<'_> {
    async fn link_pair(
        &mut self,
        threshold: DiceThreshold,
        submissions: &[Submission],
        databases: (usize, usize),
    ) -> Result<PairRecord, LinkError> {
        let (left, right) = (&submissions[databases.0].database, &submissions[databases.1].database);
        let options = LinkOptions { rivals: self.rivals, ..LinkOptions::new(threshold, self.exact_tokens.clone()) };
        let (l, r) = (left.as_str(), right.as_str());
        let (plan, mut stream) = match &self.strategy {
            None => (self.session.explain(l, r, &options, false).await?, self.session.link(l, r, &options).await?),
            Some(strategy) => {
                let explained = |error| candidates::explained(error, left, right);
                let plan = self.session.explain_by(l, r, &options, strategy.clone(), false).await.map_err(explained)?;
                let stream = self.session.link_by(l, r, &options, strategy.clone()).await.map_err(explained)?;
                (plan, stream)
            }
        };
        self.found.begin(databases);
        let compared_before = self.progress.borrow().compared;
        loop {
            let next = tokio::time::timeout(TICK, stream.next()).await;
            let report = stream.report();
            let compared = compared_before + report.compared;
            let elapsed_ms = millis(self.started.elapsed());
            self.progress.send_modify(|run| {
                (run.compared, run.elapsed_ms) = (compared, elapsed_ms);
                run.bands = report.lsh.map(|lsh| (lsh.bands.bands, lsh.plan.bands()));
            });
            match next {
                Err(_) => {}
                Ok(None) => break,
                Ok(Some(batch)) => {
                    let batch = batch.map_err(|error| candidates::explained(error, left, right))?;
                    self.found.add(databases, &batch)?;
                }
            }
        }
        let report = stream.report();
        if let Some(certificate) = candidates::certificate(left, right, &report) {
            let judged = candidates::judge(&certificate, self.uncertified);
            self.progress.send_modify(|run| run.certificates.push(certificate));
            judged?;
        }
        if !options.exact_tokens.is_empty() {
            let conflicts = Conflicts {
                left: left.clone(),
                right: right.clone(),
                exact_pairs: report.exact_pairs,
                below_threshold: report.exact_below_threshold,
                with_rival: report.exact_with_rival,
            };
            self.progress.send_modify(|run| run.conflicts.push(conflicts));
        }
        Ok(PairRecord {
            left: left.clone(),
            right: right.clone(),
            plan,
            exact_pairs: report.exact_pairs,
            dice_pairs: report.dice_pairs,
            compared: report.compared,
            aborted: report.aborted,
            elapsed_ms: millis(report.elapsed),
        })
    }
}

/// Every pair of `n` positions, the smaller one first.
pub(super) fn pairs_of(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).flat_map(move |left| (left + 1..n).map(move |right| (left, right)))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
