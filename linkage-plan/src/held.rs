//! Memory that a session's caller holds beside tables and plans.

use std::sync::Arc;

use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};

use crate::error::PlanError;

/// Memory for one thing that the caller of a [session](crate::LinkSession) holds. It counts against the session's memory as tables
/// and plans do, and goes back when it is dropped.
pub struct HeldMemory {
    memory: MemoryReservation,
    pool: Arc<dyn MemoryPool>,
    what: &'static str,
}

impl HeldMemory {
    pub(crate) fn new(pool: &Arc<dyn MemoryPool>, what: &'static str) -> Self {
        Self { memory: MemoryConsumer::new(what).register(pool), pool: Arc::clone(pool), what }
    }

    /// Reserves so many bytes more, to be asked before they are taken. `rows` is how many rows there are then in all.
    ///
    /// # Errors
    /// [`PlanError::Memory`] with the bytes that all of it would need, when the session has not so much left. What was reserved
    /// before stays so.
    pub fn grow(&self, bytes: usize, rows: usize) -> Result<(), PlanError> {
        self.memory.try_grow(bytes).map_err(|_| {
            let needed = self.memory.size() + bytes;
            PlanError::memory(self.pool.as_ref(), self.what, rows, needed, "grant the session more memory")
        })
    }

    /// Gives everything back.
    pub fn free(&self) {
        self.memory.free();
    }

    /// Bytes reserved.
    pub fn bytes(&self) -> usize {
        self.memory.size()
    }
}

impl std::fmt::Debug for HeldMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeldMemory").field("what", &self.what).field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}
