//! Registered permits and revocations, as signed bytes. Their meaning is read from the bytes anew at every use.

use sqlx::SqliteConnection;
use time::OffsetDateTime;

use super::{Store, instant_text};
use crate::error::StoreError;
use crate::permit::{PermitId, Statement};
use crate::role::ProjectId;

/// Stores a version of a permit. Answers false when this version or a higher one is here already.
///
/// # Errors
/// When the database cannot write.
pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    permit: &Statement,
    document: &[u8],
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO permit (id, version, project, document, submitted_at) SELECT ?1, ?2, ?3, ?4, ?5 \
         WHERE NOT EXISTS (SELECT 1 FROM permit WHERE id = ?1 AND version >= ?2)",
    )
    .bind(permit.id.as_str())
    .bind(permit.version)
    .bind(permit.project.as_str())
    .bind(document)
    .bind(instant_text(now))
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Stores the revocation of a permit; a second one of the same permit changes nothing.
///
/// # Errors
/// When the database cannot write.
pub(crate) async fn insert_revocation(
    connection: &mut SqliteConnection,
    permit: &PermitId,
    document: &[u8],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO revocation (permit_id, document, submitted_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
        .bind(permit.as_str())
        .bind(document)
        .bind(instant_text(now))
        .execute(connection)
        .await?;
    Ok(())
}

impl Store {
    /// The highest version of a permit.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn permit(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let row: Option<(Vec<u8>,)> =
            sqlx::query_as("SELECT document FROM permit WHERE id = ? ORDER BY version DESC LIMIT 1")
                .bind(id)
                .fetch_optional(&self.pool)
                .await?;
        Ok(row.map(|(document,)| document))
    }

    /// The revocation that concerns a permit: none or one.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn revocations(&self, permit: &str) -> Result<Vec<Vec<u8>>, StoreError> {
        let rows: Vec<(Vec<u8>,)> = sqlx::query_as("SELECT document FROM revocation WHERE permit_id = ?")
            .bind(permit)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(|(document,)| document).collect())
    }

    /// The highest version of every permit, of one project or of all, in order of arrival.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn permits(&self, project: Option<&ProjectId>) -> Result<Vec<Vec<u8>>, StoreError> {
        let rows: Vec<(Vec<u8>,)> = sqlx::query_as(
            "SELECT document FROM permit AS p WHERE (?1 IS NULL OR project = ?1) \
             AND version = (SELECT MAX(version) FROM permit WHERE id = p.id) ORDER BY rowid",
        )
        .bind(project.map(ProjectId::as_str))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|(document,)| document).collect())
    }
}
