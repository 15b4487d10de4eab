//! Has the disk take what has been written while more is made, so that at the end little is waited for.

use std::fs::File;
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// How much is written between two flushes.
const FLUSH_BYTES: usize = 16 << 20;

/// A thread that flushes a file whenever enough has been written.
pub(super) struct Flushing {
    written_bytes: usize,
    asked: Option<SyncSender<()>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Flushing {
    /// A thread for another handle of the file.
    pub(super) fn start(file: File) -> io::Result<Self> {
        let (asked, requests) = sync_channel(1);
        let flush = move || requests.iter().try_for_each(|()| file.sync_data());
        let thread = thread::Builder::new().name("flushing".to_owned()).spawn(flush)?;
        Ok(Self { written_bytes: 0, asked: Some(asked), thread: Some(thread) })
    }

    /// Notes that so much more is on its way to the file.
    pub(super) fn count(&mut self, bytes: usize) {
        self.written_bytes += bytes;
        if self.written_bytes >= FLUSH_BYTES
            && let Some(asked) = &self.asked
        {
            self.written_bytes = 0;
            // Whoever is asked already will flush this too; and a thread that has failed says so at the end.
            let _ = asked.try_send(());
        }
    }

    /// Waits for the thread. The system reports a failed write once, to whoever flushes next: that may have been here.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> io::Result<()> {
        self.asked = None;
        let gone = |_| io::Error::other("the thread that flushes the file has gone");
        self.thread.take().map_or(Ok(()), |thread| thread.join().map_err(gone)?)
    }
}

/// Nobody holds the file of a writer that has gone.
impl Drop for Flushing {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _, Write as _};

    use super::*;

    #[test]
    fn what_is_written_meanwhile_is_there_and_nobody_waits_for_a_file_that_is_over() {
        let mut file = tempfile::tempfile().unwrap();
        let mut flushing = Flushing::start(file.try_clone().unwrap()).unwrap();
        for part in 0..10_u8 {
            file.write_all(&[part; 1000]).unwrap();
            flushing.count(FLUSH_BYTES / 2);
        }
        flushing.finish().unwrap();
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        assert!(bytes.len() == 10_000 && bytes.chunks(1000).zip(0_u8..).all(|(part, n)| part.iter().all(|b| *b == n)));
    }

    /// The system reports a failed write to one flush alone: it must not get lost.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_flush_that_fails_is_an_error_at_the_end() {
        // This device cannot be flushed.
        let mut flushing = Flushing::start(File::open("/dev/null").unwrap()).unwrap();
        flushing.count(FLUSH_BYTES - 1);
        flushing.count(1);
        assert!(flushing.finish().is_err());
    }
}
