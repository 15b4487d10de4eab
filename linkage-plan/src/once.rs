//! What one output partition of an operator makes and all of them use.

use std::sync::{Arc, Mutex, PoisonError};

use datafusion::common::{DataFusionError, Result};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};

/// What is awaited by every partition.
///
/// A shared future and not a cell that the first partition fills: when the partition that polls it is dropped, another
/// one goes on with it, so that an input is executed only once; and when it fails, it fails for all, and nobody tries again.
pub(crate) type Awaited<T> = Shared<BoxFuture<'static, Result<Arc<T>, Arc<DataFusionError>>>>;

/// What partitions share, until every one of them has got hold of it.
///
/// After that only the partitions' streams hold it, so its memory goes back when they are dropped, even while somebody
/// keeps the plan to read its metrics. A plan that is executed again makes it again.
pub(crate) struct Once<T>(Mutex<Slot<T>>);

struct Slot<T> {
    made: Option<Awaited<T>>,
    handed_out: usize,
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(Mutex::new(Slot { made: None, handed_out: 0 }))
    }
}

impl<T: Send + Sync + 'static> Once<T> {
    /// The future for one of so many partitions, made by the first that asks.
    ///
    /// # Errors
    /// When `make` fails, before there is a future.
    pub(crate) fn share<F>(&self, partitions: usize, make: impl FnOnce() -> Result<F>) -> Result<Awaited<T>>
    where
        F: Future<Output = Result<Arc<T>>> + Send + 'static,
    {
        // A `make` that panics leaves an empty slot, which is as good as a new one.
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let made = match slot.made.take() {
            Some(made) => made,
            None => make()?.map(|made| made.map_err(Arc::new)).boxed().shared(),
        };
        slot.handed_out += 1;
        if slot.handed_out < partitions {
            slot.made = Some(made.clone());
        } else {
            slot.handed_out = 0;
        }
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use datafusion::common::exec_err;
    use futures::executor::block_on;

    use super::*;

    #[test]
    fn what_fails_once_fails_for_every_partition_and_is_not_tried_again() {
        let (once, tried) = (Once::<u32>::default(), Arc::new(AtomicUsize::new(0)));
        let partitions: Vec<_> = (0..3)
            .map(|_| {
                let tried = Arc::clone(&tried);
                let make = async move {
                    tried.fetch_add(1, Ordering::Relaxed);
                    exec_err!("no room")
                };
                once.share(3, || Ok(make)).unwrap()
            })
            .collect();
        for partition in partitions {
            assert!(block_on(partition).unwrap_err().to_string().contains("no room"));
        }
        assert_eq!(tried.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn another_partition_goes_on_where_one_was_dropped_and_nothing_is_held_when_all_are_gone() {
        let (once, (send, wait)) = (Once::default(), futures::channel::oneshot::channel::<u32>());
        let mut first = once.share(2, || Ok(async move { Ok(Arc::new(wait.await.unwrap())) })).unwrap();
        assert!((&mut first).now_or_never().is_none());
        drop(first);
        let second = once.share(2, || Ok(async { exec_err!("made again") })).unwrap();
        send.send(7).unwrap();
        let made = block_on(second).unwrap();
        assert_eq!((*made, Arc::strong_count(&made)), (7, 1));
        // The next execution makes it anew.
        assert!(block_on(once.share(1, || Ok(async { exec_err!("made again") })).unwrap()).is_err());
    }
}
