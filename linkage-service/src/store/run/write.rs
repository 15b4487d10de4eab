//! What is written of runs: small transactions, so that refusals and revocations never wait for a large result.

use linkage_core::types::RecordRef;
use sqlx::{QueryBuilder, SqliteConnection};
use time::OffsetDateTime;

use super::{PairRecord, RunInput, RunRecord};
use crate::error::StoreError;
use crate::store::{Store, certificate, conflicts, instant_text, stored};

/// Members of clusters that are written in one transaction, and in one statement (SQLite takes 32,766 values).
const MEMBERS: usize = 8_000;

/// Stores a new run and the submissions that it will link.
///
/// # Errors
/// When the database cannot write.
pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    run: &RunRecord,
    inputs: &[RunInput],
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO run (id, permit_id, project, class, state, threshold, candidates, recall, created_at, pairs) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&run.id)
    .bind(&run.permit_id)
    .bind(run.project.as_str())
    .bind(run.class.to_string())
    .bind(run.state.to_string())
    .bind(&run.threshold)
    .bind(run.candidates.as_str())
    .bind(run.recall)
    .bind(&run.created_at)
    .bind(run.pairs)
    .execute(&mut *connection)
    .await?;
    for (position, input) in inputs.iter().enumerate() {
        sqlx::query("INSERT INTO run_input (run_id, position, database_id, submission_id) VALUES (?, ?, ?, ?)")
            .bind(&run.id)
            .bind(stored(position as u64))
            .bind(input.database.as_str())
            .bind(input.submission)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Stores where a run stands and, once it is done, what was executed for each pair of databases.
///
/// # Errors
/// When the database cannot write.
pub(crate) async fn update(
    connection: &mut SqliteConnection,
    run: &RunRecord,
    pairs: &[PairRecord],
) -> Result<(), StoreError> {
    for pair in pairs {
        sqlx::query("INSERT INTO run_pair VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(&run.id)
            .bind(pair.left.as_str())
            .bind(pair.right.as_str())
            .bind(&pair.plan)
            .bind(stored(pair.exact_pairs))
            .bind(stored(pair.dice_pairs))
            .bind(stored(pair.compared))
            .bind(stored(pair.aborted))
            .bind(stored(pair.elapsed_ms))
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query(
        "UPDATE run SET state = ?, finished_at = ?, elapsed_ms = ?, pairs_done = ?, compared = ?, exact_pairs = ?, \
         dice_pairs = ?, clusters = ?, failure = ?, findings = ? WHERE id = ?",
    )
    .bind(run.state.to_string())
    .bind(&run.finished_at)
    .bind(stored(run.elapsed_ms))
    .bind(run.pairs_done)
    .bind(stored(run.compared))
    .bind(run.exact_pairs.map(stored))
    .bind(run.dice_pairs.map(stored))
    .bind(run.clusters.map(stored))
    .bind(&run.failure)
    .bind(&run.findings)
    .bind(&run.id)
    .execute(&mut *connection)
    .await?;
    certificate::write(connection, &run.id, &run.certificates).await?;
    conflicts::write(connection, &run.id, &run.conflicts).await
}

/// Marks a run that a crash has left behind as failed.
///
/// # Errors
/// When the database cannot write.
pub(crate) async fn fail_left_over(
    connection: &mut SqliteConnection,
    run: &str,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE run SET state = 'failed', finished_at = ?, failure = 'the service stopped during the run' WHERE id = ?",
    )
    .bind(instant_text(now))
    .bind(run)
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// Stores where a run stands.
    ///
    /// # Errors
    /// When the database cannot write.
    pub(crate) async fn update_run(&self, run: &RunRecord) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        update(&mut transaction, run, &[]).await?;
        Ok(transaction.commit().await?)
    }

    /// Stores the members of a run's clusters, by cluster the position of the database and the record ref of each, in
    /// many transactions. Nobody sees them before the run is done.
    ///
    /// # Errors
    /// When the database cannot write.
    pub(crate) async fn insert_members(
        &self,
        run: &str,
        clusters: Vec<Vec<(u16, RecordRef)>>,
    ) -> Result<(), StoreError> {
        let mut members = (0u64..).zip(clusters).flat_map(|(cluster, members)| {
            members.into_iter().map(move |(position, record_ref)| (cluster, position, record_ref))
        });
        loop {
            let rows: Vec<_> = members.by_ref().take(MEMBERS).collect();
            if rows.is_empty() {
                return Ok(());
            }
            let mut insert = QueryBuilder::new("INSERT INTO member (run_id, cluster, position, record_ref) ");
            insert.push_values(&rows, |mut row, (cluster, position, record_ref)| {
                row.push_bind(run).push_bind(stored(*cluster)).push_bind(*position);
                row.push_bind(record_ref.as_bytes().as_slice());
            });
            insert.build().execute(&self.pool).await?;
        }
    }

    /// Takes the members away that a run has stored before it failed, in as many transactions as they were stored in.
    ///
    /// # Errors
    /// When the database cannot write.
    pub(crate) async fn delete_members(&self, run: &str) -> Result<(), StoreError> {
        loop {
            let deleted = sqlx::query(
                "DELETE FROM member WHERE (run_id, cluster, position, record_ref) IN \
                 (SELECT run_id, cluster, position, record_ref FROM member WHERE run_id = ? LIMIT ?)",
            )
            .bind(run)
            .bind(MEMBERS as i64)
            .execute(&self.pool)
            .await?;
            if deleted.rows_affected() == 0 {
                return Ok(());
            }
        }
    }

    /// The runs that a crash has left behind.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub(crate) async fn left_over_runs(&self) -> Result<Vec<String>, StoreError> {
        let rows: Vec<(String,)> =
            sqlx::query_as("SELECT id FROM run WHERE state IN ('queued', 'running')").fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }
}
