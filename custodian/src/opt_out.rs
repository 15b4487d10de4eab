//! The people who have opted out, and how many of those listed were met in the extract.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use linkage_core::types::RecordRef;
use serde_json::{Value, json};

use crate::figure::{Figure, hidden, remainder};
use crate::refs::{RecordId, RecordRefs, record_ref, trim_id};

/// A list of record ids, as the refs that they have. It notes which of them have been met.
#[derive(Default)]
pub(crate) struct OptOuts {
    listed: HashMap<RecordRef, AtomicBool>,
}

impl OptOuts {
    /// Reads a list of one record id per line.
    pub(crate) fn parse(text: &str, refs: &RecordRefs) -> Self {
        let ids = text.trim_start_matches('\u{FEFF}').lines().map(trim_id).filter(|id| !id.is_empty());
        Self { listed: ids.map(|id| (record_ref(refs, RecordId::Column(id)), AtomicBool::new(false))).collect() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// Whether this person has opted out; if so, its id has been met.
    pub(crate) fn meet(&self, record_ref: &RecordRef) -> bool {
        let met = self.listed.get(record_ref);
        // Only a flag is set, and nobody reads it before all threads are done.
        met.inspect(|met| met.store(true, Ordering::Relaxed)).is_some()
    }

    /// The refs in their order.
    pub(crate) fn sorted(&self) -> Vec<[u8; 16]> {
        let mut refs: Vec<[u8; 16]> = self.listed.keys().map(|listed| listed.0).collect();
        refs.sort_unstable();
        refs
    }

    pub(crate) fn count(&self) -> OptOutCount {
        let found = self.listed.values().filter(|met| met.load(Ordering::Relaxed)).count();
        OptOutCount { listed: self.listed.len() as u64, found: found as u64 }
    }
}

/// How many different ids a list has, and how many of them the extract has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OptOutCount {
    pub(crate) listed: u64,
    pub(crate) found: u64,
}

impl OptOutCount {
    /// What to say on site: the figures, and a warning where the list fits the extract only in part. Somebody who opted out
    /// and is not recognised would be linked all the same. Counts below `limit` are hidden.
    pub(crate) fn lines(self, limit: u64) -> Vec<String> {
        let mut lines = vec![format!("opted out: {}", self.found_of_listed(limit))];
        let hint = "hint: an id counts only as the extract has it, character by character (`0001` is not `1`); \
                    docs/guides/custodian.md says what the ids of each format are";
        match self.found {
            0 => lines.push(format!("warning: NOBODY HAS BEEN LEFT OUT: no listed id is in the extract\n{hint}")),
            found if found < self.listed => {
                let missing = hidden(self.listed - found, limit);
                lines.push(format!("warning: listed ids that are not in the extract: {missing}\n{hint}"));
            }
            _ => {}
        }
        lines
    }

    /// `3 of 5 listed ids`.
    pub(crate) fn found_of_listed(self, limit: u64) -> String {
        format!("{} of {} listed ids", self.found_figure(limit), hidden(self.listed, limit))
    }

    /// The same for a script.
    pub(crate) fn json(self, limit: u64) -> Value {
        json!({ "listed_ids": hidden(self.listed, limit).json(), "found_ids": self.found_figure(limit).json() })
    }

    /// Few ids that were found are hidden, and so is what would tell that few were not.
    fn found_figure(self, limit: u64) -> Figure {
        match hidden(self.found, limit) {
            Figure::Count(found) => remainder(found, &[self.listed - found], limit),
            few => few,
        }
    }
}
