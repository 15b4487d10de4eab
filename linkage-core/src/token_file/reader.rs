//! Reads a token file: opens the seal, then trusts nothing that is not checked.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::columns::{Column, RowCheck, columns};
use super::writer::check_totals;
use super::{
    FORMAT_VERSION, MAGIC, MAX_HEADER_BYTES, TRAILER_MAGIC, TokenFileHeader, TokenFileStats, density_ppm, ipc,
};
use crate::error::TokenFileError;

/// The seal's own header takes about 100 bytes per recipient. It is collected in memory and parsed anew with every line,
/// so an endless one would cost both memory and, by the square, time.
const MAX_SEAL_BYTES: u64 = 8 * 1024;

/// Reads a token file batch by batch.
///
/// Batches are to be used only after [`Self::finish`] has succeeded: until then the file may still turn out to be cut.
pub struct TokenFileReader<R> {
    input: HashingReader<age::stream::StreamReader<Limited<R>>>,
    header: TokenFileHeader,
    schema: SchemaRef,
    columns: Vec<Column>,
    rows: RowCheck,
    at_end: bool,
}

impl<R: Read> TokenFileReader<R> {
    /// Opens a sealed token file and reads its header.
    ///
    /// # Errors
    /// [`TokenFileError`], a variant per fault: not sealed, sealed for another recipient, cut, damaged, another format
    /// or version, or a header that breaks a rule.
    pub fn open(sealed: R, identity: &dyn age::Identity) -> Result<Self, TokenFileError> {
        let budget = Arc::new(AtomicU64::new(MAX_SEAL_BYTES));
        let limited = Limited { inner: BufReader::with_capacity(64 * 1024, sealed), budget: Arc::clone(&budget) };
        let seal = age::Decryptor::new_buffered(limited).map_err(TokenFileError::from_seal)?;
        let payload = seal.decrypt(std::iter::once(identity)).map_err(TokenFileError::from_seal)?;
        // From here on, memory no longer grows with what is read.
        budget.store(u64::MAX, Ordering::Relaxed);
        let mut input = HashingReader { inner: payload, hasher: blake3::Hasher::new() };
        let header = read_header(&mut input)?;
        let columns = columns(&header);
        ipc::read_schema(&mut input, &columns)?;
        let rows = RowCheck::new(&header);
        Ok(Self { input, schema: header.arrow_schema(), header, columns, rows, at_end: false })
    }

    /// The header.
    pub fn header(&self) -> &TokenFileHeader {
        &self.header
    }

    /// The Arrow schema of the batches.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The next batch of at most 65,536 rows; `None` after the last one.
    ///
    /// # Errors
    /// [`TokenFileError`] when the file is cut, damaged or breaks a rule.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>, TokenFileError> {
        if self.at_end {
            return Ok(None);
        }
        match ipc::read_batch(&mut self.input, &self.columns, &self.schema, self.rows.records)? {
            Some(batch) => {
                self.rows.batch(&batch)?;
                if self.rows.records > self.header.records {
                    return Err(TokenFileError::Count { stated: self.header.records, found: self.rows.records });
                }
                Ok(Some(batch))
            }
            None => {
                self.at_end = true;
                Ok(None)
            }
        }
    }

    /// Reads the trailer and checks that the file is whole: count, density, hash, and nothing behind.
    ///
    /// # Errors
    /// [`TokenFileError`]; also when batches have not been read.
    pub fn finish(self) -> Result<TokenFileStats, TokenFileError> {
        let Self { mut input, header, rows, at_end, .. } = self;
        if !at_end {
            return Err(TokenFileError::NotReadToEnd);
        }
        if read_array(&mut input)? != *TRAILER_MAGIC {
            return Err(TokenFileError::Trailer);
        }
        let stated = u64::from_le_bytes(read_array(&mut input)?);
        let payload_blake3 = *input.hasher.finalize().as_bytes();
        let stated_hash: [u8; 32] = read_array(&mut input)?;
        if stated_hash != payload_blake3 {
            return Err(TokenFileError::Hash);
        }
        if input.inner.read(&mut [0]).map_err(TokenFileError::from_read)? != 0 {
            return Err(TokenFileError::TrailingBytes);
        }
        if stated != rows.records {
            return Err(TokenFileError::Count { stated, found: rows.records });
        }
        let density = density_ppm(rows.ones, rows.records, header.clk_bits);
        check_totals(&header, rows.records, density)?;
        Ok(TokenFileStats { records: rows.records, density_ppm: density, payload_blake3 })
    }
}

fn read_header(input: &mut impl Read) -> Result<TokenFileHeader, TokenFileError> {
    if read_array(input)? != *MAGIC {
        return Err(TokenFileError::NotATokenFile);
    }
    let version = u32::from_le_bytes(read_array(input)?);
    if version != FORMAT_VERSION {
        return Err(TokenFileError::Version { found: version });
    }
    let length = u32::from_le_bytes(read_array(input)?);
    if length > MAX_HEADER_BYTES {
        return Err(TokenFileError::Header { rule: format!("longer than {MAX_HEADER_BYTES} bytes") });
    }
    let mut bytes = vec![0; length as usize];
    input.read_exact(&mut bytes).map_err(TokenFileError::from_read)?;
    TokenFileHeader::parse(&bytes)
}

fn read_array<const N: usize>(input: &mut impl Read) -> Result<[u8; N], TokenFileError> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes).map_err(TokenFileError::from_read)?;
    Ok(bytes)
}

/// Hashes what is read.
struct HashingReader<R> {
    inner: R,
    hasher: blake3::Hasher,
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

/// Fails when the budget is spent.
struct Limited<R> {
    inner: BufReader<R>,
    budget: Arc<AtomicU64>,
}

impl<R: Read> Limited<R> {
    fn budget(&self) -> io::Result<usize> {
        match self.budget.load(Ordering::Relaxed) {
            0 => Err(io::ErrorKind::FileTooLarge.into()),
            left => Ok(usize::try_from(left).unwrap_or(usize::MAX)),
        }
    }

    fn spend(&self, count: usize) {
        let left = self.budget.load(Ordering::Relaxed);
        if left != u64::MAX {
            self.budget.store(left.saturating_sub(count as u64), Ordering::Relaxed);
        }
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let allowed = buffer.len().min(self.budget()?);
        let count = self.inner.read(&mut buffer[..allowed])?;
        self.spend(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for Limited<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let budget = self.budget()?;
        let buffer = self.inner.fill_buf()?;
        Ok(&buffer[..buffer.len().min(budget)])
    }

    fn consume(&mut self, count: usize) {
        self.inner.consume(count);
        self.spend(count);
    }
}
