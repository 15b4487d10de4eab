//! Putting together what units have found, so that it is what one process finds.
//!
//! Pairs of different units are different pairs, whatever the units are. Three things are not a matter of one unit: the best
//! pairs of a row, which are the best of the best of all units; the recall, for which one sample of both sides is drawn here;
//! and where bands end, for which units are taken band by band in the order of the bands, whoever was first.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch, UInt32Array};
use arrow::datatypes::{Float64Type, SchemaRef, UInt32Type};
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::execution::memory_pool::MemoryReservation;
use linkage_core::block::certificate::RecallTally;
use linkage_core::block::lsh::BandRule;

use super::run::{Finished, RemoteCounts};
use super::sample::Drawn;
use crate::keyed::KeyedReport;
use crate::lsh_join::LshReport;
use crate::note::Note;

/// Rows of a batch of pairs that are handed on.
const BATCH_ROWS: usize = 8192;

/// A pair that a unit has found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pair {
    pub(super) left: u32,
    pub(super) right: u32,
    pub(super) score: f64,
}

/// What is still to be done with pairs.
pub(super) struct Gather {
    pub(super) schema: SchemaRef,
    pub(super) counts: Arc<RemoteCounts>,
    pub(super) search: Search,
    pub(super) best: Option<Best>,
}

/// What the search of the units is measured by.
pub(super) enum Search {
    /// Nothing: all pairs are compared.
    AllPairs,
    /// The tally of a sample.
    Keyed(Box<Drawn<RecallTally>>),
    /// The rule by which bands end, and units that came before their turn. `None` when there is nothing to search.
    Bands { rule: Option<Box<Drawn<BandRule>>>, next: usize, early: BTreeMap<usize, Finished> },
}

impl Search {
    /// Bands from the first one on.
    pub(super) fn bands(rule: Option<Drawn<BandRule>>) -> Self {
        Self::Bands { rule: rule.map(Box::new), next: 0, early: BTreeMap::new() }
    }
}

impl Gather {
    /// Whether no further unit is wanted.
    pub(super) fn done(&self) -> bool {
        match &self.search {
            Search::Bands { rule, .. } => rule.as_ref().is_none_or(|rule| !rule.drawn.goes_on()),
            _ => false,
        }
    }

    /// Takes over a unit, and returns what may be handed on, with the memory that is to be held until it is.
    pub(super) fn take(&mut self, unit: Finished) -> Result<(Vec<RecordBatch>, Vec<MemoryReservation>)> {
        if !unit.noted {
            return Ok((unit.batches, vec![unit.memory]));
        }
        let mut ready = Vec::new();
        let waiting = match &mut self.search {
            Search::Bands { next, early, .. } => {
                early.insert(unit.unit.number, unit);
                let mut in_turn = Vec::new();
                while let Some(unit) = early.remove(next) {
                    *next += 1;
                    in_turn.push(unit);
                }
                in_turn
            }
            _ => vec![unit],
        };
        let mut memory = Vec::new();
        for unit in waiting {
            memory.push(unit.memory);
            let mut pairs = Vec::new();
            for row in unit.batches.iter().flat_map(rows) {
                match row? {
                    Row::Pair(pair) => pairs.push(pair),
                    Row::Note(note) => self.noted(note, &mut pairs, &mut ready)?,
                }
            }
        }
        match &mut self.best {
            Some(best) => {
                best.add(&ready)?;
                Ok((Vec::new(), Vec::new()))
            }
            None => Ok((batches(&self.schema, &ready)?, memory)),
        }
    }

    /// What could not be handed on before the last unit.
    pub(super) fn rest(self) -> Result<Vec<RecordBatch>> {
        let best = self.best.map(Best::into_pairs).unwrap_or_default();
        batches(&self.schema, &best)
    }

    fn noted(&mut self, note: Note, pairs: &mut Vec<Pair>, ready: &mut Vec<Pair>) -> Result<()> {
        match (&mut self.search, note) {
            (Search::Bands { rule: Some(rule), .. }, Note::Band(band)) => {
                // A unit may have searched on where the bands before it were enough.
                if rule.drawn.goes_on() {
                    let found = rule.places(pairs)?;
                    rule.drawn.observe(&found);
                    rule.drawn.searched(&band);
                    let rule = &rule.drawn;
                    let (plan, bands, certificate) = (*rule.plan(), rule.stats(), rule.certificate());
                    self.counts.bands(LshReport { plan, bands, certificate });
                    ready.append(pairs);
                }
                pairs.clear();
            }
            (Search::Bands { .. }, Note::Done(counts)) => self.counts.held(counts.bytes),
            (Search::Keyed(tally), Note::Done(counts)) => {
                let found = tally.places(pairs)?;
                tally.drawn.observe(&found);
                let completeness = tally.drawn.certificate(0.0);
                self.counts.unit(counts);
                let [left_rows, right_rows] = tally.rows;
                self.counts.keyed(|before| {
                    let (candidates, kept) = before.map_or((0, 0), |before| (before.candidates, before.kept));
                    let (candidates, kept) = (candidates + counts.compared, kept + found.len() as u64);
                    KeyedReport { left_rows, right_rows, candidates, kept, completeness }
                });
                ready.append(pairs);
            }
            (Search::AllPairs, Note::Done(counts)) => {
                self.counts.unit(counts);
                ready.append(pairs);
            }
            (_, Note::Band(_)) => return Err(exec_datafusion_err!("a work unit has searched bands unasked")),
        }
        Ok(())
    }
}

