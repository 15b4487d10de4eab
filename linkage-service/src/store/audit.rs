//! Lines of the audit log, as finished text.

use sqlx::SqliteConnection;

use super::{Store, count, stored};
use crate::error::StoreError;

/// Adds a line to the end of the log.
///
/// # Errors
/// When the number is taken already, or the database cannot write.
pub(crate) async fn append(connection: &mut SqliteConnection, seq: u64, line: &str) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO audit (seq, line) VALUES (?, ?)").bind(stored(seq)).bind(line).execute(connection).await?;
    Ok(())
}

impl Store {
    /// The last line of the log, if it has begun.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn last_audit_line(&self) -> Result<Option<String>, StoreError> {
        let row: Option<(String,)> =
            sqlx::query_as("SELECT line FROM audit ORDER BY seq DESC LIMIT 1").fetch_optional(&self.pool).await?;
        Ok(row.map(|(line,)| line))
    }

    /// The last checkpoint of the log, if it has one.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn last_audit_checkpoint(&self) -> Result<Option<String>, StoreError> {
        // A line spells its number first and what it is second; only labels of a-z and digits come from outside.
        let line = "SELECT line FROM audit WHERE line LIKE '{\"seq\":%,\"checkpoint\":{%' ORDER BY seq DESC LIMIT 1";
        let row: Option<(String,)> = sqlx::query_as(line).fetch_optional(&self.pool).await?;
        Ok(row.map(|(line,)| line))
    }

    /// At most `limit` lines from number `from` on, in order, with their numbers.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn audit_lines(&self, from: u64, limit: u64) -> Result<Vec<(u64, String)>, StoreError> {
        let rows: Vec<(i64, String)> =
            sqlx::query_as("SELECT seq, line FROM audit WHERE seq >= ? ORDER BY seq LIMIT ?")
                .bind(stored(from))
                .bind(stored(limit))
                .fetch_all(&self.pool)
                .await?;
        Ok(rows.into_iter().map(|(seq, line)| (count(seq), line)).collect())
    }
}
