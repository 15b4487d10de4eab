//! Token files arriving: in pieces, resumable, verified before they count.
//!
//! The bytes of an upload lie in a folder of their own until all are there. Only then is the seal opened, everything
//! checked to the last byte, and the sealed file moved to the object store. What fails is deleted and leaves no trace
//! but an audit entry.

use std::collections::HashSet;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use linkage_core::token_file::{TokenFileHeader, TokenFileReader, TokenFileStats};
use linkage_core::types::DatabaseId;
use time::OffsetDateTime;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use crate::audit::Entry;
use crate::error::SubmissionError;
use crate::store::{Encoding, Submission, instant_text, submission};
use crate::unit::Unit;

/// What a custodian says it is about to send.
#[derive(Clone, Debug)]
pub struct Announcement {
    /// The caller's database.
    pub database: DatabaseId,
    /// BLAKE3 of the sealed file.
    pub file_blake3: [u8; 32],
    /// Size of the sealed file.
    pub file_bytes: u64,
}

/// How far a submission is.
#[derive(Clone, Debug)]
pub enum Progress {
    /// So many bytes are here; the rest is missing.
    Received(u64),
    /// Verified and stored.
    Accepted(Box<Submission>),
}

/// Databases with an upload under way: two writers to one file would spoil it.
#[derive(Debug, Default)]
pub struct UploadsUnderWay(Mutex<HashSet<DatabaseId>>);

/// Answers how far an announced file is.
///
/// # Errors
/// When the file is empty or larger than the unit accepts, or the store fails.
pub async fn begin(unit: &Unit, announcement: &Announcement) -> Result<Progress, SubmissionError> {
    check_size(unit, announcement)?;
    if let Some(submission) = unit.store().submission(&announcement.database, &announcement.file_blake3).await? {
        return Ok(Progress::Accepted(Box::new(submission)));
    }
    let path = unit.store().upload_path(&announcement.database, &announcement.file_blake3);
    let received = tokio::fs::metadata(path).await.map_or(0, |metadata| metadata.len());
    Ok(Progress::Received(received))
}

/// An upload under way.
pub struct Upload {
    unit: Arc<Unit>,
    announcement: Announcement,
    path: PathBuf,
    file: tokio::fs::File,
    received_bytes: u64,
}

impl Upload {
    /// Opens the upload of an announced file at `offset`, which has to be where the last one stopped.
    ///
    /// # Errors
    /// When the size is not acceptable, another upload of this database is under way, or the offset is wrong.
    pub async fn open(unit: Arc<Unit>, announcement: Announcement, offset: u64) -> Result<Self, SubmissionError> {
        check_size(&unit, &announcement)?;
        if !unit.uploads().lock(&announcement.database) {
            return Err(SubmissionError::Busy);
        }
        match open_at(&unit, &announcement, offset).await {
            Ok((path, file)) => Ok(Self { unit, announcement, path, file, received_bytes: offset }),
            Err(error) => {
                unit.uploads().unlock(&announcement.database);
                Err(error)
            }
        }
    }

    /// Adds a piece.
    ///
    /// # Errors
    /// When more arrives than was announced; then all of it is discarded.
    pub async fn write(&mut self, chunk: &[u8]) -> Result<(), SubmissionError> {
        self.received_bytes += chunk.len() as u64;
        if self.received_bytes > self.announcement.file_bytes {
            discard(&self.path).await;
            return Err(SubmissionError::TooMuch { announced: self.announcement.file_bytes });
        }
        Ok(self.file.write_all(chunk).await?)
    }

    /// Ends the upload. When all bytes are here, they are verified, and the file is accepted or discarded. The audit log
    /// gets its entry together with the submission.
    ///
    /// # Errors
    /// When the file is damaged, is another database's, or was made with another linkage schema or secret.
    pub async fn finish(
        mut self,
        now: OffsetDateTime,
        entry: impl FnOnce(&Submission) -> Entry,
    ) -> Result<Progress, SubmissionError> {
        self.file.flush().await?;
        if self.received_bytes < self.announcement.file_bytes {
            return Ok(Progress::Received(self.received_bytes));
        }
        let accepted = self.accept(now, entry).await;
        // Also when it was refused: the sealed bytes would only be refused again.
        discard(&self.path).await;
        accepted.map(|submission| Progress::Accepted(Box::new(submission)))
    }

