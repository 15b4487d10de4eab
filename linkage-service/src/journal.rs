//! The audit log of the running service: one writer, and every line stored before the answer it stands for is given.

use sqlx::{Sqlite, SqliteConnection, Transaction};
use time::OffsetDateTime;
use tokio::sync::{Mutex, MutexGuard};

use crate::audit::{Chain, Checkpoint, Entry, Label, SealedLine};
use crate::error::{JournalError, StoreError};
use crate::signing::SigningKey;
use crate::store::{Store, audit};

/// After so many entries a signed checkpoint follows of itself.
const CHECKPOINT_EVERY: u64 = 500;

/// The open log.
pub struct Journal {
    store: Store,
    key: SigningKey,
    chain: Mutex<Chain>,
}

impl Journal {
    /// Goes on with the log in the store, or begins it.
    ///
    /// # Errors
    /// When the store fails, its last line is damaged, or the log is another's: a key or name that is not its own.
    pub async fn open(store: Store, key: SigningKey, origin: Label) -> Result<Self, JournalError> {
        let chain = match store.last_audit_line().await? {
            Some(line) => {
                if let Some(checkpoint) = store.last_audit_checkpoint().await? {
                    let ours = Checkpoint::parse_line(checkpoint.as_bytes(), &key.public_key());
                    if !ours.is_ok_and(|checkpoint| checkpoint.origin == origin) {
                        return Err(JournalError::OtherLog);
                    }
                }
                Chain::resume(origin, &line)?
            }
            None => {
                let (first, chain) = Chain::start(origin);
                let mut transaction = store.begin().await?;
                audit::append(&mut transaction, first.seq, &first.line).await?;
                transaction.commit().await.map_err(StoreError::from)?;
                chain
            }
        };
        Ok(Self { store, key, chain: Mutex::new(chain) })
    }

    /// Writes one entry. Until this has returned, nobody may be told what it says.
    ///
    /// # Errors
    /// When the store fails; then the answer has to be withheld.
    pub async fn record(&self, entry: Entry) -> Result<(), StoreError> {
        let mut writing = self.begin().await?;
        writing.record(entry).await?;
        writing.commit().await
    }

    /// Begins to write entries together with what they tell of: after a crash both are there, or neither.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn begin(&self) -> Result<Writing<'_>, StoreError> {
        let chain = self.chain.lock().await;
        let transaction = self.store.begin().await?;
        Ok(Writing { next: chain.clone(), chain, transaction, key: &self.key })
    }

    /// Signs where the log stands, and answers the line that says so.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn checkpoint(&self) -> Result<SealedLine, StoreError> {
        let mut writing = self.begin().await?;
        let line = writing.checkpoint().await?;
        writing.commit().await?;
        Ok(line)
    }
}

/// Lines that are being written, and what they tell of. Dropped before [`Writing::commit`], none of it was.
pub struct Writing<'a> {
    chain: MutexGuard<'a, Chain>,
    next: Chain,
    transaction: Transaction<'static, Sqlite>,
    key: &'a SigningKey,
}

impl Writing<'_> {
    /// Where to write what the entries tell of.
    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }

    /// Adds an entry, and a checkpoint when it is time for one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn record(&mut self, entry: Entry) -> Result<(), StoreError> {
        let sealed = self.next.seal(entry, OffsetDateTime::now_utc());
        self.push(sealed).await?;
        if self.next.seq().is_multiple_of(CHECKPOINT_EVERY) {
            self.checkpoint().await?;
        }
        Ok(())
    }

    /// Makes it lasting.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        self.transaction.commit().await?;
        *self.chain = self.next;
        Ok(())
    }

    async fn checkpoint(&mut self) -> Result<SealedLine, StoreError> {
        let sealed = self.next.checkpoint(self.key, OffsetDateTime::now_utc());
        self.push(sealed).await
    }

    async fn push(&mut self, (sealed, next): (SealedLine, Chain)) -> Result<SealedLine, StoreError> {
        audit::append(&mut self.transaction, sealed.seq, &sealed.line).await?;
        self.next = next;
        Ok(sealed)
    }
}
