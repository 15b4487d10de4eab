//! Offline verification of an exported log, in one pass and constant memory.

use std::io::{BufRead, Read};

use serde::Serialize;

use super::entry::{Label, Outcome};
use super::fault::{AuditFault, FaultKind};
use super::line::{Body, Checkpoint, FORMAT, Line, hex};
use crate::signing::PublicKey;

/// No line of the service comes near this; a longer one is not read into memory.
const MAX_LINE_BYTES: u64 = 64 * 1024;

/// What a sound log contains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// The name of the log.
    pub origin: Label,
    /// Entries, without checkpoints.
    pub entries: u64,
    /// Entries that record a refusal.
    pub refused: u64,
    /// Signed checkpoints.
    pub checkpoints: u64,
    /// The last checkpoint, which covers everything before it.
    pub last_checkpoint: Checkpoint,
}

/// Verifies a log from its first to its last line, which must be a checkpoint signed with `key`; with an `earlier`
/// checkpoint also that nothing which it covered is gone or changed.
///
/// # Errors
/// The first broken entry, and how it is broken.
pub fn verify(reader: impl BufRead, key: &PublicKey, earlier: Option<&Checkpoint>) -> Result<AuditReport, AuditFault> {
    let mut lines = Lines { reader, bytes: Vec::new(), number: 0 };
    let mut walk = Walk::start(&mut lines, key, earlier)?;
    while lines.advance(walk.seq + 1)? {
        let seq = walk.seq + 1;
        let here = |kind| AuditFault { line: lines.number, seq, kind };
        match Line::parse(&lines.bytes) {
            Some(line) if line.body.seq() == seq && line.follows(&walk.head) => walk.step(line).map_err(here)?,
            broken => {
                let (line, suspect) = (lines.number, broken.map(|line| (line.body.seq(), line.hash)));
                let kind = diagnose(&mut lines, suspect, seq, &walk.head)?;
                return Err(AuditFault { line, seq, kind });
            }
        }
    }
    // Lines count from 1 and entries from 0. A missing entry is reported where it should have stood.
    walk.finish().map_err(|(seq, kind)| AuditFault { line: seq + 1, seq, kind })
}

/// The state of a walk along the lines of a log.
struct Walk<'a> {
    key: &'a PublicKey,
    earlier: Option<&'a Checkpoint>,
    origin: Label,
    seq: u64,
    head: [u8; 32],
    entries: u64,
    refused: u64,
    checkpoints: u64,
    /// The checkpoint in the line just read, if it was one.
    at_checkpoint: Option<Checkpoint>,
}

impl<'a> Walk<'a> {
    fn start(
        lines: &mut Lines<impl BufRead>,
        key: &'a PublicKey,
        earlier: Option<&'a Checkpoint>,
    ) -> Result<Self, AuditFault> {
        let fault = |line, kind| AuditFault { line, seq: 0, kind };
        if !lines.advance(0)? {
            return Err(fault(1, FaultKind::NotALog));
        }
        let (origin, head) = match Line::parse(&lines.bytes) {
            Some(Line { body: Body::Log(body), .. }) if body.seq != 0 || body.log.format != FORMAT => {
                return Err(fault(1, FaultKind::NotALog));
            }
            Some(line @ Line { body: Body::Log(_), .. }) if !line.follows(&[0; 32]) => {
                return Err(fault(1, FaultKind::Altered));
            }
            Some(Line { body: Body::Log(body), hash, .. }) => (body.log.origin, hash),
            _ => return Err(fault(1, FaultKind::NotALog)),
        };
        if earlier.is_some_and(|earlier| earlier.origin != origin) {
            return Err(fault(0, FaultKind::Forked));
        }
        let (entries, refused, checkpoints) = (0, 0, 0);
        let walk = Self { key, earlier, origin, seq: 0, head, entries, refused, checkpoints, at_checkpoint: None };
        walk.compare_with_earlier().map_err(|kind| fault(1, kind))?;
        Ok(walk)
    }

