//! Conflicts: where exact tokens and similarity say different things of a record.

use linkage_core::types::DatabaseId;
use sqlx::{FromRow, SqliteConnection};

use super::{Store, count, stored};
use crate::error::StoreError;

/// How often the exact tokens of two databases and the similarity of their records disagree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflicts {
    /// The left database.
    pub left: DatabaseId,
    /// The right database.
    pub right: DatabaseId,
    /// Pairs of records that agree in an exact token.
    pub exact_pairs: u64,
    /// Of these, the pairs less similar than the threshold.
    pub below_threshold: u64,
    /// Of these, the pairs one of whose records is more like another record; `None` when they were not counted.
    pub with_rival: Option<u64>,
}

#[derive(FromRow)]
struct Row {
    left_database: String,
    right_database: String,
    exact_pairs: i64,
    below_threshold: i64,
    with_rival: Option<i64>,
}

impl Row {
    fn into_conflicts(self) -> Result<Conflicts, StoreError> {
        let database = |text: String| text.parse().map_err(|_| StoreError::Damaged("database id"));
        Ok(Conflicts {
            left: database(self.left_database)?,
            right: database(self.right_database)?,
            exact_pairs: count(self.exact_pairs),
            below_threshold: count(self.below_threshold),
            with_rival: self.with_rival.map(count),
        })
    }
}

impl Store {
    /// The conflicts of a run.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub(super) async fn conflicts(&self, run: &str) -> Result<Vec<Conflicts>, StoreError> {
        let rows: Vec<Row> =
            sqlx::query_as("SELECT * FROM run_conflicts WHERE run_id = ? ORDER BY left_database, right_database")
                .bind(run)
                .fetch_all(&self.pool)
                .await?;
        rows.into_iter().map(Row::into_conflicts).collect()
    }
}

/// Stores a run's conflicts; those that are stored already are the same ones.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    run: &str,
    conflicts: &[Conflicts],
) -> Result<(), StoreError> {
    for of_pair in conflicts {
        sqlx::query("INSERT INTO run_conflicts VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING")
            .bind(run)
            .bind(of_pair.left.as_str())
            .bind(of_pair.right.as_str())
            .bind(stored(of_pair.exact_pairs))
            .bind(stored(of_pair.below_threshold))
            .bind(of_pair.with_rival.map(stored))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
