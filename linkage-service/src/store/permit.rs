//! Registered permits, as signed bytes.

use time::OffsetDateTime;

use super::{Store, instant_text};
use crate::error::StoreError;
use crate::role::ProjectId;

/// A permit as it was handed in. Its meaning is read from the document anew at every use.
#[derive(Clone, Debug)]
pub struct StoredPermit {
    /// The permit's id.
    pub id: String,
    /// The signed bytes.
    pub document: Vec<u8>,
    /// The signed bytes that ended it, if it was revoked.
    pub revocation: Option<Vec<u8>>,
}

impl Store {
    /// Registers a permit. Answers false when one with this id is here already.
    ///
    /// # Errors
    /// When the database cannot write.
    pub async fn insert_permit(
        &self,
        id: &str,
        project: &ProjectId,
        document: &[u8],
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO permit (id, project, document, submitted_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(id)
        .bind(project.as_str())
        .bind(document)
        .bind(instant_text(now))
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Ends a permit. Answers false when there is none with this id, or it was ended before.
    ///
    /// # Errors
    /// When the database cannot write.
    pub async fn revoke_permit(&self, id: &str, revocation: &[u8], now: OffsetDateTime) -> Result<bool, StoreError> {
        let done =
            sqlx::query("UPDATE permit SET revocation = ?, revoked_at = ? WHERE id = ? AND revocation IS NULL")
                .bind(revocation)
                .bind(instant_text(now))
                .bind(id)
                .execute(&self.pool)
                .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The permit with this id.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn permit(&self, id: &str) -> Result<Option<StoredPermit>, StoreError> {
        let row: Option<(String, Vec<u8>, Option<Vec<u8>>)> =
            sqlx::query_as("SELECT id, document, revocation FROM permit WHERE id = ?")
                .bind(id)
                .fetch_optional(&self.pool)
                .await?;
        Ok(row.map(from_row))
    }

    /// Every permit, of one project or of all, in order of arrival.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn permits(&self, project: Option<&ProjectId>) -> Result<Vec<StoredPermit>, StoreError> {
        let rows: Vec<(String, Vec<u8>, Option<Vec<u8>>)> = sqlx::query_as(
            "SELECT id, document, revocation FROM permit WHERE ?1 IS NULL OR project = ?1 ORDER BY rowid",
        )
        .bind(project.map(ProjectId::as_str))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(from_row).collect())
    }
}

fn from_row((id, document, revocation): (String, Vec<u8>, Option<Vec<u8>>)) -> StoredPermit {
    StoredPermit { id, document, revocation }
}