    /// Takes the next line, of which number and hash are right.
    fn step(&mut self, line: Line<'_>) -> Result<(), FaultKind> {
        self.at_checkpoint = None;
        match line.body {
            // The first line stands once: a second one is no entry of this log.
            Body::Log(_) => return Err(FaultKind::Unreadable),
            Body::Entry(body) => {
                self.entries += 1;
                self.refused += u64::from(matches!(body.entry.outcome, Outcome::Refused(_)));
            }
            Body::Checkpoint(body) => {
                body.verify(self.key)?;
                let Checkpoint { origin, covers, head, .. } = &body.checkpoint;
                if (origin, *covers, head) != (&self.origin, self.seq, &hex(&self.head)) {
                    return Err(FaultKind::Rewritten);
                }
                self.checkpoints += 1;
                self.at_checkpoint = Some(body.checkpoint);
            }
        }
        (self.seq, self.head) = (self.seq + 1, line.hash);
        self.compare_with_earlier()
    }

    fn compare_with_earlier(&self) -> Result<(), FaultKind> {
        match self.earlier {
            Some(earlier) if earlier.covers == self.seq && earlier.head != hex(&self.head) => Err(FaultKind::Forked),
            _ => Ok(()),
        }
    }

    fn finish(self) -> Result<AuditReport, (u64, FaultKind)> {
        if let Some(earlier) = self.earlier.filter(|earlier| self.seq < earlier.covers) {
            return Err((self.seq + 1, FaultKind::Truncated { covers: earlier.covers }));
        }
        let last_checkpoint = self.at_checkpoint.ok_or((self.seq, FaultKind::NoFinalCheckpoint))?;
        Ok(AuditReport {
            origin: self.origin,
            entries: self.entries,
            refused: self.refused,
            checkpoints: self.checkpoints,
            last_checkpoint,
        })
    }
}

/// Tells what happened at a line that is not entry `seq` after `head`; `suspect` is its own number and hash, when it
/// could be read at all. The rest of the file is read for it: where the right line comes later, nothing was altered.
fn diagnose(
    lines: &mut Lines<impl BufRead>,
    suspect: Option<(u64, [u8; 32])>,
    seq: u64,
    head: &[u8; 32],
) -> Result<FaultKind, AuditFault> {
    let (mut right_one_follows, mut suspect_again, mut next_seq) = (false, false, None);
    let mut first = true;
    while lines.advance(seq)? {
        let line = Line::parse(&lines.bytes);
        if let Some(line) = &line {
            right_one_follows |= line.body.seq() == seq && line.follows(head);
            suspect_again |= suspect == Some((line.body.seq(), line.hash));
        }
        if first {
            next_seq = line.map(|line| line.body.seq());
            first = false;
        }
    }
    Ok(match suspect {
        Some((found, _)) if right_one_follows && found > seq && !suspect_again => FaultKind::Reordered,
        _ if right_one_follows => FaultKind::Inserted,
        None => FaultKind::Unreadable,
        // Entry `seq + 1` comes next, so it is this line that was entry `seq` before somebody changed its number.
        Some(_) if next_seq == Some(seq + 1) => FaultKind::Altered,
        Some((found, _)) if found > seq => FaultKind::Removed { found },
        Some(_) => FaultKind::Altered,
    })
}

/// The lines of a file, one at a time, without their line feeds.
struct Lines<R> {
    reader: R,
    bytes: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// Reads the next line; false at the end. `seq` is what a fault of reading is reported for.
    fn advance(&mut self, seq: u64) -> Result<bool, AuditFault> {
        self.bytes.clear();
        let read = self.reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut self.bytes);
        let read = read.map_err(|error| AuditFault { line: self.number + 1, seq, kind: FaultKind::Io(error) })?;
        if self.bytes.last() == Some(&b'\n') {
            self.bytes.pop();
        }
        self.number += u64::from(read > 0);
        Ok(read > 0)
    }
}
