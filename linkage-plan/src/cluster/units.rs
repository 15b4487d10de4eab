//! Work units: a link cut into pieces that can be run again.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// Some chunks of the left table against some chunks of the right one, or some bands of both. Units do not overlap, and together they are the
/// whole link, so a unit whose pairs were taken over once is done, and one that failed can be run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) number: usize,
    pub(super) left: Range<usize>,
    pub(super) right: Range<usize>,
    /// The bands of a search by bands, in which all units have all chunks.
    pub(super) bands: Range<u32>,
    /// The workers by which it has failed, by number; one entry for each time.
    pub(super) failed: Vec<usize>,
}

impl Unit {
    /// Whether no other worker of so many, of those that are live, has failed it less often than this one: a worker that
    /// answers and breaks what it is given does not use up what attempts there are while another one is there.
    fn is_for(&self, worker: usize, workers: usize, live: impl Fn(usize) -> bool) -> bool {
        let failures = |of: usize| self.failed.iter().filter(|failed| **failed == of).count();
        let others = (0..workers).filter(|other| *other != worker && live(*other));
        others.map(failures).min().is_none_or(|least| failures(worker) <= least)
    }
}

/// All units of two tables of so many chunks, so many left and right chunks in a unit.
pub(super) fn units(left_chunks: usize, right_chunks: usize, of_left: usize, of_right: usize) -> Vec<Unit> {
    let ranges = |chunks: usize, step: usize| {
        (0..chunks).step_by(step.max(1)).map(move |from| from..(from + step.max(1)).min(chunks))
    };
    let pairs = ranges(left_chunks, of_left)
        .flat_map(|left| ranges(right_chunks, of_right).map(move |right| (left.clone(), right)));
    let unit = |(number, (left, right))| Unit { number, left, right, bands: 0..0, failed: Vec::new() };
    pairs.enumerate().map(unit).collect()
}

/// All units of so many bands over tables of so many chunks, `step` bands in a unit, in the order of the bands.
pub(super) fn bands(all: u32, step: u32, left_chunks: usize, right_chunks: usize) -> Vec<Unit> {
    let ranges = (0..all).step_by(step.max(1) as usize).map(|from| from..(from + step.max(1)).min(all));
    let unit =
        |(number, bands)| Unit { number, left: 0..left_chunks, right: 0..right_chunks, bands, failed: Vec::new() };
    ranges.enumerate().map(unit).collect()
}

/// How long a worker that waits for a unit takes those for live that were.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Which units are still to be run, and which are done.
#[derive(Debug)]
pub(super) struct Ledger {
    workers: usize,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    open: VecDeque<Unit>,
    done: Vec<bool>,
    left: usize,
}

impl Ledger {
    /// Units for so many workers.
    pub(super) fn new(units: Vec<Unit>, workers: usize) -> Self {
        let (done, left) = (vec![false; units.len()], units.len());
        Self { workers, state: Mutex::new(State { open: units.into(), done, left }), changed: Notify::new() }
    }

