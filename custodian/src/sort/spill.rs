//! Sorted runs on disk, enciphered.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

/// How much is enciphered and written at a time: enough for the cipher's wide form, little enough for the caches.
const CHUNK_BYTES: usize = 1 << 17;

/// A key of the stream with which a run is enciphered: XOR with keyed BLAKE3. No byte of a stream is used twice.
pub(crate) type SpillKey = Zeroizing<[u8; 32]>;

/// A file without a name that only this process can read, by a key that lives no longer than the process. It only grows.
pub(super) struct Nameless {
    file: Arc<File>,
    key: SpillKey,
    written_bytes: u64,
}

/// A sorted run: where it lies in which file, and its key.
pub(crate) struct Run {
    pub(crate) file: Arc<File>,
    pub(crate) key: SpillKey,
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Nameless {
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut_slice()).map_err(io::Error::other)?;
        Ok(Self { file: Arc::new(tempfile::tempfile_in(folder)?), key, written_bytes: 0 })
    }

    pub(super) fn write_run<'a>(&mut self, rows: impl Iterator<Item = &'a [u8]>) -> io::Result<Run> {
        let run = write_run(Arc::clone(&self.file), self.key.clone(), self.written_bytes, rows)?;
        self.written_bytes = run.end;
        Ok(run)
    }
}

/// Writes rows to the end of a file, which is at `start`.
pub(crate) fn write_run<'a>(
    file: Arc<File>,
    key: SpillKey,
    start: u64,
    rows: impl Iterator<Item = &'a [u8]>,
) -> io::Result<Run> {
    let mut stream = stream(&key, start);
    let (mut chunk, mut mask) = (Vec::with_capacity(CHUNK_BYTES), Vec::new());
    let mut end = start;
    let mut write = |chunk: &mut Vec<u8>| {
        apply(&mut stream, chunk, &mut mask);
        end += chunk.len() as u64;
        let written = (&*file).write_all(chunk);
        chunk.clear();
        written
    };
    for row in rows {
        chunk.extend_from_slice(row);
        if chunk.len() >= CHUNK_BYTES {
            write(&mut chunk)?;
        }
    }
    write(&mut chunk)?;
    Ok(Run { file, key, start, end })
}

impl Run {
    /// Reads the run, `rows` rows of `width` bytes at a time.
    pub(super) fn read(&self, width: usize, rows: usize) -> RunReader<'_> {
        RunReader { run: self, next: self.start, width, rows, buffer: Vec::new(), mask: Vec::new(), at: 0 }
    }
}

fn stream(key: &SpillKey, position: u64) -> blake3::OutputReader {
    let mut stream = blake3::Hasher::new_keyed(key).finalize_xof();
    stream.set_position(position);
    stream
}

fn apply(stream: &mut blake3::OutputReader, bytes: &mut [u8], mask: &mut Vec<u8>) {
    mask.resize(bytes.len(), 0);
    stream.fill(mask);
    bytes.iter_mut().zip(mask.iter()).for_each(|(byte, mask)| *byte ^= mask);
}

/// Reads the rows of one run in order.
pub(super) struct RunReader<'a> {
    run: &'a Run,
    next: u64,
    width: usize,
    rows: usize,
    buffer: Vec<u8>,
    mask: Vec<u8>,
    at: usize,
}

impl RunReader<'_> {
    /// The row to take next; `None` at the end of the run.
    pub(super) fn current(&mut self) -> io::Result<Option<&[u8]>> {
        if self.at == self.buffer.len() {
            let bytes = ((self.run.end - self.next) as usize).min(self.rows * self.width);
            if bytes == 0 {
                return Ok(None);
            }
            self.buffer.resize(bytes, 0);
            read_exact_at(&self.run.file, &mut self.buffer, self.next)?;
            apply(&mut stream(&self.run.key, self.next), &mut self.buffer, &mut self.mask);
            self.next += bytes as u64;
            self.at = 0;
        }
        Ok(Some(&self.buffer[self.at..self.at + self.width]))
    }

    pub(super) fn advance(&mut self) {
        self.at += self.width;
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(not(unix))]
fn read_exact_at(mut file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(buffer)
}

#[cfg(test)]
impl Nameless {
    pub(super) fn file_for_tests(&self) -> &File {
        &self.file
    }
}
