//! Rows for workers, in an object store that coordinator and workers both see.
//!
//! A chunk is one object: a batch as an Arrow IPC stream, sealed with ChaCha20-Poly1305 under a key that is drawn for one
//! link and travels only inside plans, that is over the mutual TLS between coordinator and worker. So whoever reads the
//! store without being a worker of this link reads nothing, and a chunk that was changed, cut off or put in the place of
//! another is refused.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::writer::StreamWriter;
use chacha20poly1305::aead::AeadInPlace;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce};
use datafusion::common::{DataFusionError, Result, exec_datafusion_err};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use zeroize::Zeroizing;

/// The key of one link. Debug shows nothing of it.
#[derive(Clone)]
pub(super) struct ChunkKey(Arc<Zeroizing<[u8; 32]>>);

impl ChunkKey {
    pub(super) fn draw() -> Result<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut_slice())
            .map_err(|_| exec_datafusion_err!("no randomness for the key of a link"))?;
        Ok(Self(Arc::new(bytes)))
    }

    pub(super) fn from_slice(bytes: &[u8]) -> Option<Self> {
        Some(Self(Arc::new(Zeroizing::new(bytes.try_into().ok()?))))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(self.0.as_slice().into())
    }
}

impl std::fmt::Debug for ChunkKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChunkKey(..)")
    }
}

/// Where a chunk lies, and how many rows it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) path: Path,
    /// Its number within the link; no two chunks sealed under one key share it.
    pub(super) number: u64,
    pub(super) rows: usize,
}

/// Seals a batch into the store. The store shows an object only when it is whole.
pub(super) async fn put(store: &dyn ObjectStore, chunk: &Chunk, key: &ChunkKey, batch: &RecordBatch) -> Result<()> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema())?;
    writer.write(batch)?;
    let mut bytes = writer.into_inner()?;
    let sealed = key.cipher().encrypt_in_place(&nonce(chunk), chunk.path.as_ref().as_bytes(), &mut bytes);
    sealed.map_err(|_| exec_datafusion_err!("a chunk could not be sealed"))?;
    store.put(&chunk.path, bytes.into()).await?;
    Ok(())
}

/// Opens a chunk. Its columns are views of the bytes that were read.
pub(super) async fn get(store: &dyn ObjectStore, chunk: &Chunk, key: &ChunkKey) -> Result<RecordBatch> {
    let mut bytes: Vec<u8> = store.get(&chunk.path).await?.bytes().await?.into();
    let opened = key.cipher().decrypt_in_place(&nonce(chunk), chunk.path.as_ref().as_bytes(), &mut bytes);
    opened.map_err(|_| damaged(chunk))?;
    let mut buffer = Buffer::from_vec(bytes);
    let mut decoder = StreamDecoder::new();
    let batch = decoder.decode(&mut buffer)?.ok_or_else(|| damaged(chunk))?;
    if batch.num_rows() == chunk.rows { Ok(batch) } else { Err(damaged(chunk)) }
}

/// Refuses columns that are not those of the plan.
pub(super) fn check_schema(batch: &RecordBatch, schema: &SchemaRef, chunk: &Chunk) -> Result<()> {
    if batch.schema().fields() == schema.fields() { Ok(()) } else { Err(damaged(chunk)) }
}

fn nonce(chunk: &Chunk) -> Nonce {
    let mut nonce = Nonce::default();
    nonce[..8].copy_from_slice(&chunk.number.to_le_bytes());
    nonce
}

fn damaged(chunk: &Chunk) -> DataFusionError {
    exec_datafusion_err!("the chunk {} in the object store is damaged, or is not of this link", chunk.path)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, UInt32Array};
    use object_store::memory::InMemory;

    use super::*;

    fn chunk(number: u64) -> Chunk {
        Chunk { path: Path::from(format!("runs/1/{number}")), number, rows: 3 }
    }

    #[tokio::test]
    async fn a_chunk_is_read_as_it_was_written_and_refused_when_changed_or_misplaced() {
        let (store, key) = (InMemory::new(), ChunkKey::draw().unwrap());
        let rows: ArrayRef = Arc::new(UInt32Array::from(vec![7, 8, 9]));
        let batch = RecordBatch::try_from_iter([("row", rows)]).unwrap();
        let (first, second) = (chunk(1), chunk(2));
        put(&store, &first, &key, &batch).await.unwrap();
        assert_eq!(get(&store, &first, &key).await.unwrap(), batch);

        let sealed: Vec<u8> = store.get(&first.path).await.unwrap().bytes().await.unwrap().into();
        store.put(&second.path, sealed.clone().into()).await.unwrap();
        assert!(get(&store, &second, &key).await.is_err(), "one chunk stood in for another");
        assert!(get(&store, &first, &ChunkKey::draw().unwrap()).await.is_err(), "another key opened it");
        for at in [0, sealed.len() / 2, sealed.len() - 1] {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            store.put(&first.path, changed.into()).await.unwrap();
            assert!(get(&store, &first, &key).await.is_err(), "byte {at}");
        }
        store.put(&first.path, sealed[..sealed.len() - 5].to_vec().into()).await.unwrap();
        assert!(get(&store, &first, &key).await.is_err(), "half a chunk");
        assert_eq!(format!("{key:?}"), "ChunkKey(..)");
    }
}
