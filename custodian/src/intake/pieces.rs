//! One batch, encoded piece by piece in parallel.

use std::sync::{Arc, Mutex, PoisonError};

use linkage_core::encode::{Encoder, Worker};
use linkage_core::normalise::{self, NameRoutes, Outcome, Rule};
use linkage_core::schema::FieldKind;
use linkage_core::source::{RawBatch, RawRecord};
use linkage_core::types::RecordRef;
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use crate::findings::{Effect, Findings, SetAside};
use crate::opt_out::OptOuts;
use crate::refs::{RecordId, RecordRefs, record_ref, trim_id};
use crate::report::survey::{Plan, Tally};
use crate::sort::RowCodec;

/// Rows per piece of parallel work: few enough that at the end of a batch no thread waits long for the last piece.
const PIECE_ROWS: usize = 512;

/// Rows that are normalised before the first of them is encoded.
const GROUP_ROWS: usize = 16;

/// What every piece of a batch needs.
pub(super) struct Pieces<'a> {
    pub(super) encoder: Encoder,
    pub(super) kinds: Vec<FieldKind>,
    pub(super) codec: RowCodec,
    pub(super) refs: &'a RecordRefs,
    pub(super) routes: NameRoutes,
    /// What a report counts, when one is made.
    pub(super) plan: Option<Arc<Plan>>,
    pub(super) opted_out: OptOuts,
    /// Why a row that the reader could not use is set aside.
    pub(super) malformed: SetAside,
    /// Memory of rows that have gone into the sorter, for the rows of further pieces.
    pub(super) spare: Mutex<Vec<Vec<u8>>>,
}

/// What came of a piece of a batch.
pub(super) struct Piece {
    pub(super) findings: Findings,
    pub(super) tally: Option<Tally>,
    pub(super) rows: Vec<u8>,
    /// Bits set in the CLKs of the rows.
    pub(super) ones: u64,
}

impl Pieces<'_> {
    /// Encodes a batch, piece by piece in parallel; the pieces come back in the order of the file.
    pub(super) fn run(&self, batch: &RawBatch) -> Vec<Piece> {
        let mut done: Vec<Piece> = (0..batch.len().div_ceil(PIECE_ROWS))
            .into_par_iter()
            // Each to whoever is free: halves of a batch would be as long as its slower half.
            .with_max_len(1)
            .map(|piece| self.encode(batch, piece * PIECE_ROWS..batch.len().min((piece + 1) * PIECE_ROWS)))
            .collect();
        let mut malformed = Findings::new(self.kinds.len());
        for &row in batch.malformed_rows() {
            malformed.rows += 1;
            malformed.set_aside(self.malformed, row);
        }
        for &row in batch.unnamed_rows() {
            malformed.rows += 1;
            malformed.set_aside(SetAside::NoName, row);
        }
        done.push(Piece { findings: malformed, tally: None, rows: Vec::new(), ones: 0 });
        done
    }

    /// Notes which of those who opted out are in a batch that an earlier process has encoded.
    pub(super) fn meet_opt_outs(&self, batch: &RawBatch) {
        if self.opted_out.is_empty() {
            return;
        }
        let mut decoded = String::new();
        for record in batch.records() {
            if let Ok(record_ref) = self.record_ref(record, &mut decoded) {
                self.opted_out.meet(&record_ref);
            }
        }
    }

    fn record_ref(&self, record: RawRecord<'_>, decoded: &mut String) -> Result<RecordRef, SetAside> {
        let Some(id) = record.decoded_id(decoded) else {
            return Ok(record_ref(self.refs, RecordId::Row(record.row())));
        };
        match (id.damaged, trim_id(id.text)) {
            // Two damaged ids may look the same and be different people.
            (true, _) => Err(SetAside::UnreadableRecordId),
            (false, "") => Err(SetAside::NoRecordId),
            (false, id) => Ok(record_ref(self.refs, RecordId::Column(id))),
        }
    }

    fn encode(&self, batch: &RawBatch, range: std::ops::Range<usize>) -> Piece {
        let mut rows = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        rows.reserve_exact(range.len() * self.codec.width());
        let mut hand = Hand {
            pieces: self,
            worker: self.encoder.worker(),
            values: (0..GROUP_ROWS).map(|_| Values::new(self.kinds.len())).collect(),
            group: Vec::with_capacity(GROUP_ROWS),
            decoded: String::new(),
            piece: Piece {
                findings: Findings::new(self.kinds.len()),
                tally: self.plan.as_ref().map(Tally::new),
                rows,
                ones: 0,
            },
        };
        for record in batch.records_in(range) {
            hand.piece.findings.rows += 1;
            if let Err(why) = hand.row(record) {
                hand.piece.findings.set_aside(why, record.row());
            }
            if hand.group.len() == GROUP_ROWS {
                hand.encode_group();
            }
        }
        hand.encode_group();
        hand.piece
    }

    /// Takes the memory of a piece back.
    pub(super) fn recycle(&self, piece: Piece) {
        let mut rows = piece.rows;
        rows.clear();
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(rows);
    }
}

