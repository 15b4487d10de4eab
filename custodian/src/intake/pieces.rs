//! One batch, encoded piece by piece in parallel.

use std::collections::HashSet;
use std::sync::Arc;

use linkage_core::encode::{Encoder, Worker};
use linkage_core::normalise::{self, NameRoutes, Outcome, Rule};
use linkage_core::schema::FieldKind;
use linkage_core::source::{RawBatch, RawRecord};
use linkage_core::types::RecordRef;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::findings::{Findings, SetAside};
use crate::refs::{RecordId, RecordRefs, record_ref, trim_id};
use crate::report::survey::{Plan, Tally};
use crate::sort::RowCodec;

/// Rows per piece of parallel work.
const PIECE_ROWS: usize = 1024;

/// What every piece of a batch needs.
pub(super) struct Pieces<'a> {
    pub(super) encoder: Encoder,
    pub(super) kinds: Vec<FieldKind>,
    pub(super) codec: RowCodec,
    pub(super) refs: &'a RecordRefs,
    pub(super) routes: NameRoutes,
    /// What a report counts, when one is made.
    pub(super) plan: Option<Arc<Plan>>,
    pub(super) opted_out: HashSet<RecordRef>,
    /// Why a row that the reader could not use is set aside.
    pub(super) malformed: SetAside,
}

/// What came of a piece of a batch.
pub(super) struct Piece {
    pub(super) findings: Findings,
    pub(super) tally: Option<Tally>,
    pub(super) rows: Vec<u8>,
}

impl Pieces<'_> {
    /// Encodes a batch, piece by piece in parallel; the pieces come back in the order of the file.
    pub(super) fn run(&self, batch: &RawBatch) -> Vec<Piece> {
        let mut done: Vec<Piece> = (0..batch.len().div_ceil(PIECE_ROWS))
            .into_par_iter()
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
        done.push(Piece { findings: malformed, tally: None, rows: Vec::new() });
        done
    }

    fn encode(&self, batch: &RawBatch, range: std::ops::Range<usize>) -> Piece {
        let mut hand = Hand {
            pieces: self,
            worker: self.encoder.worker(),
            values: Values::new(self.kinds.len()),
            decoded: String::new(),
            piece: Piece {
                findings: Findings::new(self.kinds.len()),
                tally: self.plan.as_ref().map(Tally::new),
                rows: Vec::with_capacity(range.len() * self.codec.width()),
            },
        };
        for index in range {
            let record = batch.record(index);
            hand.piece.findings.rows += 1;
            if let Err(why) = hand.row(record) {
                hand.piece.findings.set_aside(why, record.row());
            }
        }
        hand.piece
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
        let mut value = self.record[field].take().or_else(|| self.spare.pop()).unwrap_or_default();
        let outcome = normalise::normalise_into(kind, text, &mut value);
        match outcome {
            Ok(Outcome::Value | Outcome::Flagged(_)) => self.record[field] = Some(value),
            _ => self.spare.push(value),
        }
        outcome
    }
}

/// One thread's work on one piece.
struct Hand<'a> {
    pieces: &'a Pieces<'a>,
    worker: Worker<'a>,
    values: Values,
    decoded: String,
    piece: Piece,
}

impl Hand<'_> {
    /// Encodes one row, unless its person has opted out.
    fn row(&mut self, record: RawRecord<'_>) -> Result<(), SetAside> {
        let record_ref = self.record_ref(record)?;
        let Self { pieces, worker, values, decoded, piece } = self;
        if pieces.opted_out.contains(&record_ref) {
            piece.findings.opted_out += 1;
            return Ok(());
        }
        for (field, &kind) in pieces.kinds.iter().enumerate() {
            let raw = record.encoding().decode(record.field(field), decoded);
            if raw.damaged {
                piece.findings.break_rule(field, Rule::UndecodableBytes, record.row());
            }
            let outcome = values.set(field, kind, raw.text);
            if let (Some(tally), Ok(Outcome::Value | Outcome::Flagged(_))) = (&mut piece.tally, outcome) {
                tally.value(field, raw.text);
            }
            match outcome {
                Ok(Outcome::Missing) => {}
                Ok(Outcome::Value) => piece.findings.present[field] += 1,
                Ok(Outcome::Flagged(rule)) => {
                    piece.findings.present[field] += 1;
                    piece.findings.break_rule(field, rule, record.row());
                }
                Err(rule) => piece.findings.break_rule(field, rule, record.row()),
            }
        }
        let raw = |field: usize, out: &mut String| {
            out.push_str(record.encoding().decode(record.field(field), decoded).text);
        };
        pieces.routes.route(&mut values.record, Option::is_none, raw, |field| piece.findings.present[field] += 1);
        let token = worker.encode(&values.record);
        if let Some(tally) = &mut piece.tally {
            tally.row(&values.record, &token);
        }
        if token.presence == 0 && token.exact.iter().all(Option::is_none) {
            return Err(SetAside::NothingPresent);
        }
        pieces.codec.write(record_ref.as_bytes(), record.newness(), record.row(), &token, &mut piece.rows);
        Ok(())
    }

    fn record_ref(&mut self, record: RawRecord<'_>) -> Result<RecordRef, SetAside> {
        let Some(id) = record.id() else {
            return Ok(record_ref(self.pieces.refs, RecordId::Row(record.row())));
        };
        let id = record.encoding().decode(id, &mut self.decoded);
        match (id.damaged, trim_id(id.text)) {
            // Two damaged ids may look the same and be different people.
            (true, _) => Err(SetAside::UnreadableRecordId),
            (false, "") => Err(SetAside::NoRecordId),
            (false, id) => Ok(record_ref(self.pieces.refs, RecordId::Column(id))),
        }
    }
}
