//! Writes a token file: sealed as it is written, and named only when it is whole.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::StreamWriter;
use tempfile::NamedTempFile;

use super::columns::RowCheck;
use super::flushing::Flushing;
use super::sealing::Sealing;
use super::{MAGIC, MAX_BATCH_ROWS, TRAILER_MAGIC, TokenFileHeader, TokenFileStats, density_ppm};
use crate::error::TokenFileError;

/// What to do when there is a file of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Leave it and fail.
    Refuse,
    /// Replace it, in one step, when the new file is whole.
    Replace,
}

/// Writes a token file to disk.
///
/// Dropped before [`Self::finish`], or killed, it leaves nothing under the final name.
pub struct TokenFileWriter {
    payload: PayloadWriter<NamedTempFile>,
    path: PathBuf,
    existing: Existing,
    /// A handle of the file for the thread that flushes it, and that thread.
    file: File,
    flushing: Option<Flushing>,
}

/// Writes header, batches and trailer into any sink, sealed.
pub(super) struct PayloadWriter<W: Write> {
    arrow: StreamWriter<BufWriter<HashingWriter<Sealing<W>>>>,
    schema: SchemaRef,
    header: TokenFileHeader,
    rows: RowCheck,
}

/// Hashes what passes through.
struct HashingWriter<W> {
    inner: W,
    hasher: blake3::Hasher,
}

impl TokenFileWriter {
    /// Starts a token file that these recipients can open; its header states the records and density that will follow.
    ///
    /// # Errors
    /// [`TokenFileError`] when the header breaks a rule, there is no recipient, the file exists and shall not be
    /// replaced, or its folder cannot be written to.
    pub fn create(
        path: &Path,
        header: TokenFileHeader,
        recipients: &[&dyn age::Recipient],
        existing: Existing,
    ) -> Result<Self, TokenFileError> {
        if existing == Existing::Refuse && path.try_exists().map_err(TokenFileError::Io)? {
            return Err(TokenFileError::Exists { path: path.to_owned() });
        }
        // In the same folder, because a rename is atomic within one file system only.
        let mut builder = tempfile::Builder::new();
        let file =
            builder.prefix(".tokens-").suffix(".partial").tempfile_in(folder(path)).map_err(TokenFileError::Io)?;
        // Whoever cleans up after a kill sees by the lock that this one is still written. Without locks nobody cleans up.
        let _ = file.as_file().try_lock();
        let handle = file.as_file().try_clone().map_err(TokenFileError::Io)?;
        let payload = PayloadWriter::new(file, header, recipients)?;
        Ok(Self { payload, path: path.to_owned(), existing, file: handle, flushing: None })
    }

    /// Seals and writes on a thread of its own from now on, beside the one that hashes, and has the disk take what is
    /// written on a further one. The bytes are the same.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub fn seal_beside(&mut self) -> io::Result<()> {
        self.flushing = Some(Flushing::start(self.file.try_clone()?)?);
        let sealing = &mut self.payload.arrow.get_mut().get_mut().inner;
        sealing.move_to_a_thread()
    }

    /// Writes a batch with the columns of [`TokenFileHeader::arrow_schema`], its record refs rising from batch to batch.
    ///
    /// # Errors
    /// [`TokenFileError`] when the columns are others, a value is missing, the order is wrong or the disk is full.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), TokenFileError> {
        self.payload.write(batch)?;
        if let Some(flushing) = &mut self.flushing {
            flushing.count(batch.get_array_memory_size());
        }
        Ok(())
    }

    /// Writes the trailer, waits for the disk and gives the file its name.
    ///
    /// # Errors
    /// [`TokenFileError`] when the header's records or density are not what was written, or the disk fails; there is no
    /// file then.
    pub fn finish(self) -> Result<TokenFileStats, TokenFileError> {
        let (file, stats) = self.payload.finish()?;
        self.flushing.map_or(Ok(()), Flushing::finish).map_err(TokenFileError::Io)?;
        file.as_file().sync_all().map_err(TokenFileError::Io)?;
        let named = match self.existing {
            Existing::Refuse => file.persist_noclobber(&self.path),
            Existing::Replace => file.persist(&self.path),
        };
        named.map_err(|e| match e.error.kind() {
            io::ErrorKind::AlreadyExists => TokenFileError::Exists { path: self.path.clone() },
            _ => TokenFileError::Io(e.error),
        })?;
        sync_folder(&folder(&self.path)).map_err(TokenFileError::Io)?;
        Ok(stats)
    }
}