    /// The next unit for a worker: none that another live one has failed less often. Waits while there is none, because all
    /// that are left are being run and one of them may come back, or another worker go. `None` when all are done.
    pub(super) async fn take(&self, worker: usize, live: impl Fn(usize) -> bool) -> Option<Unit> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on a change is noticed, even one before the wait below.
            changed.as_mut().enable();
            {
                let mut state = self.lock();
                if state.left == 0 {
                    return None;
                }
                let next = state.open.iter().position(|unit| unit.is_for(worker, self.workers, &live));
                if let Some(unit) = next.and_then(|at| state.open.remove(at)) {
                    return Some(unit);
                }
            }
            // Nobody says when a worker goes that had no unit.
            let _ = tokio::time::timeout(LOOK_AGAIN, changed).await;
        }
    }

    /// Puts a unit back that could not be finished. It is the next one: what bands find is wanted in their order.
    pub(super) fn put_back(&self, unit: Unit) {
        self.lock().open.push_front(unit);
        self.changed.notify_waiters();
    }

    /// Marks a unit as done; false when it was already, and then its pairs must not be taken over again.
    pub(super) fn commit(&self, number: usize) -> bool {
        let mut state = self.lock();
        let first = !std::mem::replace(&mut state.done[number], true);
        state.left -= usize::from(first);
        let all = state.left == 0;
        drop(state);
        if all {
            self.changed.notify_waiters();
        }
        first
    }

    /// Units that are not done.
    pub(super) fn left(&self) -> usize {
        self.lock().left
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn units_cover_every_pair_of_chunks_once() {
        for (left, right, per_side) in [(0, 3, 2), (1, 1, 1), (5, 7, 2), (4, 4, 9), (3, 2, 0)] {
            let mut seen = BTreeSet::new();
            for unit in units(left, right, per_side, per_side + 1) {
                for pair in unit.left.clone().flat_map(|l| unit.right.clone().map(move |r| (l, r))) {
                    assert!(seen.insert(pair), "{pair:?} twice");
                }
            }
            assert_eq!(seen.len(), left * right);
        }
    }

    #[test]
    fn units_of_bands_are_all_bands_in_their_order() {
        for (all, step) in [(0, 1), (1, 1), (7, 3), (8, 4), (5, 0), (3, 9)] {
            let units = bands(all, step, 2, 3);
            assert!(units.iter().flat_map(|unit| unit.bands.clone()).eq(0..all));
            assert!(units.iter().enumerate().all(|(at, unit)| unit.number == at && unit.left == (0..2)));
        }
    }

    #[tokio::test]
    async fn a_unit_that_comes_back_is_run_again_and_its_pairs_are_taken_once() {
        let ledger = Ledger::new(units(1, 2, 1, 1), 1);
        let take = async || ledger.take(0, |_| true).await;
        let (mut first, second) = (take().await.unwrap(), take().await.unwrap());
        assert!(ledger.commit(second.number));
        first.failed.push(0);
        ledger.put_back(first.clone());
        let again = take().await.unwrap();
        assert_eq!(again, first);
        assert!(ledger.commit(again.number));
        assert!(!ledger.commit(first.number), "taken over twice");
        assert_eq!((take().await, ledger.left()), (None, 0));
    }

    #[tokio::test]
    async fn a_unit_goes_to_a_live_worker_that_has_failed_it_least() {
        let ledger = Ledger::new(units(1, 2, 1, 1), 3);
        let all = |_| true;
        let mut unit = ledger.take(0, all).await.unwrap();
        unit.failed.push(0);
        ledger.put_back(unit);
        // The first unit is the next one, but not for the worker that has failed it.
        assert_eq!(ledger.take(0, all).await.unwrap().number, 1);
        let mut unit = ledger.take(1, all).await.unwrap();
        assert_eq!(unit.number, 0);
        unit.failed.push(1);
        ledger.put_back(unit);
        // The third worker is not there: both others have failed it once.
        let mut unit = ledger.take(0, |worker| worker < 2).await.unwrap();
        unit.failed.push(0);
        ledger.put_back(unit);
        let unit = ledger.take(2, all).await.unwrap();
        assert_eq!(unit.failed, [0, 1, 0]);
        ledger.put_back(unit);
        assert_eq!(ledger.take(0, |worker| worker == 0).await.unwrap().number, 0, "it is alone");
    }

    #[tokio::test]
    async fn who_waits_for_a_unit_gets_the_one_that_comes_back() {
        let ledger = std::sync::Arc::new(Ledger::new(units(1, 1, 1, 1), 2));
        let unit = ledger.take(0, |_| true).await.unwrap();
        let waiting = tokio::spawn({
            let ledger = ledger.clone();
            async move { ledger.take(1, |_| true).await }
        });
        tokio::task::yield_now().await;
        ledger.put_back(Unit { failed: vec![0], ..unit });
        assert_eq!(waiting.await.unwrap().unwrap().failed, [0]);
    }
}
