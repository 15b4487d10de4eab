//! The linking itself: token files → tables → candidates → clusters.

use std::io::BufReader;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, FixedSizeBinaryArray, RecordBatch};
use linkage_core::cluster::{Member, ScoredPair, cluster};
use linkage_core::dice::DiceThreshold;
use linkage_core::harden::Step;
use linkage_core::token_file::TokenFileReader;
use linkage_core::types::RecordRef;
use linkage_plan::{Candidate, LinkOptions, LinkSession, PlanOptions, Strategy, TokenTable};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::candidates;
use super::learnt::Learner;
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

/// One database's tokens, in memory.
struct Tokens {
    batches: Vec<RecordBatch>,
    refs: Vec<RecordRef>,
    exact_tokens: Vec<String>,
    /// How many filters stand side by side in a CLK.
    segments: usize,
    /// How many bits of a filter each bit joins.
    joined: u32,
    /// Whether it has any blocking key.
    blocking_keys: bool,
}

impl Tokens {
    /// The bytes of a CLK and the filters that stand side by side in it; [`None`] without rows.
    fn layout(&self) -> Option<(i32, usize)> {
        let clk = self.batches.first()?.column_by_name("clk")?.as_any().downcast_ref::<FixedSizeBinaryArray>()?;
        Some((clk.value_length(), self.segments))
    }
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
    let mut learner = (rule == MatchRule::Learnt).then(Learner::default);
    for submission in submissions {
        let tokens = load(unit, submission, turn).await?;
        let of_these = tokens.layout();
        if of_these.is_some() && *layout.get_or_insert(of_these) != of_these {
            return Err(LinkError::OtherLayout { database: submission.database.clone() });
        }
        if record.candidates == Candidates::Keyed && !tokens.blocking_keys {
            return Err(LinkError::NoBlockingKeys { database: submission.database.clone() });
        }
        if let Some(learner) = &mut learner {
            learner.add(&tokens.batches, tokens.segments, tokens.joined, submission.deduplicated)?;
        }
        session.register(
            submission.database.as_str(),
            TokenTable::try_new(tokens.batches)?.with_segments(tokens.segments as u32)?,
        )?;
        refs.push(tokens.refs);
        exact_tokens = tokens.exact_tokens;
    }
    let mut run = Run {
        session: &session,
        exact_tokens,
        rivals: unit.config().matching.count_rivals,
        strategy: candidates::strategy(&unit.config().matching),
        uncertified: unit.config().matching.uncertified,
        progress,
        started,
        candidates: Vec::new(),
        count: 0,
    };
    // Candidates wait in memory until the last pair of databases is through; a threshold far too low shows itself here.
    let most = memory_bytes / 4 / size_of::<ScoredPair>();
    let mut pairs = Vec::new();
    for (left, right) in pairs_of(submissions.len()) {
        let threshold = match (rule, &learner) {
            (MatchRule::Threshold(threshold), _) => threshold,
            (MatchRule::Learnt, Some(learner)) => learner.floor(left, right),
            (MatchRule::Learnt, None) => return Err(LinkError::Internal),
        };
        pairs.push(run.link_pair(threshold, &submissions[left], &submissions[right], most).await?);
        progress.send_modify(|run| run.pairs_done += 1);
    }
    let candidates: Vec<_> = pairs_of(submissions.len()).zip(run.candidates).collect();
    let deduplicated: Vec<bool> = submissions.iter().map(|submission| submission.deduplicated).collect();
    let smallest_cell = unit.config().policy.smallest_cell;
    let turn = Arc::clone(turn);
    let linking = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let (clusters, findings) = match learner {
            Some(learner) => {
                let (clusters, findings) = learner.decide(candidates, smallest_cell);
                (clusters, Some(findings))
            }
            None => (cluster(candidates.iter().flat_map(scored).collect(), &deduplicated), None),
        };
        let of = |member: &Member| (member.database, refs[usize::from(member.database)][member.record as usize]);
        (clusters.iter().map(|c| c.members.iter().map(of).collect()).collect(), findings)
    });
    let (clusters, findings) = linking.await.map_err(|_| LinkError::Internal)?;
    Ok(Linked { pairs, clusters, findings })
}

/// The candidates of two databases as the pairs that clusters are made of.
fn scored(((left, right), found): &((usize, usize), Vec<Candidate>)) -> impl Iterator<Item = ScoredPair> {
    let member = |position: usize, record| Member { database: position as u16, record };
    found.iter().map(move |candidate| ScoredPair {
        left: member(*left, candidate.left),
        right: member(*right, candidate.right),
        score: candidate.score,
        exact: candidate.exact,
    })
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
    /// By pair of databases.
    candidates: Vec<Vec<Candidate>>,
    count: usize,
}

impl Run<'_> {
    async fn link_pair(
        &mut self,
        threshold: DiceThreshold,
        left: &Submission,
        right: &Submission,
        most: usize,
    ) -> Result<PairRecord, LinkError> {
        let (left, right) = (&left.database, &right.database);
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
        let mut found = Vec::new();
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
                    let before = found.len();
                    found.extend(batch.map_err(|error| candidates::explained(error, left, right))?);
                    self.count += found.len() - before;
                    if self.count > most {
                        return Err(LinkError::TooManyCandidates);
                    }
                }
            }
        }
        self.candidates.push(found);
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

/// Reads a stored token file and makes sure that it is still the one that was accepted.
async fn load(
    unit: &Arc<Unit>,
    submission: &Submission,
    turn: &Arc<OwnedSemaphorePermit>,
) -> Result<Tokens, LinkError> {
    let file = unit.store().open_token_file(&submission.database, &submission.file_blake3).await?;
    let (unit, submission, turn) = (Arc::clone(unit), submission.clone(), Arc::clone(turn));
    let loading = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let damaged = |_| LinkError::DamagedTokenFile { database: submission.database.clone() };
        let mut reader = TokenFileReader::open(BufReader::new(file), unit.identity()).map_err(damaged)?;
        let (mut batches, mut refs) = (Vec::new(), Vec::with_capacity(submission.records as usize));
        while let Some(batch) = reader.next_batch().map_err(damaged)? {
            refs.extend(record_refs(&batch).ok_or(LinkError::Internal)?);
            batches.push(batch);
        }
        let exact_tokens = reader.header().exact_tokens.clone();
        let segments = reader.header().segments as usize;
        let joined = Step::joined(&reader.header().hardening_steps()).unwrap_or(1);
        let blocking_keys = !reader.header().blocking_keys.is_empty();
        let stats = reader.finish().map_err(damaged)?;
        if stats.payload_blake3 != submission.payload_blake3 {
            return Err(LinkError::DamagedTokenFile { database: submission.database });
        }
        Ok(Tokens { batches, refs, exact_tokens, segments, joined, blocking_keys })
    });
    loading.await.map_err(|_| LinkError::Internal)?
}

fn record_refs(batch: &RecordBatch) -> Option<Vec<RecordRef>> {
    let column = batch.column_by_name("record_ref")?.as_any().downcast_ref::<FixedSizeBinaryArray>()?;
    (0..column.len()).map(|row| column.value(row).try_into().ok().map(RecordRef)).collect()
}

/// Every pair of `n` positions, the smaller one first.
fn pairs_of(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).flat_map(move |left| (left + 1..n).map(move |right| (left, right)))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