/// The folder that a path lies in.
fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Makes the new name itself last; only Unix can open a folder for that.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

impl<W: Write> PayloadWriter<W> {
    pub(super) fn new(
        sink: W,
        header: TokenFileHeader,
        recipients: &[&dyn age::Recipient],
    ) -> Result<Self, TokenFileError> {
        header.check()?;
        let sealed = age::Encryptor::with_recipients(recipients.iter().copied()).map_err(|e| match e {
            age::EncryptError::MissingRecipients => TokenFileError::NoRecipient,
            age::EncryptError::Io(e) => TokenFileError::Io(e),
            other => TokenFileError::Io(io::Error::other(other.to_string())),
        })?;
        let sealed = sealed.wrap_output(BufWriter::new(sink)).map_err(TokenFileError::Io)?;
        let mut hashing = BufWriter::with_capacity(
            64 * 1024,
            HashingWriter { inner: Sealing::Here(sealed), hasher: blake3::Hasher::new() },
        );
        let text = header.canonical();
        let mut start = Vec::with_capacity(16 + text.len());
        start.extend_from_slice(MAGIC);
        start.extend_from_slice(&header.format_version.to_le_bytes());
        // At most 16 KiB: names and lists in it are limited by the check above.
        start.extend_from_slice(&(text.len() as u32).to_le_bytes());
        start.extend_from_slice(text.as_bytes());
        hashing.write_all(&start).map_err(TokenFileError::Io)?;
        let schema = header.arrow_schema();
        let arrow = StreamWriter::try_new(hashing, &schema).map_err(TokenFileError::Arrow)?;
        let rows = RowCheck::new(&header);
        Ok(Self { arrow, schema, header, rows })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), TokenFileError> {
        if batch.schema_ref().fields() != self.schema.fields() {
            return Err(TokenFileError::Columns {
                rule: "the batch has other columns than the header asks for".to_owned(),
            });
        }
        self.rows.batch(batch)?;
        for start in (0..batch.num_rows()).step_by(MAX_BATCH_ROWS) {
            let part = batch.slice(start, MAX_BATCH_ROWS.min(batch.num_rows() - start));
            self.arrow.write(&part).map_err(TokenFileError::from_arrow)?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(W, TokenFileStats), TokenFileError> {
        let Self { arrow, header, rows, .. } = self;
        let density = density_ppm(rows.ones, rows.records, header.clk_bits);
        check_totals(&header, rows.records, density)?;
        let mut hashing = arrow.into_inner().map_err(TokenFileError::from_arrow)?;
        let io = TokenFileError::Io;
        hashing.write_all(TRAILER_MAGIC).map_err(io)?;
        hashing.write_all(&rows.records.to_le_bytes()).map_err(io)?;
        let HashingWriter { mut inner, hasher } = hashing.into_inner().map_err(|e| io(e.into_error()))?;
        let payload_blake3 = *hasher.finalize().as_bytes();
        inner.write_all(&payload_blake3).map_err(io)?;
        let sink = inner.finish().map_err(io)?;
        Ok((sink, TokenFileStats { records: rows.records, density_ppm: density, payload_blake3 }))
    }
}

/// Checks what the header states against what was counted.
pub(super) fn check_totals(header: &TokenFileHeader, records: u64, density_ppm: u32) -> Result<(), TokenFileError> {
    if header.records != records {
        return Err(TokenFileError::Count { stated: header.records, found: records });
    }
    if header.density_ppm != density_ppm {
        return Err(TokenFileError::Density { stated: header.density_ppm, found: density_ppm });
    }
    Ok(())
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
