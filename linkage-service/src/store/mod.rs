//! What the linkage unit keeps: a SQLite database for what is known, an object store for token files.
//!
//! The store decides nothing. It knows neither callers nor permits' meaning; it keeps what it is given, in transactions.

pub(crate) mod audit;
mod certificate;
mod conflicts;
mod objects;
pub(crate) mod permit;
pub(crate) mod run;
pub(crate) mod submission;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, Transaction};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use certificate::{Certificate, Means};
pub use conflicts::Conflicts;
pub use run::{PairRecord, RunInput, RunRecord, RunState};
pub use submission::{DatabaseHolding, Encoding, Submission};

use crate::error::StoreError;

/// The open store of one linkage unit.
#[derive(Clone)]
pub struct Store {
    pool: sqlx::SqlitePool,
    objects: Arc<dyn ObjectStore>,
    uploads: PathBuf,
}

impl Store {
    /// Opens the store in a unit's folder, bringing an older database up to date. Makes what is missing.
    ///
    /// # Errors
    /// When the folder cannot be written, or the database is not one of ours.
    pub async fn open(unit: &Path) -> Result<Self, StoreError> {
        let (objects, uploads) = (unit.join("objects"), unit.join("uploads"));
        std::fs::create_dir_all(&objects)?;
        std::fs::create_dir_all(&uploads)?;
        let database = unit.join("unit.db");
        make_private(&database)?;
        let options = SqliteConnectOptions::new()
            .filename(database)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            // An answer that was given must survive a power cut: the audit log is in here.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(30));
        let pool = SqlitePoolOptions::new().max_connections(8).connect_with(options).await?;
        sqlx::migrate!("./migrations").run(&pool).await?;
        let objects = LocalFileSystem::new_with_prefix(objects)?;
        Ok(Self { pool, objects: Arc::new(objects), uploads })
    }

    /// Begins to write: nobody else writes until this is committed or dropped, and dropping undoes it.
    ///
    /// # Errors
    /// When the database cannot write.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Writes what is still in the write-ahead log and closes the database.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Makes the database file, if it is not there, so that its owner alone can read it: project secrets are in it.
fn make_private(path: &Path) -> Result<(), StoreError> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?;
    Ok(())
}

/// An instant as the store and the protocol write it: RFC 3339 in UTC, to the second.
pub fn instant_text(instant: OffsetDateTime) -> String {
    let whole = instant.to_offset(time::UtcOffset::UTC).replace_nanosecond(0).unwrap_or(instant);
    whole.format(&Rfc3339).unwrap_or_default()
}

fn bytes<const N: usize>(stored: Vec<u8>, what: &'static str) -> Result<[u8; N], StoreError> {
    stored.try_into().map_err(|_| StoreError::Damaged(what))
}

/// SQLite's integers are signed; every count here is far below their limit.
fn count(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}

fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
