//! Sealing: from an entry to the next line of the log.

use time::OffsetDateTime;

use super::entry::{Entry, Label};
use super::line::{Body, Checkpoint, EntryBody, FORMAT, Line, LogBody, LogStart, hex};
use crate::error::ChainError;
use crate::signing::SigningKey;

/// Where a log stands. Sealing returns the next standing and leaves this one as it is, so that the store can keep a
/// line first and move on only when the line is safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    origin: Label,
    seq: u64,
    head: [u8; 32],
}

/// A line for the store, without line feed. The export is all lines in order, each followed by a line feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedLine {
    /// The number of the line, from 0.
    pub seq: u64,
    /// The line.
    pub line: String,
}

impl Chain {
    /// Begins a log with its first line; `origin` names the log for good.
    pub fn start(origin: Label) -> (SealedLine, Self) {
        let body = Body::Log(LogBody { seq: 0, log: LogStart { format: FORMAT.to_owned(), origin: origin.clone() } });
        let (line, head) = body.seal(&[0; 32]);
        (SealedLine { seq: 0, line }, Self { origin, seq: 0, head })
    }

    /// Goes on after the last line of the store.
    ///
    /// # Errors
    /// When the line is not one that a log of this format can have.
    pub fn resume(origin: Label, last_line: &str) -> Result<Self, ChainError> {
        let line = Line::parse(last_line.as_bytes()).ok_or(ChainError)?;
        Ok(Self { origin, seq: line.body.seq(), head: line.hash })
    }

    /// Seals an entry as the next line.
    pub fn seal(&self, entry: Entry, time: OffsetDateTime) -> (SealedLine, Self) {
        self.push(Body::Entry(EntryBody { seq: self.seq + 1, time, entry }))
    }

    /// Seals a signed checkpoint over everything so far as the next line.
    pub fn checkpoint(&self, key: &SigningKey, time: OffsetDateTime) -> (SealedLine, Self) {
        let checkpoint = Checkpoint { origin: self.origin.clone(), covers: self.seq, head: hex(&self.head), time };
        self.push(Body::Checkpoint(checkpoint.sign(self.seq + 1, key)))
    }

    /// The name of the log.
    pub fn origin(&self) -> &Label {
        &self.origin
    }

    /// The number of the last line.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The hash of the last line.
    pub fn head(&self) -> &[u8; 32] {
        &self.head
    }

    fn push(&self, body: Body) -> (SealedLine, Self) {
        let (line, head) = body.seal(&self.head);
        let seq = body.seq();
        (SealedLine { seq, line }, Self { origin: self.origin.clone(), seq, head })
    }
}
