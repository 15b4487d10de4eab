//! Blocks made by several threads and taken in their order.

use crate::error::DatasetError;

/// Makes the blocks from 0 to `blocks` by up to `threads` threads, and gives them to `take` in their order.
///
/// There are never more than `threads` blocks in memory. Threads are started anew for each batch: a block takes tens of
/// milliseconds, a thread some microseconds.
pub(crate) fn in_order<T: Send>(
    blocks: u64,
    threads: usize,
    make: impl Fn(u64) -> T + Sync,
    mut take: impl FnMut(T) -> Result<(), DatasetError>,
) -> Result<(), DatasetError> {
    let threads = threads.clamp(1, 256) as u64;
    if threads == 1 {
        return (0..blocks).try_for_each(|block| take(make(block)));
    }
    for first in (0..blocks).step_by(threads as usize) {
        let batch = first..(first + threads).min(blocks);
        let make = &make;
        let made: Vec<T> = std::thread::scope(|scope| {
            let workers: Vec<_> = batch.map(|block| scope.spawn(move || make(block))).collect();

            workers
                .into_iter()
                .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        made.into_iter().try_for_each(&mut take)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_taken_in_order_whatever_the_threads() {
        for threads in [0, 1, 3, 8] {
            let mut taken = Vec::new();
            in_order(
                20,
                threads,
                |block| block,
                |block| {
                    taken.push(block);
                    Ok(())
                },
            )
            .unwrap();
            assert_eq!(taken, (0..20).collect::<Vec<u64>>());
        }
    }
}
