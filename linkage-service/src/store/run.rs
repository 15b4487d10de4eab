//! Runs, what each pair of databases gave, and the clusters that came out.

pub(crate) mod write;

use std::fmt;
use std::str::FromStr;

use linkage_core::types::{DatabaseId, RecordRef};
use sqlx::FromRow;

use super::certificate::Certificate;
use super::conflicts::Conflicts;
use super::{Store, bytes, count};
use crate::config::Candidates;
use crate::error::StoreError;
use crate::policy::Class;
use crate::role::ProjectId;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Accepted, waiting for the one before it.
    Queued,
    /// Linking.
    Running,
    /// Its clusters are stored.
    Done,
    /// Ended by an error, by a crash, or because its permit ended.
    Failed,
    /// Ended by the project.
    Cancelled,
}

impl RunState {
    /// Whether nothing more will happen.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }

    /// Whether its results are stored.
    pub fn is_done(self) -> bool {
        self == Self::Done
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        })
    }
}

impl FromStr for RunState {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        match text {
            "queued" => Ok(Self::Queued),
            "running" => Ok(Self::Running),
            "done" => Ok(Self::Done),
            "failed" => Ok(Self::Failed),
            "cancelled" => Ok(Self::Cancelled),
            _ => Err(StoreError::Damaged("run state")),
        }
    }
}

/// A run as it is known.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    /// Its id.
    pub id: String,
    /// The permit under which it was started.
    pub permit_id: String,
    /// Whose run it is.
    pub project: ProjectId,
    /// Class of the linked data.
    pub class: Class,
    /// Where it stands.
    pub state: RunState,
    /// Match threshold in force, as a decimal; or `learnt`.
    pub threshold: String,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339, once it ended.
    pub finished_at: Option<String>,
    /// Time spent so far.
    pub elapsed_ms: u64,
    /// Pairs of databases finished.
    pub pairs_done: u32,
    /// Pairs of databases in all.
    pub pairs: u32,
    /// Record pairs compared by the Dice stage so far.
    pub compared: u64,
    /// Pairs of records that agree on an exact token, once it is done.
    pub exact_pairs: Option<u64>,
    /// Pairs of records found by Dice similarity, once it is done.
    pub dice_pairs: Option<u64>,
    /// Clusters found, once it is done.
    pub clusters: Option<u64>,
    /// Why it failed.
    pub failure: Option<String>,
    /// What a run whose links were learnt expects of them: text for people, without small counts.
    pub findings: Option<String>,
    /// How it finds pairs of records.
    pub candidates: Candidates,
    /// The recall that it was asked for, if any.
    pub recall: Option<f64>,
    /// For the pairs of databases that are finished and whose pairs of records were not all compared.
    pub certificates: Vec<Certificate>,
    /// For the pairs of databases that are finished and were joined on exact tokens.
    pub conflicts: Vec<Conflicts>,
    /// Bands searched and solved of the pair of databases that is under way. Not stored.
    pub bands: Option<(u32, u32)>,
}

impl RunRecord {
    /// Whether the recall asked for is shown for every pair of databases so far; `None` when none was asked for or nothing is certified.
    pub fn certified(&self) -> Option<bool> {
        self.certificates.iter().filter_map(Certificate::certified).reduce(|all, one| all && one)
    }
}

/// One database of a run and the submission that was linked.
#[derive(Clone, Debug)]
pub struct RunInput {
    /// Whose records.
    pub database: DatabaseId,
    /// The store's number of the submission.
    pub submission: i64,
}

/// What was executed for one pair of databases.
#[derive(Clone, Debug)]
pub struct PairRecord {
    /// The left database.
    pub left: DatabaseId,
    /// The right database.
    pub right: DatabaseId,
    /// The plan, as EXPLAIN shows it.
    pub plan: String,
    /// Pairs that agree on an exact token.
    pub exact_pairs: u64,
    /// Pairs found by Dice similarity.
    pub dice_pairs: u64,
    /// Comparisons made.
    pub compared: u64,
    /// Comparisons given up early.
    pub aborted: u64,
    /// Time spent.
    pub elapsed_ms: u64,
}

