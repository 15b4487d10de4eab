//! Runs: from a permitted request to clusters in the store.
//!
//! A run takes a [`Permitted`] request, so none can start without a permit, and the permit is asked again before linking
//! begins and before anything is stored. Runs wait for one another: each may use all the memory and cores that the unit
//! grants. A run is done or it left nothing: what it stores is seen from the moment on at which it is done.

mod candidates;
mod drive;
mod found;
mod learnt;
mod link;
mod tokens;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use linkage_core::harden::Profile;
use time::OffsetDateTime;
use tokio::sync::{Semaphore, watch};

use crate::audit::Entry;
use crate::config::Candidates;
use crate::error::{RunError, StoreError};
use crate::permit::{Permitted, RunRequest};
use crate::policy::Need;
use crate::role::Caller;
use crate::store::run::write;
use crate::store::{RunInput, RunRecord, RunState, instant_text};
use crate::unit::{Unit, random_hex};

pub use drive::fail_left_over;
use drive::{Asked, Drive};

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
    turn: Arc<Semaphore>,
}

struct Active {
    progress: watch::Receiver<RunRecord>,
    stop: watch::Sender<Option<Stop>>,
}

impl Runs {
    pub(crate) fn new() -> Self {
        Self { active: Mutex::default(), turn: Arc::new(Semaphore::new(1)) }
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

/// Starts a run over the latest submissions of the permitted databases. `entry` makes the audit log's entry of the start,
/// which is stored together with the run.
///
/// # Errors
/// When a database has submitted nothing, the project has a run under way, or the store fails.
pub async fn start(
    unit: &Arc<Unit>,
    caller: &Caller,
    run: Permitted<RunRequest>,
    now: OffsetDateTime,
    entry: impl FnOnce(&RunRecord) -> Entry,
) -> Result<RunRecord, RunError> {
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
        conflicts: Vec::new(),
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
    if let Err(error) = insert(unit, &record, &inputs, entry(&record)).await {
        unit.runs().lock().remove(&record.id);
        return Err(error.into());
    }
    let until = run.permit().statement().valid_until;
    let asked =
        Asked { caller: caller.clone(), permit_id: record.permit_id.clone(), request: run.into_request(), until };
    drive::spawn(Drive { unit: Arc::clone(unit), asked, submissions, progress, stopped });
    Ok(record)
}

async fn insert(unit: &Unit, run: &RunRecord, inputs: &[RunInput], entry: Entry) -> Result<(), StoreError> {
    let mut writing = unit.journal().begin().await?;
    write::insert(writing.connection(), run, inputs).await?;
    writing.record(entry).await?;
    writing.commit().await
}
