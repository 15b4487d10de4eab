//! Accepted submissions, and the encoding that all of them share.

use linkage_core::harden::Profile;
use linkage_core::types::{DatabaseId, KeyCheck, SchemaDigest};
use sqlx::FromRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use time::OffsetDateTime;

use super::{Store, bytes, count, instant_text, stored};
use crate::error::StoreError;

/// How the records of a linkage group were encoded: tokens of two encodings cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// Identity of the linkage schema.
    pub schema_digest: SchemaDigest,
    /// Public check value of the linkage secret.
    pub key_check: KeyCheck,
}

/// An accepted token file.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The store's number of it; 0 before it is stored.
    pub id: i64,
    /// Whose records these are.
    pub database: DatabaseId,
    /// BLAKE3 of the sealed file.
    pub file_blake3: [u8; 32],
    /// Size of the sealed file.
    pub file_bytes: u64,
    /// BLAKE3 of what is inside the seal.
    pub payload_blake3: [u8; 32],
    /// Number of records.
    pub records: u64,
    /// Whether the custodian states that each person occurs once.
    pub deduplicated: bool,
    /// Name of the linkage schema, for people to read.
    pub schema_name: String,
    /// How the records were encoded.
    pub profile: Profile,
    /// RFC 3339.
    pub accepted_at: String,
}

/// What is held of one database.
#[derive(Clone, Debug)]
pub struct DatabaseHolding {
    /// Accepted submissions.
    pub submissions: u64,
    /// The latest one, which runs use.
    pub latest: Submission,
}

impl Store {
    /// The encoding of the linkage group, once it is decided.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn encoding(&self) -> Result<Option<Encoding>, StoreError> {
        read_encoding(&mut *self.pool.acquire().await?).await
    }

    /// The submission of this very file, if it was accepted before.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn submission(
        &self,
        database: &DatabaseId,
        file_blake3: &[u8; 32],
    ) -> Result<Option<Submission>, StoreError> {
        sqlx::query("SELECT * FROM submission WHERE database_id = ? AND file_blake3 = ?")
            .bind(database.as_str())
            .bind(file_blake3.as_slice())
            .fetch_optional(&self.pool)
            .await?
            .map(|row| from_row(&row))
            .transpose()
    }

    /// The latest submission of a database.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn latest_submission(&self, database: &DatabaseId) -> Result<Option<Submission>, StoreError> {
        sqlx::query("SELECT * FROM submission WHERE database_id = ? ORDER BY id DESC LIMIT 1")
            .bind(database.as_str())
            .fetch_optional(&self.pool)
            .await?
            .map(|row| from_row(&row))
            .transpose()
    }

    /// What is held, by database.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn holdings(&self) -> Result<Vec<DatabaseHolding>, StoreError> {
        let rows = sqlx::query(
            "SELECT *, (SELECT COUNT(*) FROM submission WHERE database_id = latest.database_id) AS submissions \
             FROM submission AS latest \
             WHERE id = (SELECT MAX(id) FROM submission WHERE database_id = latest.database_id) ORDER BY database_id",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| Ok(DatabaseHolding { submissions: count(row.try_get("submissions")?), latest: from_row(row)? }))
            .collect()
    }
}

/// Stores an accepted submission. The first one decides the encoding; the answer is the encoding then in force, and
/// when it is not `encoding`, nothing was stored.
///
/// # Errors
/// When the database cannot write.
pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    submission: &Submission,
    encoding: &Encoding,
    now: OffsetDateTime,
) -> Result<Encoding, StoreError> {
    sqlx::query("INSERT INTO encoding (id, schema_digest, key_check) VALUES (1, ?, ?) ON CONFLICT DO NOTHING")
        .bind(encoding.schema_digest.as_bytes().as_slice())
        .bind(encoding.key_check.as_bytes().as_slice())
        .execute(&mut *connection)
        .await?;
    let in_force = read_encoding(connection).await?.ok_or(StoreError::Damaged("encoding"))?;
    if in_force != *encoding {
        return Ok(in_force);
    }
    sqlx::query(
        "INSERT INTO submission (database_id, file_blake3, file_bytes, payload_blake3, records, deduplicated, \
         schema_name, profile, accepted_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(submission.database.as_str())
    .bind(submission.file_blake3.as_slice())
    .bind(stored(submission.file_bytes))
    .bind(submission.payload_blake3.as_slice())
    .bind(stored(submission.records))
    .bind(submission.deduplicated)
    .bind(&submission.schema_name)
    .bind(submission.profile.to_string())
    .bind(instant_text(now))
    .execute(connection)
    .await?;
    Ok(in_force)
}

async fn read_encoding(connection: &mut SqliteConnection) -> Result<Option<Encoding>, StoreError> {
    let row: Option<(Vec<u8>, Vec<u8>)> =
        sqlx::query_as("SELECT schema_digest, key_check FROM encoding WHERE id = 1").fetch_optional(connection).await?;
    row.map(|(digest, check)| {
        Ok(Encoding {
            schema_digest: SchemaDigest::from_bytes(bytes(digest, "schema digest")?),
            key_check: KeyCheck::from_bytes(bytes(check, "key-check value")?),
        })
    })
    .transpose()
}

#[derive(FromRow)]
struct SubmissionRow {
    id: i64,
    database_id: String,
    file_blake3: Vec<u8>,
    file_bytes: i64,
    payload_blake3: Vec<u8>,
    records: i64,
    deduplicated: bool,
    schema_name: String,
    profile: String,
    accepted_at: String,
}

fn from_row(row: &SqliteRow) -> Result<Submission, StoreError> {
    let row = SubmissionRow::from_row(row)?;
    Ok(Submission {
        id: row.id,
        database: row.database_id.parse().map_err(|_| StoreError::Damaged("database id"))?,
        file_blake3: bytes(row.file_blake3, "file hash")?,
        file_bytes: count(row.file_bytes),
        payload_blake3: bytes(row.payload_blake3, "payload hash")?,
        records: count(row.records),
        deduplicated: row.deduplicated,
        schema_name: row.schema_name,
        profile: profile(&row.profile)?,
        accepted_at: row.accepted_at,
    })
}

fn profile(stored: &str) -> Result<Profile, StoreError> {
    [Profile::Standard, Profile::Hardened, Profile::MaxQuality]
        .into_iter()
        .find(|profile| profile.to_string() == stored)
        .ok_or(StoreError::Damaged("profile"))
}
