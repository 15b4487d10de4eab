//! Sorted runs in one anonymous, enciphered file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use zeroize::Zeroizing;

/// A file without a name, whose content only this process can read: XOR with the keyed BLAKE3 stream of a key that
/// lives no longer than the process. No byte of the stream is used twice, as the file only grows.
pub(super) struct Spill {
    file: File,
    key: Zeroizing<[u8; 32]>,
    written_bytes: u64,
}

/// Where a run lies in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    start: u64,
    end: u64,
}

impl Spill {
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut_slice()).map_err(io::Error::other)?;
        Ok(Self { file: tempfile::tempfile_in(folder)?, key, written_bytes: 0 })
    }

    fn stream(&self, position: u64) -> blake3::OutputReader {
        let mut stream = blake3::Hasher::new_keyed(&self.key).finalize_xof();
        stream.set_position(position);
        stream
    }

    pub(super) fn write_run<'a>(&mut self, rows: impl Iterator<Item = &'a [u8]>) -> io::Result<Run> {
        let start = self.written_bytes;
        let mut stream = self.stream(start);
        let mut file = BufWriter::with_capacity(1 << 18, &self.file);
        let (mut row_buffer, mut mask) = (Vec::new(), Vec::new());
        let mut end = start;
        for row in rows {
            row_buffer.clear();
            row_buffer.extend_from_slice(row);
            apply(&mut stream, &mut row_buffer, &mut mask);
            file.write_all(&row_buffer)?;
            end += row.len() as u64;
        }
        file.flush()?;
        drop(file);
        self.written_bytes = end;
        Ok(Run { start, end })
    }

    /// Reads a run, `rows` rows of `width` bytes at a time.
    pub(super) fn read_run(&self, run: Run, width: usize, rows: usize) -> RunReader<'_> {
        RunReader {
            spill: self,
            next: run.start,
            end: run.end,
            width,
            rows,
            buffer: Vec::new(),
            mask: Vec::new(),
            at: 0,
        }
    }
}

fn apply(stream: &mut blake3::OutputReader, bytes: &mut [u8], mask: &mut Vec<u8>) {
    mask.resize(bytes.len(), 0);
    stream.fill(mask);
    bytes.iter_mut().zip(mask.iter()).for_each(|(byte, mask)| *byte ^= mask);
}

/// Reads the rows of one run in order.
pub(super) struct RunReader<'a> {
    spill: &'a Spill,
    next: u64,
    end: u64,
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
            let bytes = ((self.end - self.next) as usize).min(self.rows * self.width);
            if bytes == 0 {
                return Ok(None);
            }
            self.buffer.resize(bytes, 0);
            read_exact_at(&self.spill.file, &mut self.buffer, self.next)?;
            apply(&mut self.spill.stream(self.next), &mut self.buffer, &mut self.mask);
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
impl Spill {
    pub(super) fn file_for_tests(&self) -> &File {
        &self.file
    }
}
