//! What can be wrong with an exported log.

use std::fmt;

/// The first place at which a log is broken, and how.
#[derive(Debug)]
pub struct AuditFault {
    /// The line of the file, from 1; 0 when the fault lies in no line of it.
    pub line: u64,
    /// The number of the entry that is broken or should have stood here.
    pub seq: u64,
    /// What is wrong.
    pub kind: FaultKind,
}

/// The ways in which a log can be broken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FaultKind {
    /// The file could not be read.
    #[error("the file cannot be read: {0}")]
    Io(std::io::Error),
    /// The file does not begin like a log.
    #[error("not an audit log of format audit-log/1\nhint: `linkage audit export` writes one")]
    NotALog,
    /// The line is not the canonical spelling of any line, or is cut off.
    #[error(
        "not a whole line of the format, in its canonical spelling\nhint: export again; do not edit or reformat the file"
    )]
    Unreadable,
    /// The line was changed after it was sealed.
    #[error("the entry was altered after it was written\nhint: its hash does not follow from the line before")]
    Altered,
    /// Lines are missing before this one.
    #[error(
        "entries were removed: the next one here is number {found}\nhint: compare with the log in the service's store"
    )]
    Removed {
        /// The number that stands where the missing one should.
        found: u64,
    },
    /// The line does not belong here; the one that does comes later.
    #[error("a line was inserted before this entry\nhint: the entry itself follows and is intact")]
    Inserted,
    /// The lines that belong here come later.
    #[error("entries stand in another order than they were written\nhint: the missing one comes later in the file")]
    Reordered,
    /// The checkpoint names another key.
    #[error("the checkpoint is signed with another key\nhint: is `--key` the audit key of this service?")]
    WrongKey,
    /// The checkpoint's signature does not hold.
    #[error(
        "the signature of the checkpoint does not hold\nhint: lines before it may have been rewritten by somebody without the audit key"
    )]
    BadCheckpointSignature,
    /// The checkpoint was signed over another history.
    #[error(
        "the checkpoint was signed over other lines: the log was rewritten after the checkpoint before it\nhint: every line since then is in doubt"
    )]
    Rewritten,
    /// The log ends before a checkpoint that was seen earlier.
    #[error(
        "the log is shorter than at the earlier checkpoint, which covers entry {covers}\nhint: entries that the auditor has already seen are gone"
    )]
    Truncated {
        /// The last entry that the earlier checkpoint covers.
        covers: u64,
    },
    /// The log differs from what an earlier checkpoint covered.
    #[error("the log is not the one of the earlier checkpoint\nhint: it was rewritten, or belongs to another service")]
    Forked,
    /// The end of the log is not covered by a checkpoint.
    #[error("the log does not end with a checkpoint\nhint: entries after the last checkpoint could have been cut off")]
    NoFinalCheckpoint,
}

impl FaultKind {
    /// The code: kebab-case and stable.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io(_) => "cannot-read",
            Self::NotALog => "not-a-log",
            Self::Unreadable => "unreadable",
            Self::Altered => "altered",
            Self::Removed { .. } => "removed",
            Self::Inserted => "inserted",
            Self::Reordered => "reordered",
            Self::WrongKey => "wrong-key",
            Self::BadCheckpointSignature => "bad-checkpoint-signature",
            Self::Rewritten => "rewritten",
            Self::Truncated { .. } => "truncated",
            Self::Forked => "forked",
            Self::NoFinalCheckpoint => "no-final-checkpoint",
        }
    }
}

impl fmt::Display for AuditFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "earlier checkpoint: {}", self.kind),
            line => write!(f, "line {line}, entry {}: {}", self.seq, self.kind),
        }
    }
}

impl std::error::Error for AuditFault {}
