//! Runs: from a permitted request to clusters in the store.
//!
//! A run takes a [`Permitted`] request, so none can start without a permit. Runs wait for one another: each may use all
//! the memory and cores that the unit grants. Results are stored in one transaction, so a run is done or it left nothing.

mod candidates;
mod learnt;
mod link;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use linkage_core::harden::Profile;
use time::OffsetDateTime;
use tokio::sync::{Semaphore, watch};

use crate::audit::{Actor, Entry, Label, Outcome};
use crate::config::Candidates;
use crate::error::{LinkError, RunError, SetupError};
use crate::permit::{Permitted, RunRequest};
use crate::policy::Need;
use crate::store::{RunInput, RunRecord, RunState, Submission, instant_text};
use crate::unit::{Unit, random_hex};

/// Why a run is ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The project asked for it.
    Cancelled,
    /// Its permit was revoked.
    Revoked,
    /// The service shuts down.
    Shutdown,
}

/// The runs under way.
pub struct Runs {
    active: Mutex<HashMap<String, Active>>,
    turn: Semaphore,
}

struct Active {
    progress: watch::Receiver<RunRecord>,
    stop: watch::Sender<Option<Stop>>,
}

impl Runs {
    pub(crate) fn new() -> Self {
        Self { active: Mutex::default(), turn: Semaphore::new(1) }
    }

    /// Follows a run that is under way; `None` when it is not.
    pub fn watch(&self, run: &str) -> Option<watch::Receiver<RunRecord>> {
        self.lock().get(run).map(|active| active.progress.clone())
    }

    /// Ends a run; false when it is not under way.
    pub fn stop(&self, run: &str, stop: Stop) -> bool {
        self.lock().get(run).is_some_and(|active| active.stop.send(Some(stop)).is_ok())
    }

    /// Ends every run under a permit.
    pub fn stop_permit(&self, permit: &str) {
        for active in self.lock().values() {
            if active.progress.borrow().permit_id == permit {
                // Nobody listens any more when the run has just ended by itself.
                let _ = active.stop.send(Some(Stop::Revoked));
            }
        }
    }

