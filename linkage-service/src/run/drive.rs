//! Seeing a run through to its end, whatever that is.

use std::sync::Arc;
use std::time::Instant;

use time::OffsetDateTime;
use tokio::sync::watch;

use super::{Stop, candidates, link};
use crate::audit::{Actor, Entry, Label, Outcome};
use crate::error::{DecisionError, LinkError, SetupError, StoreError};
use crate::permit::{Refusal, RunRequest};
use crate::role::Caller;
use crate::store::run::write;
use crate::store::{PairRecord, RunRecord, RunState, Submission, instant_text};
use crate::unit::Unit;

/// Who asked for a run and for what, to be decided again while it is under way.
pub(super) struct Asked {
    pub caller: Caller,
    pub permit_id: String,
    pub request: RunRequest,
    /// When the permit ends.
    pub until: OffsetDateTime,
}

/// A run under way.
pub(super) struct Drive {
    pub unit: Arc<Unit>,
    pub asked: Asked,
    pub submissions: Vec<Submission>,
    pub progress: watch::Sender<RunRecord>,
    pub stopped: watch::Receiver<Option<Stop>>,
}

/// Sets a run going. Should it panic, it is failed like any other.
pub(super) fn spawn(drive: Drive) {
    let (unit, run) = (Arc::clone(&drive.unit), drive.progress.borrow().clone());
    tokio::spawn(async move {
        if let Err(panic) = tokio::spawn(drive.complete()).await {
            tracing::error!(run = run.id, %panic, "a run broke off");
            let mut failed = run.clone();
            failed.state = RunState::Failed;
            failed.finished_at = Some(instant_text(OffsetDateTime::now_utc()));
            failed.failure = Some(LinkError::Internal.to_string());
            if let Err(error) = close(&unit, &failed, "failed", &[]).await {
                tracing::error!(run = run.id, %error, "the end of a run could not be stored");
            }
            unit.runs().lock().remove(&run.id);
        }
    });
}

impl Asked {
    /// Decides again, by what is stored now.
    async fn still_permitted(&self, unit: &Unit) -> Result<(), LinkError> {
        let request = self.request.clone();
        let decided = unit.permitted(&self.caller, &self.permit_id, |_| Ok(request)).await;
        decided.map(drop).map_err(LinkError::PermitEnded)
    }

    /// Ready when the permit has ended.
    async fn expiry(&self) -> LinkError {
        let left = self.until - OffsetDateTime::now_utc();
        tokio::time::sleep(left.try_into().unwrap_or_default()).await;
        LinkError::PermitEnded(DecisionError::Refusal(Refusal::Expired { until: self.until }))
    }
}

impl Drive {
    async fn complete(self) {
        let Self { unit, asked, submissions, progress, mut stopped } = self;
        let id = progress.borrow().id.clone();
        let started = Instant::now();
        let linking = async {
            let turn = Arc::clone(&unit.runs().turn).acquire_owned().await.map_err(|_| LinkError::Internal)?;
            // It may have waited for hours.
            asked.still_permitted(&unit).await?;
            let linked = link::link(&unit, &submissions, &progress, &Arc::new(turn)).await?;
            asked.still_permitted(&unit).await?;
            let clusters = linked.clusters.len() as u64;
            unit.store().insert_members(&id, linked.clusters).await?;
            Ok((linked.pairs, linked.findings, clusters))
        };
        // Dropping the linking future drops its plan, and with it everything that runs below.
        let outcome = tokio::select! {
            biased;
            _ = stopped.wait_for(Option::is_some) => Err(None),
            ended = asked.expiry() => Err(Some(ended)),
            linked = linking => linked.map_err(Some),
        };
        let stop = *stopped.borrow();
        let mut record = progress.borrow().clone();
        record.elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        record.finished_at = Some(instant_text(OffsetDateTime::now_utc()));
        record.bands = None;
        let (code, pairs) = match outcome {
            Ok((pairs, findings, clusters)) => {
                record.state = RunState::Done;
                let cell = unit.config().policy.smallest_cell;
                record.exact_pairs = Some(told_sum(pairs.iter().map(|pair| pair.exact_pairs), cell));
                record.dice_pairs = Some(told_sum(pairs.iter().map(|pair| pair.dice_pairs), cell));
                record.clusters = Some(clusters);
                record.findings = findings;
                ("done", pairs)
            }
            Err(error) => (fail(&mut record, stop, error), Vec::new()),
        };
        if let Err(error) = close(&unit, &record, code, &pairs).await {
            tracing::error!(run = id, %error, "the results of a run could not be stored");
            record.state = RunState::Failed;
            record.clusters = None;
            record.failure = Some("the results could not be stored".to_owned());
            if let Err(error) = close(&unit, &record, "failed", &[]).await {
                // At the next start it is found as one that was left behind.
                tracing::error!(run = id, %error, "the end of a run could not be stored");
            }
        }
        if record.certified() == Some(false) {
            tracing::warn!(run = id, state = %record.state, "the recall of a run is NOT CERTIFIED");
        }
        tracing::info!(run = id, state = %record.state, elapsed_ms = record.elapsed_ms, "run ended");
        unit.runs().lock().remove(&id);
        progress.send_replace(record);
    }
}

