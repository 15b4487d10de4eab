//! Token files in the object store: sealed, and written once.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use futures::TryStreamExt;
use linkage_core::types::DatabaseId;
use object_store::path::Path as ObjectPath;
use object_store::{GetResultPayload, ObjectStoreExt, WriteMultipart};
use tokio::io::AsyncReadExt;

use super::Store;
use crate::error::StoreError;

const PART_BYTES: usize = 8 << 20;

impl Store {
    /// Where the bytes of an upload under way lie.
    pub fn upload_path(&self, database: &DatabaseId, file_blake3: &[u8; 32]) -> PathBuf {
        self.uploads.join(format!("{database}-{}.part", blake3::Hash::from(*file_blake3).to_hex()))
    }

    /// Removes what is left of other uploads of this database, so that at most one lies about.
    ///
    /// # Errors
    /// When the folder cannot be read or a file not removed.
    pub fn drop_other_uploads(&self, database: &DatabaseId, keep: &Path) -> Result<(), StoreError> {
        let prefix = format!("{database}-");
        for entry in std::fs::read_dir(&self.uploads)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&prefix) && entry.path() != keep {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Puts a verified token file away under its hash. A file that is there already is left as it is: the name is the
    /// hash of the contents.
    ///
    /// # Errors
    /// When the file cannot be read or the object store cannot write.
    pub async fn put_token_file(
        &self,
        from: &Path,
        database: &DatabaseId,
        file_blake3: &[u8; 32],
    ) -> Result<(), StoreError> {
        let target = object_path(database, file_blake3);
        // First under a name of its own, then renamed unless the target exists: nobody ever sees half an object.
        let mut random = [0u8; 8];
        getrandom::fill(&mut random).map_err(|_| std::io::Error::other("no randomness"))?;
        let incoming = ObjectPath::from(format!("incoming/{:016x}", u64::from_le_bytes(random)));
        let mut file = tokio::fs::File::open(from).await?;
        let mut upload = WriteMultipart::new_with_chunk_size(self.objects.put_multipart(&incoming).await?, PART_BYTES);
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read = file.read(&mut buffer).await?;
            if read == 0 {
                break;
            }
            upload.write(&buffer[..read]);
            upload.wait_for_capacity(4).await?;
        }
        upload.finish().await?;
        match self.objects.rename_if_not_exists(&incoming, &target).await {
            // The receipt that follows must survive a power cut, and the local store does not sync by itself.
            Ok(()) => match self.objects.get(&target).await?.payload {
                GetResultPayload::File(file, _) => Ok(file.sync_all()?),
                GetResultPayload::Stream(_) => Ok(()),
            },
            Err(object_store::Error::AlreadyExists { .. }) => Ok(self.objects.delete(&incoming).await?),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a stored token file. From a remote store it comes through a temporary file, still sealed.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub async fn open_token_file(&self, database: &DatabaseId, file_blake3: &[u8; 32]) -> Result<File, StoreError> {
        let result = self.objects.get(&object_path(database, file_blake3)).await?;
        match result.payload {
            GetResultPayload::File(file, _) => Ok(file),
            GetResultPayload::Stream(mut stream) => {
                let mut file = tempfile::tempfile()?;
                while let Some(chunk) = stream.try_next().await? {
                    file.write_all(&chunk)?;
                }
                file.rewind()?;
                Ok(file)
            }
        }
    }
}

fn object_path(database: &DatabaseId, file_blake3: &[u8; 32]) -> ObjectPath {
    ObjectPath::from(format!("submissions/{database}/{}.tokens", blake3::Hash::from(*file_blake3).to_hex()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_object_is_written_once() {
        let unit = tempfile::tempdir().unwrap();
        let store = Store::open(unit.path()).await.unwrap();
        let (database, hash) = ("ndb".parse().unwrap(), [7; 32]);
        let (first, second) = (unit.path().join("first"), unit.path().join("second"));
        std::fs::write(&first, b"first").unwrap();
        std::fs::write(&second, b"second").unwrap();
        store.put_token_file(&first, &database, &hash).await.unwrap();
        store.put_token_file(&second, &database, &hash).await.unwrap();
        let kept = std::io::read_to_string(store.open_token_file(&database, &hash).await.unwrap()).unwrap();
        assert_eq!(kept, "first");
        assert_eq!(std::fs::read_dir(unit.path().join("objects/incoming")).map_or(0, Iterator::count), 0);
    }
}
