//! Writing tables where workers can read them, and taking them away again.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::objects::{self, Chunk, ChunkKey};
use super::scan::SharedTable;

/// The folder of all links in the store.
const FOLDER: &str = "links";

/// The tables of one link in the object store. They are removed when this is dropped.
pub(super) struct Publication {
    store: Arc<dyn ObjectStore>,
    folder: Path,
    key: ChunkKey,
    next: u64,
    written: Vec<Path>,
}

impl Publication {
    pub(super) fn new(store: Arc<dyn ObjectStore>) -> Result<Self> {
        let mut name = [0; 16];
        getrandom::fill(&mut name).map_err(|_| exec_datafusion_err!("no randomness for the name of a link"))?;
        let folder = Path::from(format!("{FOLDER}/{:032x}", u128::from_le_bytes(name)));
        Ok(Self { store, folder, key: ChunkKey::draw()?, next: 0, written: Vec::new() })
    }

    /// Writes rows in chunks of `chunk_rows`, holding no more than one chunk at a time.
    pub(super) async fn table(
        &mut self,
        mut rows: SendableRecordBatchStream,
        chunk_rows: usize,
    ) -> Result<SharedTable> {
        let schema = rows.schema();
        let (mut chunks, mut waiting, mut waiting_rows) = (Vec::new(), Vec::new(), 0);
        while let Some(batch) = rows.next().await {
            let mut batch = batch?;
            while waiting_rows + batch.num_rows() >= chunk_rows {
                let fits = chunk_rows - waiting_rows;
                waiting.push(batch.slice(0, fits));
                batch = batch.slice(fits, batch.num_rows() - fits);
                chunks.push(self.chunk(&concat_batches(&schema, &waiting)?).await?);
                (waiting, waiting_rows) = (Vec::new(), 0);
            }
            waiting_rows += batch.num_rows();
            if batch.num_rows() > 0 {
                waiting.push(batch);
            }
        }
        if waiting_rows > 0 {
            chunks.push(self.chunk(&concat_batches(&schema, &waiting)?).await?);
        }
        Ok(SharedTable { schema, chunks, key: self.key.clone() })
    }

    async fn chunk(&mut self, batch: &RecordBatch) -> Result<Chunk> {
        let number = self.next;
        self.next += 1;
        let path = self.folder.clone().join(format!("{number}.sealed"));
        let chunk = Chunk { path: path.clone(), number, rows: batch.num_rows() };
        self.written.push(path);
        objects::put(self.store.as_ref(), &chunk, &self.key, batch).await?;
        Ok(chunk)
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        let (store, written) = (Arc::clone(&self.store), std::mem::take(&mut self.written));
        // Without a runtime the process is ending. The chunks stay, and nobody has their key any more.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                for path in written {
                    if let Err(error) = store.delete(&path).await
                        && !matches!(error, object_store::Error::NotFound { .. })
                    {
                        tracing::warn!(%path, %error, "a chunk of a link could not be removed");
                    }
                }
            });
        }
    }
}
