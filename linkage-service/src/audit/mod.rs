//! The audit log: append-only, hash-chained, with signed checkpoints, and verified offline.
//!
//! This module turns entries into sealed lines and lines into a verdict. It stores nothing: the store keeps the lines
//! in their order and exports them as they are. The format is specified in `docs/spec/audit-log.md`.
//!
//! What an entry can say is restricted by its types to labels and counts. A person's value has no place to stand in.

mod chain;
mod entry;
mod fault;
mod line;
#[cfg(test)]
mod tests;
mod verify;

pub use chain::{Chain, SealedLine};
pub use entry::{Actor, Detail, Entry, Label, Outcome};
pub use fault::{AuditFault, FaultKind};
pub use line::{CHECKPOINT_TYPE, Checkpoint};
pub use verify::{AuditReport, verify};
