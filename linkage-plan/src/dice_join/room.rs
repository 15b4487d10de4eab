//! Memory for pairs, granted before they are found.

use std::mem::size_of;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::memory_pool::{MemoryLimit, MemoryPool, MemoryReservation};
use linkage_core::dice::Match;

/// Which part of what is free a partition may take for what a step might bring and hardly ever does: others must not be
/// refused for it.
const FREE_SHARE: usize = 16;

/// Pairs for which room is asked for at least, so that small steps do not ask each time.
const LEAST_ASKED: usize = 8192;

/// The memory of one partition: its right batch, and the pairs found and not yet handed on.
///
/// Pairs count from the moment at which they may be written until the batch is done: what was written once is held by the
/// process. Room that was never written is address space, and goes back after each step.
pub(crate) struct PairRoom {
    memory: MemoryReservation,
    pool: Arc<dyn MemoryPool>,
    batch_bytes: usize,
    /// The most pairs that have lain there.
    written: usize,
    /// The pairs for which there is memory.
    reserved: usize,
}

impl PairRoom {
    pub(crate) fn new(memory: MemoryReservation, pool: Arc<dyn MemoryPool>) -> Self {
        Self { memory, pool, batch_bytes: 0, written: 0, reserved: 0 }
    }

    /// Forgets the last batch and its pairs, and reserves what a new one takes.
    pub(crate) fn start(&mut self, batch_bytes: usize) -> Result<()> {
        (self.batch_bytes, self.written, self.reserved) = (batch_bytes, 0, 0);
        self.memory.try_resize(batch_bytes)
    }

    /// How many pairs may be compared next, any of which may come out: `wanted`, or fewer when memory is short, but no fewer
    /// than `least`. There is room for them in `pending` then.
    ///
    /// # Errors
    /// When there is no memory for `least`.
    pub(crate) fn grant(&mut self, pending: &mut Vec<Match>, wanted: usize, least: usize) -> Result<usize> {
        let mut pairs = wanted;
        if pending.len() + wanted > self.reserved {
            let free = match self.pool.memory_limit() {
                MemoryLimit::Finite(limit) => limit.saturating_sub(self.pool.reserved()),
                MemoryLimit::Infinite | MemoryLimit::Unknown => usize::MAX,
            };
            let affordable = (free / FREE_SHARE / size_of::<Match>()).max(self.reserved.saturating_sub(pending.len()));
            pairs = wanted.max(LEAST_ASKED).min(affordable.max(least));
            while let Err(refused) = self.reserve(pending.len() + pairs) {
                if pairs <= least {
                    return Err(refused);
                }
                pairs = (pairs / 2).max(least);
            }
            pairs = pairs.min(wanted);
        }
        pending.reserve_exact(pairs);
        Ok(pairs)
    }

    /// After a step: gives back what it did not write. `most` pairs lay there at once.
    pub(crate) fn settle(&mut self, most: usize) -> Result<()> {
        self.written = self.written.max(most);
        self.reserve(self.written)
    }

    fn reserve(&mut self, pairs: usize) -> Result<()> {
        let pairs = pairs.max(self.written);
        self.memory.try_resize(self.batch_bytes + pairs * size_of::<Match>())?;
        self.reserved = pairs;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer};

    use super::*;

    const PAIR: Match = Match { left: 0, right: 0, intersection: 1, ones: 2 };

    fn room(pairs: usize) -> (Arc<dyn MemoryPool>, PairRoom) {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(1000 + pairs * size_of::<Match>()));
        let mut room = PairRoom::new(MemoryConsumer::new("pairs").register(&pool), Arc::clone(&pool));
        room.start(1000).unwrap();
        (pool, room)
    }

    #[test]
    fn pairs_are_reserved_before_they_are_found_and_what_was_not_written_goes_back() {
        let (pool, mut room) = room(1 << 20);
        let mut pending = Vec::new();
        assert_eq!(room.grant(&mut pending, 50_000, 8).unwrap(), 50_000);
        assert!(pending.capacity() >= 50_000 && pool.reserved() == 1000 + 50_000 * size_of::<Match>());
        pending.resize(100, PAIR);
        room.settle(100).unwrap();
        assert_eq!(pool.reserved(), 1000 + 100 * size_of::<Match>());
        // Pairs that were handed on leave what they were written to.
        pending.clear();
        room.settle(0).unwrap();
        assert_eq!(pool.reserved(), 1000 + 100 * size_of::<Match>());
        room.start(10).unwrap();
        assert_eq!(pool.reserved(), 10);
    }

    #[test]
    fn where_memory_is_short_steps_are_small_and_the_least_step_is_refused_when_it_does_not_fit() {
        let (pool, mut room) = room(16_000);
        let mut pending = Vec::new();
        // No partition takes more than its part of what is free.
        assert_eq!(room.grant(&mut pending, 50_000, 8).unwrap(), 1000);
        pending.resize(1000, PAIR);
        room.settle(1000).unwrap();
        assert_eq!(room.grant(&mut pending, 50_000, 15_000).unwrap(), 15_000);
        room.settle(1000).unwrap();
        assert!(room.grant(&mut pending, 50_000, 15_001).is_err());
        assert_eq!(pool.reserved(), 1000 + 1000 * size_of::<Match>());
    }
}