    /// Ends every run and waits until the last one has stored that it ended.
    pub async fn shut_down(&self) {
        let mut ending: Vec<watch::Receiver<RunRecord>> = Vec::new();
        for active in self.lock().values() {
            let _ = active.stop.send(Some(Stop::Shutdown));
            ending.push(active.progress.clone());
        }
        for mut progress in ending {
            while progress.changed().await.is_ok() {}
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Active>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts a run over the latest submissions of the permitted databases.
///
/// # Errors
/// When a database has submitted nothing, the project has a run under way, or the store fails.
pub async fn start(unit: &Arc<Unit>, run: Permitted<RunRequest>, now: OffsetDateTime) -> Result<RunRecord, RunError> {
    let request = run.request();
    let mut submissions = Vec::with_capacity(request.databases.len());
    for database in &request.databases {
        let latest = unit.store().latest_submission(database).await?;
        submissions.push(latest.ok_or_else(|| RunError::NoSubmission { database: database.clone() })?);
    }
    let accepted = run.permit().statement().declarations.contains(&Need::MaxQualityRisk);
    if let Some(risky) = submissions.iter().find(|s| s.profile == Profile::MaxQuality && !accepted) {
        return Err(RunError::RiskNotAccepted { database: risky.database.clone() });
    }
    let matching = &unit.config().matching;
    if matching.candidates == Candidates::Bands
        && let Some(segmented) = submissions.iter().find(|s| s.profile == Profile::MaxQuality)
    {
        return Err(RunError::SegmentsInBands { database: segmented.database.clone() });
    }
    // The order of the databases decides ties between clusters, so it must not depend on the order in the permit.
    submissions.sort_by(|a, b| a.database.cmp(&b.database));
    let databases = submissions.len() as u32;
    let record = RunRecord {
        id: format!("run-{}", random_hex().map_err(|_| RunError::Randomness)?),
        permit_id: run.permit().statement().id.to_string(),
        project: request.project.clone(),
        class: request.class,
        state: RunState::Queued,
        threshold: matching.threshold.clone(),
        candidates: matching.candidates,
        recall: matching.demand(),
        created_at: instant_text(now),
        finished_at: None,
        elapsed_ms: 0,
        pairs_done: 0,
        pairs: databases * (databases - 1) / 2,
        compared: 0,
        exact_pairs: None,
        dice_pairs: None,
        clusters: None,
        failure: None,
        findings: None,
        certificates: Vec::new(),
        bands: None,
    };
    let (progress, follow) = watch::channel(record.clone());
    let (stop, stopped) = watch::channel(None);
    {
        let mut active = unit.runs().lock();
        let other = active.values().find(|other| other.progress.borrow().project == record.project);
        if let Some(other) = other {
            return Err(RunError::UnderWay { run: other.progress.borrow().id.clone() });
        }
        active.insert(record.id.clone(), Active { progress: follow, stop });
    }
    let inputs: Vec<RunInput> =
        submissions.iter().map(|s| RunInput { database: s.database.clone(), submission: s.id }).collect();
    if let Err(error) = unit.store().insert_run(&record, &inputs).await {
        unit.runs().lock().remove(&record.id);
        return Err(error.into());
    }
    tokio::spawn(drive(Arc::clone(unit), submissions, progress, stopped));
    Ok(record)
}

/// Marks runs that a crash has left behind as failed, and says so in the audit log.
///
/// # Errors
/// When the store fails.
pub async fn fail_left_over(unit: &Unit, now: OffsetDateTime) -> Result<(), SetupError> {
    for run in unit.store().fail_left_over_runs(now).await? {
        record_end(unit, &run, "service-stopped").await?;
    }
    Ok(())
}

/// Sees a run through to its end, whatever that is.
async fn drive(
    unit: Arc<Unit>,
    submissions: Vec<Submission>,
    progress: watch::Sender<RunRecord>,
    mut stopped: watch::Receiver<Option<Stop>>,
) {
    let id = progress.borrow().id.clone();
    let started = Instant::now();
    // Dropping the linking future drops its plan, and with it everything that runs below.
    let outcome = tokio::select! {
        biased;
        _ = stopped.wait_for(Option::is_some) => Err(None),
        linked = link::link(&unit, &submissions, &progress) => linked.map_err(Some),
    };
    let stop = *stopped.borrow();
    let mut record = progress.borrow().clone();
    record.elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    record.finished_at = Some(instant_text(OffsetDateTime::now_utc()));
    record.bands = None;
    let (code, stored) = match outcome {
        Ok(linked) => {
            record.state = RunState::Done;
            let cell = unit.config().policy.smallest_cell;
            record.exact_pairs = Some(told_sum(linked.pairs.iter().map(|pair| pair.exact_pairs), cell));
            record.dice_pairs = Some(told_sum(linked.pairs.iter().map(|pair| pair.dice_pairs), cell));
            record.clusters = Some(linked.clusters.len() as u64);
            record.findings = linked.findings;
            ("done", unit.store().finish_run(&record, &linked.pairs, linked.clusters).await)
        }
        Err(error) => {
            let code = fail(&mut record, stop, error);
            (code, unit.store().update_run(&record).await)
        }
    };
    if let Err(error) = stored {
        tracing::error!(run = id, %error, "the end of a run could not be stored");
        record.state = RunState::Failed;
        record.clusters = None;
        record.failure = Some("the results could not be stored".to_owned());
    }
    if let Err(error) = candidates::record(&unit, &record).await {
        tracing::error!(run = id, %error, "the certificates of a run could not be written to the audit log");
    }
    if let Err(error) = record_end(&unit, &id, code).await {
        tracing::error!(run = id, %error, "the end of a run could not be written to the audit log");
    }
    if record.certified() == Some(false) {
        tracing::warn!(run = id, state = %record.state, "the recall of a run is NOT CERTIFIED");
    }
    tracing::info!(run = id, state = %record.state, elapsed_ms = record.elapsed_ms, "run ended");
    unit.runs().lock().remove(&id);
    progress.send_replace(record);
}

/// The sum of the counts that may be shown. One of all counts would tell, beside the others, the only one suppressed.
fn told_sum(counts: impl Iterator<Item = u64>, smallest_cell: u64) -> u64 {
    counts.filter(|count| *count >= smallest_cell).sum()
}

fn fail(record: &mut RunRecord, stop: Option<Stop>, error: Option<LinkError>) -> &'static str {
    record.state = RunState::Failed;
    let (code, failure) = match (stop, error) {
        (_, Some(error)) => ("failed", error.to_string()),
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

async fn record_end(unit: &Unit, run: &str, code: &'static str) -> Result<(), crate::error::StoreError> {
    let object = Label::object("run", run).unwrap_or(Label::fixed("run"));
    let entry = Entry::new(Actor::service(), Label::fixed("run.end"), object, Outcome::Allowed)
        .with(Label::fixed("state"), Label::fixed(code));
    unit.journal().record(entry).await
}
