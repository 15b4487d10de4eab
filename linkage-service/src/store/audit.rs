//! Lines of the audit log, as finished text.

use super::{Store, count, stored};
use crate::error::StoreError;

impl Store {
    /// Adds lines to the end of the log, all or none. `first` is the number of the first of them.
    ///
    /// # Errors
    /// When one of the numbers is taken already, or the database cannot write.
    pub async fn append_audit(&self, first: u64, lines: &[String]) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        for (seq, line) in (first..).zip(lines) {
            sqlx::query("INSERT INTO audit (seq, line) VALUES (?, ?)")
                .bind(stored(seq))
                .bind(line)
                .execute(&mut *transaction)
                .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// At most `limit` lines from number `from` on, in order, with their numbers.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn audit_lines(&self, from: u64, limit: u64) -> Result<Vec<(u64, String)>, StoreError> {
        let rows: Vec<(i64, String)> = sqlx::query_as("SELECT seq, line FROM audit WHERE seq >= ? ORDER BY seq LIMIT ?")
            .bind(stored(from))
            .bind(stored(limit))
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(|(seq, line)| (count(seq), line)).collect())
    }
}