/// The canonical values of one record; their memory is used again for the next.
struct Values {
    record: Vec<Option<String>>,
    spare: Vec<String>,
}

impl Values {
    fn new(fields: usize) -> Self {
        Self { record: vec![None; fields], spare: Vec::new() }
    }

    fn set(&mut self, field: usize, kind: FieldKind, text: &str) -> Result<Outcome, Rule> {
        let Self { record, spare } = self;
        let place = &mut record[field];
        let value = place.get_or_insert_with(|| spare.pop().unwrap_or_default());
        let outcome = normalise::normalise_into(kind, text, value);
        if !matches!(outcome, Ok(Outcome::Value | Outcome::Flagged(_))) {
            spare.extend(place.take());
        }
        outcome
    }
}

impl AsRef<[Option<String>]> for Values {
    fn as_ref(&self) -> &[Option<String>] {
        &self.record
    }
}

/// What a row is, beside its values.
struct Known {
    record_ref: RecordRef,
    newness: u32,
    row: u64,
}

/// One thread's work on one piece.
struct Hand<'a> {
    pieces: &'a Pieces<'a>,
    worker: Worker<'a>,
    /// The values of the rows of the group, and of none behind them.
    values: Vec<Values>,
    group: Vec<Known>,
    decoded: String,
    piece: Piece,
}

impl Hand<'_> {
    /// Adds one row to the group, unless its person has opted out.
    fn row(&mut self, record: RawRecord<'_>) -> Result<(), SetAside> {
        let Self { pieces, values, group, decoded, piece, .. } = self;
        let record_ref = pieces.record_ref(record, decoded)?;
        if !pieces.opted_out.is_empty() && pieces.opted_out.meet(&record_ref) {
            piece.findings.opted_out += 1;
            return Ok(());
        }
        record.name_notes().for_each(|note| piece.findings.note_name(note, record.row()));
        let values = &mut values[group.len()];
        for (field, &kind) in pieces.kinds.iter().enumerate() {
            let raw = record.decoded_field(field, decoded);
            let outcome = values.set(field, kind, raw.text);
            if let (Some(tally), Ok(Outcome::Value | Outcome::Flagged(_))) = (&mut piece.tally, outcome) {
                tally.value(field, raw.text);
            }
            let kept = matches!(outcome, Ok(Outcome::Value | Outcome::Flagged(_)));
            piece.findings.present[field] += u64::from(kept);
            if raw.damaged {
                // What the missing characters make of the value is no fault of its own, and is not counted beside it.
                let effect = if kept { Effect::KeptWithWildcards } else { Effect::Missing };
                piece.findings.break_rule(field, Rule::UndecodableBytes, effect, record.row());
            }
            match outcome {
                Ok(Outcome::Flagged(rule)) => piece.findings.break_rule(field, rule, Effect::Kept, record.row()),
                Err(rule) if !raw.damaged => piece.findings.break_rule(field, rule, Effect::Missing, record.row()),
                _ => {}
            }
        }
        let raw = |field: usize, out: &mut String| out.push_str(record.decoded_field(field, decoded).text);
        pieces.routes.route(&mut values.record, Option::is_none, raw, |field| piece.findings.present[field] += 1);
        group.push(Known { record_ref, newness: record.newness(), row: record.row() });
        Ok(())
    }

    /// Encodes the rows of the group, and empties it.
    fn encode_group(&mut self) {
        let Self { pieces, worker, values, group, piece, .. } = self;
        worker.encode_each(&values[..group.len()], |index, token| {
            let known = &group[index];
            if let Some(tally) = &mut piece.tally {
                tally.row(&values[index].record, token);
            }
            if token.presence == 0 && token.exact.iter().all(Option::is_none) {
                piece.findings.set_aside(SetAside::NothingPresent, known.row);
            } else {
                piece.ones += u64::from(token.clk.popcount());
                pieces.codec.write(known.record_ref.as_bytes(), known.newness, known.row, token, &mut piece.rows);
            }
        });
        group.clear();
    }
}