/// The best pairs of each left row.
pub(super) struct Best {
    pairs: usize,
    rows: HashMap<u32, Vec<Pair>>,
    kept: usize,
    memory: MemoryReservation,
}

impl Best {
    /// So many of each.
    pub(super) fn new(pairs: u32, memory: MemoryReservation) -> Self {
        Self { pairs: pairs as usize, rows: HashMap::new(), kept: 0, memory }
    }

    fn add(&mut self, pairs: &[Pair]) -> Result<()> {
        for pair in pairs {
            let row = self.rows.entry(pair.left).or_default();
            let at = row.partition_point(|other| {
                other.score > pair.score || (other.score == pair.score && other.right < pair.right)
            });
            if at < self.pairs {
                self.kept += usize::from(row.len() < self.pairs);
                row.truncate(self.pairs.saturating_sub(1));
                row.insert(at, *pair);
            }
        }
        // A vector holds up to twice what is in it, and an entry of the table is as large as two pairs.
        self.memory.try_resize((2 * self.kept + 4 * self.rows.capacity()) * size_of::<Pair>())
    }

    fn into_pairs(self) -> Vec<Pair> {
        self.rows.into_values().flatten().collect()
    }
}

/// Whether all is there that a unit with notes has to say: the last row says that no pair follows.
pub(super) fn is_whole(batches: &[RecordBatch]) -> bool {
    let last = batches.last().and_then(|batch| rows(batch).last());
    matches!(last, Some(Ok(Row::Note(Note::Done(_)))))
}

enum Row {
    Pair(Pair),
    Note(Note),
}

fn rows(batch: &RecordBatch) -> impl Iterator<Item = Result<Row>> + '_ {
    let other = || exec_datafusion_err!("a work unit has found something else than pairs");
    let columns = (|| {
        let left = batch.column(0).as_primitive_opt::<UInt32Type>()?;
        let right = batch.column(1).as_primitive_opt::<UInt32Type>()?;
        let score = batch.column(2).as_primitive_opt::<Float64Type>()?;
        Some((left, right, score, batch.column(3).as_binary_opt::<i32>()?))
    })();
    let count = if columns.is_some() { batch.num_rows() } else { 1 };
    (0..count).map(move |at| {
        let (left, right, score, notes) = columns.ok_or_else(other)?;
        if notes.is_valid(at) {
            return Note::from_bytes(notes.value(at)).map(Row::Note).ok_or_else(other);
        }
        Ok(Row::Pair(Pair { left: left.value(at), right: right.value(at), score: score.value(at) }))
    })
}

fn batches(schema: &SchemaRef, pairs: &[Pair]) -> Result<Vec<RecordBatch>> {
    let batches = pairs.chunks(BATCH_ROWS).map(|pairs| {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt32Array::from_iter_values(pairs.iter().map(|pair| pair.left))),
            Arc::new(UInt32Array::from_iter_values(pairs.iter().map(|pair| pair.right))),
            Arc::new(Float64Array::from_iter_values(pairs.iter().map(|pair| pair.score))),
            Arc::new(BooleanArray::from(vec![false; pairs.len()])),
        ];
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    });
    batches.collect()
}

#[cfg(test)]
mod tests {
    use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, UnboundedMemoryPool};

    use super::*;

    #[test]
    fn the_best_of_the_best_of_all_units_are_the_best() {
        let pair = |left, right, score| Pair { left, right, score };
        let pool: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
        let units = [
            vec![pair(1, 5, 0.9), pair(1, 9, 0.8), pair(2, 5, 0.7)],
            vec![pair(1, 3, 0.9), pair(1, 4, 0.85), pair(2, 1, 0.7), pair(3, 3, 1.0)],
            vec![pair(2, 9, 0.95), pair(1, 2, 0.9)],
        ];
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            let mut best = Best::new(2, MemoryConsumer::new("best").register(&pool));
            order.iter().for_each(|unit| best.add(&units[*unit]).unwrap());
            let mut found = best.into_pairs();
            found.sort_by_key(|pair| (pair.left, pair.right));
            let expected = [pair(1, 2, 0.9), pair(1, 3, 0.9), pair(2, 1, 0.7), pair(2, 9, 0.95), pair(3, 3, 1.0)];
            assert_eq!(found, expected);
        }
        let mut none = Best::new(0, MemoryConsumer::new("best").register(&pool));
        none.add(&units[0]).unwrap();
        assert_eq!(none.into_pairs(), []);
    }
}
