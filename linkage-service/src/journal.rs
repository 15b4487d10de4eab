//! The audit log of the running service: one writer, and every line stored before the answer it stands for is given.

use time::OffsetDateTime;
use tokio::sync::Mutex;

use crate::audit::{Chain, Checkpoint, Entry, Label, SealedLine};
use crate::error::{JournalError, StoreError};
use crate::signing::SigningKey;
use crate::store::Store;

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
                store.append_audit(first.seq, &first.line).await?;
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
        let mut chain = self.chain.lock().await;
        let now = OffsetDateTime::now_utc();
        self.push(&mut chain, |chain| chain.seal(entry, now)).await?;
        if chain.seq().is_multiple_of(CHECKPOINT_EVERY) {
            self.push(&mut chain, |chain| chain.checkpoint(&self.key, now)).await?;
        }
        Ok(())
    }

    /// Signs where the log stands, and answers the line that says so.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn checkpoint(&self) -> Result<SealedLine, StoreError> {
        let mut chain = self.chain.lock().await;
        self.push(&mut chain, |chain| chain.checkpoint(&self.key, OffsetDateTime::now_utc())).await
    }

    async fn push(
        &self,
        chain: &mut Chain,
        seal: impl FnOnce(&Chain) -> (SealedLine, Chain),
    ) -> Result<SealedLine, StoreError> {
        let (sealed, next) = seal(chain);
        self.store.append_audit(sealed.seq, &sealed.line).await?;
        *chain = next;
        Ok(sealed)
    }
}
