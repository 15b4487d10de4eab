//! The pairs of a search that runs on threads of its own, as a stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use datafusion::common::{Result, exec_datafusion_err};
use futures::{Stream, stream};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;

/// Tells the search that nobody listens any more.
#[derive(Default)]
pub(crate) struct StopOnDrop(pub(crate) Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What the search sends. When it sends no more, its end is awaited: a search that panicked has not found all that it was
/// asked for, and must not read as one that has.
pub(super) fn batches(
    pairs: Receiver<Result<RecordBatch>>,
    search: JoinHandle<()>,
    stop: StopOnDrop,
) -> impl Stream<Item = Result<RecordBatch>> {
    stream::unfold((pairs, Some(search), stop), |(mut pairs, mut search, stop)| async move {
        if let Some(batch) = pairs.recv().await {
            return Some((batch, (pairs, search, stop)));
        }
        // What it panicked with is not told: it may be made of what was searched.
        search.take()?.await.err()?;
        let broken = exec_datafusion_err!("the search by bands broke off in a fault of the program");
        Some((Err(broken), (pairs, None, stop)))
    })
}

#[cfg(test)]
mod tests {
    use std::panic::resume_unwind;

    use arrow::datatypes::Schema;
    use futures::StreamExt;
    use tokio::runtime::Runtime;
    use tokio::sync::mpsc::channel;

    use super::*;

    /// What comes of a search that sends one batch, and then panics or not.
    fn ends(panics: bool) -> Vec<Result<usize, String>> {
        Runtime::new().unwrap().block_on(async move {
            let (out, pairs) = channel(4);
            let search = tokio::task::spawn_blocking(move || {
                out.blocking_send(Ok(RecordBatch::new_empty(Arc::new(Schema::empty())))).unwrap();
                if panics {
                    // Without the hook that prints a panic.
                    resume_unwind(Box::new("the token of a person"));
                }
            });
            let batches = batches(pairs, search, StopOnDrop::default());
            batches.map(|batch| batch.map(|b| b.num_rows()).map_err(|e| e.to_string())).collect().await
        })
    }

    #[test]
    fn a_search_that_panics_ends_in_an_error_that_says_nothing_of_what_was_searched() {
        assert_eq!(ends(false), [Ok(0)]);
        let [Ok(0), Err(error)] = &ends(true)[..] else { panic!("{:?}", ends(true)) };
        assert!(error.contains("broke off") && !error.contains("person"), "{error}");
    }
}