/// Stores how a run ended and what the audit log says of it, in one transaction.
async fn close(unit: &Unit, run: &RunRecord, code: &'static str, pairs: &[PairRecord]) -> Result<(), StoreError> {
    if run.state != RunState::Done {
        unit.store().delete_members(&run.id).await?;
    }
    let mut writing = unit.journal().begin().await?;
    write::update(writing.connection(), run, pairs).await?;
    for entry in candidates::entries(run) {
        writing.record(entry).await?;
    }
    writing.record(end(&run.id, code)).await?;
    writing.commit().await
}

/// Marks runs that a crash has left behind as failed, and says so in the audit log.
///
/// # Errors
/// When the store fails.
pub async fn fail_left_over(unit: &Unit, now: OffsetDateTime) -> Result<(), SetupError> {
    for run in unit.store().left_over_runs().await? {
        unit.store().delete_members(&run).await?;
        let mut writing = unit.journal().begin().await?;
        write::fail_left_over(writing.connection(), &run, now).await?;
        writing.record(end(&run, "service-stopped")).await?;
        writing.commit().await?;
    }
    Ok(())
}

/// The sum of the counts that may be shown. One of all counts would tell, beside the others, the only one suppressed.
fn told_sum(counts: impl Iterator<Item = u64>, smallest_cell: u64) -> u64 {
    counts.filter(|count| *count >= smallest_cell).sum()
}

fn fail(record: &mut RunRecord, stop: Option<Stop>, error: Option<LinkError>) -> &'static str {
    record.state = RunState::Failed;
    let (code, failure) = match (stop, error) {
        (_, Some(error)) => {
            tracing::error!(run = record.id, %error, "a run failed");
            match error {
                // What the store or the engine says may name files; it is for the operator.
                LinkError::Store(_) | LinkError::Plan(linkage_plan::PlanError::Execution { .. }) => {
                    ("failed", LinkError::Internal.to_string())
                }
                LinkError::PermitEnded(ref decision) => (decision.code().unwrap_or("failed"), error.to_string()),
                error => ("failed", error.to_string()),
            }
        }
        (Some(Stop::Revoked), None) => ("revoked", "its permit was revoked".to_owned()),
        (Some(Stop::Shutdown), None) => ("service-stopped", "the service was shut down during the run".to_owned()),
        (Some(Stop::Cancelled) | None, None) => {
            record.state = RunState::Cancelled;
            return "cancelled";
        }
    };
    record.failure = Some(failure);
    code
}

fn end(run: &str, code: &'static str) -> Entry {
    let object = Label::object("run", run).unwrap_or(Label::fixed("run"));
    Entry::new(Actor::service(), Label::fixed("run.end"), object, Outcome::Allowed)
        .with(Label::fixed("state"), Label::fixed(code))
}
