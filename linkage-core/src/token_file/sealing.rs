//! Where the bytes of a token file are sealed: on the thread that makes them, or on one beside it.

use std::io::{self, BufWriter, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use age::stream::StreamWriter;

/// How much goes to the other thread at a time.
const BLOCK_BYTES: usize = 256 * 1024;

/// How many such blocks may wait.
const BLOCKS: usize = 4;

/// Seals what is written, into a sink.
pub(super) enum Sealing<W: Write> {
    /// At once.
    Here(StreamWriter<BufWriter<W>>),
    /// On another thread.
    Beside(Beside<W>),
    /// Between the two, and after an error.
    Nowhere,
}

/// A thread that seals the blocks that it is sent, and gives them back to be filled again.
pub(super) struct Beside<W: Write> {
    blocks: Option<SyncSender<Vec<u8>>>,
    empty: Receiver<Vec<u8>>,
    thread: Option<JoinHandle<io::Result<StreamWriter<BufWriter<W>>>>>,
}

impl<W: Write + Send + 'static> Sealing<W> {
    pub(super) fn move_to_a_thread(&mut self) -> io::Result<()> {
        if let Self::Here(_) = self
            && let Self::Here(mut writer) = std::mem::replace(self, Self::Nowhere)
        {
            let (blocks, to_seal) = sync_channel::<Vec<u8>>(BLOCKS);
            let (back, empty) = sync_channel(BLOCKS + 2);
            let seal = move || {
                for mut block in to_seal {
                    writer.write_all(&block)?;
                    block.clear();
                    // Whoever has stopped writing needs no block.
                    let _ = back.try_send(block);
                }
                Ok(writer)
            };
            let thread = thread::Builder::new().name("sealing".to_owned()).spawn(seal)?;
            *self = Self::Beside(Beside { blocks: Some(blocks), empty, thread: Some(thread) });
        }
        Ok(())
    }
}

impl<W: Write> Sealing<W> {
    /// Seals the last chunk; the sink that all of it has gone to.
    pub(super) fn finish(self) -> io::Result<W> {
        let writer = match self {
            Self::Here(writer) => writer,
            Self::Beside(mut beside) => beside.end()?.ok_or_else(gone)?,
            Self::Nowhere => return Err(gone()),
        };
        writer.finish()?.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

impl<W: Write> Beside<W> {
    /// Waits until all blocks are sealed.
    fn end(&mut self) -> io::Result<Option<StreamWriter<BufWriter<W>>>> {
        self.blocks = None;
        self.thread.take().map(|thread| thread.join().map_err(|_| gone())?).transpose()
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut block = self.empty.try_recv().unwrap_or_else(|_| Vec::with_capacity(BLOCK_BYTES));
        block.extend_from_slice(bytes);
        match self.blocks.as_ref().map(|blocks| blocks.send(block)) {
            Some(Ok(())) => Ok(()),
            // The thread has ended, which it does on an error alone.
            _ => Err(self.end().err().unwrap_or_else(gone)),
        }
    }
}

/// Nothing of an unfinished file may be left when its writer has gone, so its thread is waited for.
impl<W: Write> Drop for Beside<W> {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Here(writer) => writer.write(bytes),
            Self::Beside(beside) => {
                let bytes = &bytes[..bytes.len().min(BLOCK_BYTES)];
                beside.send(bytes)?;
                Ok(bytes.len())
            }
            Self::Nowhere => Err(gone()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Here(writer) => writer.flush(),
            // What is sent is sealed without being asked for; the end is waited for by `finish`.
            Self::Beside(_) => Ok(()),
            Self::Nowhere => Err(gone()),
        }
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that seals the file has gone")
}
