//! The exact sample of a search, drawn within the memory that is granted.

use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::Result;
use datafusion::execution::memory_pool::{MemoryPool, MemoryReservation};
use linkage_core::block::TokenRows;
use linkage_core::block::certificate::{RecallSample, SampleRequest};
use linkage_core::block::lsh::Stopped;
use linkage_core::dice::{DiceThreshold, Kernel};

use crate::error::PlanError;

/// Draws a sample of both sides; `None` when it was stopped. What drawing takes is reserved before it is taken; when the sample is
/// drawn, `memory` has grown by what it and its tally hold.
///
/// # Errors
/// When it is not granted, with what would have been needed so far.
pub(crate) fn draw(
    (left, right): (&TokenRows, &TokenRows),
    threshold: DiceThreshold,
    kernel: Kernel,
    request: SampleRequest,
    stop: &(dyn Fn() -> bool + Sync),
    memory: &MemoryReservation,
    pool: &dyn MemoryPool,
) -> Result<Option<RecallSample>> {
    let (held, refused_bytes) = (memory.size(), AtomicUsize::new(0));
    let grant = |bytes: usize| {
        let granted = memory.try_grow(bytes).is_ok();
        if !granted {
            refused_bytes.fetch_max(memory.size() - held + bytes, Ordering::Relaxed);
        }
        granted
    };
    match RecallSample::draw(left, right, threshold, kernel, request, stop, &grant) {
        Ok(sample) => {
            memory.try_resize(held + sample.bytes())?;
            Ok(Some(sample))
        }
        Err(Stopped) => {
            memory.try_resize(held)?;
            match refused_bytes.into_inner() {
                0 => Ok(None),
                needed => {
                    let (what, hint) = ("the exact sample of a search", "grant the session that much memory or more");
                    Err(PlanError::memory(pool, what, left.rows(), needed, hint).into_datafusion())
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer};

    use super::*;

    #[test]
    fn a_sample_is_reserved_and_refused_with_what_it_needs() {
        // Every pair of these rows is one of the sample.
        let rows = TokenRows::from_rows(32, std::iter::repeat_n([0b101_u8; 32].as_slice(), 300)).unwrap();
        let request = SampleRequest { pairs: u64::MAX, most_compared: u64::MAX, seed: 1 };
        let draw = |memory_bytes: usize, stop: bool| {
            let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(100 + memory_bytes));
            let memory = MemoryConsumer::new("search").register(&pool);
            memory.try_grow(100).unwrap();
            let (threshold, kernel) = ("0.9".parse().unwrap(), Kernel::detect().unwrap());
            let drawn = draw((&rows, &rows), threshold, kernel, request, &|| stop, &memory, pool.as_ref());
            (drawn.map_err(PlanError::from), pool.reserved() - 100)
        };
        let (sample, reserved) = draw(10 << 20, false);
        let sample = sample.unwrap().unwrap();
        assert_eq!((sample.pairs(), sample.bytes()), (300 * 300, reserved));
        let (refused, reserved) = draw(reserved, false);
        let Err(PlanError::Memory { rows: 300, needed_bytes, free_bytes, .. }) = refused else { panic!("{refused:?}") };
        assert!(needed_bytes > free_bytes && free_bytes == sample.bytes() as u64 && reserved == 0, "{needed_bytes}");
        let (stopped, reserved) = draw(10 << 20, true);
        assert!(stopped.unwrap().is_none() && reserved == 0);
    }
}
