//! A bound on what one row or one XML event may make a parser hold in memory.

use std::io::{self, Read};

/// Stops handing out bytes when one row or event has asked for too many of them; its reader renews the budget for the next.
pub(super) struct Limited<R> {
    pub(super) inner: R,
    pub(super) budget: usize,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.budget == 0 {
            return Err(io::Error::other("one piece of the file is too long"));
        }
        let read = self.inner.read(buffer)?;
        self.budget = self.budget.saturating_sub(read);
        Ok(read)
    }
}
