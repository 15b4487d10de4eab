//! Work units: a link cut into pieces that can be run again.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Some chunks of the left table against some chunks of the right one. Units do not overlap, and together they are the
/// whole link, so a unit whose pairs were taken over once is done, and one that failed can be run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) number: usize,
    pub(super) left: Range<usize>,
    pub(super) right: Range<usize>,
    /// How often it was started.
    pub(super) attempts: usize,
}

/// All units of two tables of so many chunks, `per_side` chunks of each in a unit.
pub(super) fn units(left_chunks: usize, right_chunks: usize, per_side: usize) -> Vec<Unit> {
    let ranges = |chunks: usize| {
        (0..chunks).step_by(per_side.max(1)).map(move |from| from..(from + per_side.max(1)).min(chunks))
    };
    let pairs = ranges(left_chunks).flat_map(|left| ranges(right_chunks).map(move |right| (left.clone(), right)));
    pairs.enumerate().map(|(number, (left, right))| Unit { number, left, right, attempts: 0 }).collect()
}

/// Which units are still to be run, and which are done.
#[derive(Debug)]
pub(super) struct Ledger {
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
    pub(super) fn new(units: Vec<Unit>) -> Self {
        let (done, left) = (vec![false; units.len()], units.len());
        Self { state: Mutex::new(State { open: units.into(), done, left }), changed: Notify::new() }
    }

    /// The next unit to run; waits while all that are left are being run, because one of them may come back. `None` when
    /// all are done.
    pub(super) async fn take(&self) -> Option<Unit> {
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
                if let Some(mut unit) = state.open.pop_front() {
                    unit.attempts += 1;
                    return Some(unit);
                }
            }
            changed.await;
        }
    }

    /// Puts a unit back that could not be finished.
    pub(super) fn put_back(&self, unit: Unit) {
        self.lock().open.push_back(unit);
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
            for unit in units(left, right, per_side) {
                for pair in unit.left.clone().flat_map(|l| unit.right.clone().map(move |r| (l, r))) {
                    assert!(seen.insert(pair), "{pair:?} twice");
                }
            }
            assert_eq!(seen.len(), left * right);
        }
    }

    #[tokio::test]
    async fn a_unit_that_comes_back_is_run_again_and_its_pairs_are_taken_once() {
        let ledger = Ledger::new(units(1, 2, 1));
        let (first, second) = (ledger.take().await.unwrap(), ledger.take().await.unwrap());
        assert!(ledger.commit(second.number));
        ledger.put_back(first.clone());
        let again = ledger.take().await.unwrap();
        assert_eq!((again.number, again.attempts), (first.number, 2));
        assert!(ledger.commit(again.number));
        assert!(!ledger.commit(first.number), "taken over twice");
        assert_eq!((ledger.take().await, ledger.left()), (None, 0));
    }

    #[tokio::test]
    async fn who_waits_for_a_unit_gets_the_one_that_comes_back() {
        let ledger = std::sync::Arc::new(Ledger::new(units(1, 1, 1)));
        let unit = ledger.take().await.unwrap();
        let waiting = tokio::spawn({
            let ledger = ledger.clone();
            async move { ledger.take().await }
        });
        tokio::task::yield_now().await;
        ledger.put_back(unit);
        assert_eq!(waiting.await.unwrap().unwrap().attempts, 2);
    }
}