impl Store {
    /// The run with this id.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn run(&self, id: &str) -> Result<Option<RunRecord>, StoreError> {
        let row: Option<RunRow> =
            sqlx::query_as("SELECT * FROM run WHERE id = ?").bind(id).fetch_optional(&self.pool).await?;
        match row {
            Some(row) => Ok(Some(self.record(row).await?)),
            None => Ok(None),
        }
    }

    /// The latest run of a project that is done.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn latest_done_run(&self, project: &ProjectId) -> Result<Option<RunRecord>, StoreError> {
        let row: Option<RunRow> =
            sqlx::query_as("SELECT * FROM run WHERE project = ? AND state = 'done' ORDER BY rowid DESC LIMIT 1")
                .bind(project.as_str())
                .fetch_optional(&self.pool)
                .await?;
        match row {
            Some(row) => Ok(Some(self.record(row).await?)),
            None => Ok(None),
        }
    }

    /// Every run, of one project or of all, in order of their start.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn runs(&self, project: Option<&ProjectId>) -> Result<Vec<RunRecord>, StoreError> {
        let rows: Vec<RunRow> = sqlx::query_as("SELECT * FROM run WHERE ?1 IS NULL OR project = ?1 ORDER BY rowid")
            .bind(project.map(ProjectId::as_str))
            .fetch_all(&self.pool)
            .await?;
        let mut runs = Vec::with_capacity(rows.len());
        for row in rows {
            runs.push(self.record(row).await?);
        }
        Ok(runs)
    }

    async fn record(&self, row: RunRow) -> Result<RunRecord, StoreError> {
        let certificates = self.certificates(&row.id).await?;
        let conflicts = self.conflicts(&row.id).await?;
        row.into_record(certificates, conflicts)
    }

    /// The databases of a run, in the order by which `members` refers to them.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn run_inputs(&self, run: &str) -> Result<Vec<RunInput>, StoreError> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as("SELECT database_id, submission_id FROM run_input WHERE run_id = ? ORDER BY position")
                .bind(run)
                .fetch_all(&self.pool)
                .await?;
        rows.into_iter()
            .map(|(database, submission)| {
                let database = database.parse().map_err(|_| StoreError::Damaged("database id"))?;
                Ok(RunInput { database, submission })
            })
            .collect()
    }

    /// What was executed for each pair of databases of a run that is done.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn run_pairs(&self, run: &str) -> Result<Vec<PairRecord>, StoreError> {
        let rows: Vec<PairRow> =
            sqlx::query_as("SELECT * FROM run_pair WHERE run_id = ? ORDER BY left_database, right_database")
                .bind(run)
                .fetch_all(&self.pool)
                .await?;
        rows.into_iter().map(PairRow::into_record).collect()
    }

    /// The members of every cluster of a run: cluster number, position of the database, record ref; cluster by cluster.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn members(&self, run: &str) -> Result<Vec<(u64, u16, RecordRef)>, StoreError> {
        let rows: Vec<(i64, u16, Vec<u8>)> =
            sqlx::query_as("SELECT cluster, position, record_ref FROM member WHERE run_id = ? ORDER BY cluster")
                .bind(run)
                .fetch_all(&self.pool)
                .await?;
        rows.into_iter()
            .map(|(cluster, position, record)| Ok((count(cluster), position, RecordRef(bytes(record, "record ref")?))))
            .collect()
    }

    /// The secret of a project; `fresh` becomes it when the project has none yet.
    ///
    /// # Errors
    /// When the database cannot write.
    pub async fn project_secret(&self, project: &ProjectId, fresh: &[u8; 32]) -> Result<[u8; 32], StoreError> {
        sqlx::query("INSERT INTO project (id, secret) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(project.as_str())
            .bind(fresh.as_slice())
            .execute(&self.pool)
            .await?;
        let (secret,): (Vec<u8>,) = sqlx::query_as("SELECT secret FROM project WHERE id = ?")
            .bind(project.as_str())
            .fetch_one(&self.pool)
            .await?;
        bytes(secret, "project secret")
    }
}

#[derive(FromRow)]
struct RunRow {
    id: String,
    permit_id: String,
    project: String,
    class: String,
    state: String,
    threshold: String,
    created_at: String,
    finished_at: Option<String>,
    elapsed_ms: i64,
    pairs_done: u32,
    pairs: u32,
    compared: i64,
    exact_pairs: Option<i64>,
    dice_pairs: Option<i64>,
    clusters: Option<i64>,
    failure: Option<String>,
    findings: Option<String>,
    candidates: String,
    recall: Option<f64>,
}

impl RunRow {
    fn into_record(self, certificates: Vec<Certificate>, conflicts: Vec<Conflicts>) -> Result<RunRecord, StoreError> {
        Ok(RunRecord {
            project: self.project.parse().map_err(|_| StoreError::Damaged("project"))?,
            class: class(&self.class)?,
            state: self.state.parse()?,
            elapsed_ms: count(self.elapsed_ms),
            compared: count(self.compared),
            exact_pairs: self.exact_pairs.map(count),
            dice_pairs: self.dice_pairs.map(count),
            clusters: self.clusters.map(count),
            id: self.id,
            permit_id: self.permit_id,
            threshold: self.threshold,
            created_at: self.created_at,
            finished_at: self.finished_at,
            pairs_done: self.pairs_done,
            pairs: self.pairs,
            failure: self.failure,
            findings: self.findings,
            candidates: self.candidates.parse().map_err(|_| StoreError::Damaged("strategy"))?,
            recall: self.recall,
            certificates,
            conflicts,
            bands: None,
        })
    }
}

fn class(stored: &str) -> Result<Class, StoreError> {
    [Class::Anonymised, Class::Pseudonymised, Class::Identified]
        .into_iter()
        .find(|class| class.to_string() == stored)
        .ok_or(StoreError::Damaged("class"))
}

#[derive(FromRow)]
struct PairRow {
    left_database: String,
    right_database: String,
    plan: String,
    exact_pairs: i64,
    dice_pairs: i64,
    compared: i64,
    aborted: i64,
    elapsed_ms: i64,
}

impl PairRow {
    fn into_record(self) -> Result<PairRecord, StoreError> {
        let database = |text: String| text.parse().map_err(|_| StoreError::Damaged("database id"));
        Ok(PairRecord {
            left: database(self.left_database)?,
            right: database(self.right_database)?,
            plan: self.plan,
            exact_pairs: count(self.exact_pairs),
            dice_pairs: count(self.dice_pairs),
            compared: count(self.compared),
            aborted: count(self.aborted),
            elapsed_ms: count(self.elapsed_ms),
        })
    }
}