    async fn accept(
        &self,
        now: OffsetDateTime,
        entry: impl FnOnce(&Submission) -> Entry,
    ) -> Result<Submission, SubmissionError> {
        let Announcement { database, file_blake3, file_bytes } = &self.announcement;
        let (unit, path, expected) = (Arc::clone(&self.unit), self.path.clone(), *file_blake3);
        let verified = tokio::task::spawn_blocking(move || verify(&path, &expected, &unit)).await;
        let (header, stats) = verified.map_err(|_| SubmissionError::Unverified)??;
        if header.database != *database {
            return Err(SubmissionError::OtherDatabase { file: header.database, caller: database.clone() });
        }
        let encoding = Encoding { schema_digest: header.schema_digest, key_check: header.key_check };
        if let Some(expected) = self.unit.config().matching.schema_digest
            && expected != encoding.schema_digest
        {
            return Err(SubmissionError::OtherSchema { expected, found: encoding.schema_digest });
        }
        if let Some(in_force) = self.unit.store().encoding().await? {
            check_encoding(&in_force, &encoding)?;
        }
        let accepted = Submission {
            id: 0,
            database: database.clone(),
            file_blake3: *file_blake3,
            file_bytes: *file_bytes,
            payload_blake3: stats.payload_blake3,
            records: stats.records,
            deduplicated: header.deduplicated,
            profile: header.profile(),
            schema_name: header.schema_name,
            accepted_at: instant_text(now),
        };
        self.unit.store().put_token_file(&self.path, database, file_blake3).await?;
        // Two first submissions may race; the transaction decides which of them sets the encoding.
        let mut writing = self.unit.journal().begin().await?;
        let in_force = submission::insert(writing.connection(), &accepted, &encoding, now).await?;
        check_encoding(&in_force, &encoding)?;
        writing.record(entry(&accepted)).await?;
        writing.commit().await?;
        Ok(accepted)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.unit.uploads().unlock(&self.announcement.database);
    }
}

impl UploadsUnderWay {
    fn lock(&self, database: &DatabaseId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(database.clone())
    }

    fn unlock(&self, database: &DatabaseId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(database);
    }
}

fn check_size(unit: &Unit, announcement: &Announcement) -> Result<(), SubmissionError> {
    let limit_mib = unit.config().limits.submission_mib;
    match announcement.file_bytes {
        0 => Err(SubmissionError::Empty),
        bytes if bytes.div_ceil(1 << 20) > limit_mib => Err(SubmissionError::TooLarge { limit_mib }),
        _ => Ok(()),
    }
}

async fn open_at(
    unit: &Unit,
    announcement: &Announcement,
    offset: u64,
) -> Result<(PathBuf, tokio::fs::File), SubmissionError> {
    let path = unit.store().upload_path(&announcement.database, &announcement.file_blake3);
    unit.store().drop_other_uploads(&announcement.database, &path)?;
    let mut file = tokio::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path).await?;
    let received = file.seek(std::io::SeekFrom::End(0)).await?;
    if received != offset {
        return Err(SubmissionError::Offset { received });
    }
    Ok((path, file))
}

async fn discard(path: &Path) {
    if let Err(error) = tokio::fs::remove_file(path).await {
        tracing::warn!(%error, "an upload could not be discarded");
    }
}

/// Reads the file to its end, twice: the hash that the custodian announced, then what is inside the seal.
fn verify(path: &Path, expected: &[u8; 32], unit: &Unit) -> Result<(TokenFileHeader, TokenFileStats), SubmissionError> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    if hasher.finalize() != blake3::Hash::from(*expected) {
        return Err(SubmissionError::Hash);
    }
    let mut reader = TokenFileReader::open(BufReader::new(File::open(path)?), unit.identity())?;
    while reader.next_batch()?.is_some() {}
    let header = reader.header().clone();
    Ok((header, reader.finish()?))
}

fn check_encoding(in_force: &Encoding, found: &Encoding) -> Result<(), SubmissionError> {
    if in_force.schema_digest != found.schema_digest {
        return Err(SubmissionError::OtherSchema { expected: in_force.schema_digest, found: found.schema_digest });
    }
    if in_force.key_check != found.key_check {
        return Err(SubmissionError::OtherSecret { expected: in_force.key_check, found: found.key_check });
    }
    Ok(())
}
