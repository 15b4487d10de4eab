//! From an extract to sorted token rows: what `check` and `tokenise` have in common.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{anyhow, bail};
use linkage_core::encode::{Encoder, Worker};
use linkage_core::normalise::{self, NameRoutes, Outcome, Rule, is_kana};
use linkage_core::schema::{FieldKind, LinkageSchema};
use linkage_core::secret::LinkageSecret;
use linkage_core::source::{Encoding, RawBatch, RawRecord};
use linkage_core::types::RecordRef;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::findings::{Findings, SetAside};
use crate::inputs::{Format, Inputs, Register};
use crate::output::{at, grouped, progress, rate};
use crate::refs::{RecordId, RecordRefs, record_ref, trim_id};
use crate::sort::{RowCodec, Sorted, Sorter};

/// Rows per batch: enough for every core to have several pieces of it.
const BATCH_ROWS: usize = 16_384;

/// Rows per piece of parallel work.
const PIECE_ROWS: usize = 1024;

/// The options of every command that reads an extract.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("identified").args(["id_column", "format"]).multiple(true))]
pub(crate) struct InputArgs {
    /// The linkage schema: a shipped name (person-ja, person-en) or the path of a file
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) schema: String,
    /// What the extract is
    #[arg(long, value_name = "FORMAT", default_value = "csv")]
    pub(crate) format: Format,
    /// How the extract is encoded: utf-8 or cp932 [default: cp932 for uke, dpc and kaigo; what MSH-18 says for ssmix2; else utf-8]
    #[arg(long, value_parser = parse_encoding)]
    pub(crate) encoding: Option<Encoding>,
    /// The column that identifies a row; without it, its row number does (csv), or its record_id (other formats)
    #[arg(long, value_name = "COLUMN")]
    pub(crate) id_column: Option<String>,
    /// Read a field from a column of another name; FIELD= says that there is none
    #[arg(long, value_name = "FIELD=COLUMN", value_parser = parse_mapping)]
    pub(crate) map: Vec<(String, String)>,
    /// Where receipts of a kind have the reading of the name, such as dpc=38, dpc=detect or dpc=none (uke)
    #[arg(long, value_name = "KIND=COLUMN", requires = "format")]
    pub(crate) kana_column: Vec<String>,
    /// Where receipts of a kind have the number of the chart (uke)
    #[arg(long, value_name = "KIND=COLUMN", requires = "format")]
    pub(crate) chart_column: Vec<String>,
    /// The root (OID) of the id that is the branch number (kenshin); without it, checkups have none
    #[arg(long, value_name = "OID", requires = "format")]
    pub(crate) branch_root: Option<String>,
    /// Where the names are, when the extract has none: the register beside claims (kaigo), the receipts beside 様式1 (dpc)
    #[arg(long, value_name = "FILE", requires = "format")]
    pub(crate) names: Vec<PathBuf>,
    /// How the register is laid out [default: ledger] (kaigo)
    #[arg(long, value_name = "LAYOUT", requires = "format")]
    pub(crate) register: Option<Register>,
    /// Where a value is, by number or by its name in the first row, such as register.number=10 (kaigo)
    #[arg(long, value_name = "PART.NAME=COLUMN", requires = "format")]
    pub(crate) column: Vec<String>,
    /// Leave out the rows whose record ids this file lists, one per line, in UTF-8
    #[arg(long, value_name = "FILE", requires = "identified")]
    opt_out: Option<PathBuf>,
    /// How many threads to use [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Memory for sorting, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    memory: u32,
    /// Memory for sorting, in bytes: for tests, which want many runs
    #[arg(long, hide = true)]
    sort_bytes: Option<usize>,
    /// The extract, in one file or several; - for stdin; a folder for all of its files (not csv)
    #[arg(value_name = "IN", required = true)]
    pub(crate) inputs: Vec<PathBuf>,
}

fn parse_encoding(text: &str) -> Result<Encoding, String> {
    text.parse().map_err(|error| format!("{error}"))
}

fn parse_mapping(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((field, column)) if !field.is_empty() => Ok((field.trim().to_owned(), column.trim().to_owned())),
        _ => Err("give FIELD=COLUMN".to_owned()),
    }
}

/// What the extract came to.
pub(crate) struct Intake {
    pub(crate) findings: Findings,
    pub(crate) sorted: Sorted,
    /// Rows that remain, and the bits set in their CLKs.
    pub(crate) records: u64,
    pub(crate) bits_set: u64,
}

impl InputArgs {
    /// Loads the schema, and refuses one that asks for another normalisation.
    ///
    /// # Errors
    /// When the schema cannot be loaded or this program does not know its normalisation.
    pub(crate) fn load_schema(&self) -> anyhow::Result<LinkageSchema> {
        let schema = LinkageSchema::load(&self.schema)?;
        if schema.normalisation() != normalise::VERSION {
            bail!(
                "the schema asks for normalisation {:?}\nhint: this program carries out {:?}",
                schema.normalisation(),
                normalise::VERSION
            );
        }
        Ok(schema)
    }

    /// Refuses options that the format does not have, so that none is without effect.
    ///
    /// # Errors
    /// When there is one, or one that the format needs is missing.
    pub(crate) fn refuse_options_of_other_formats(&self) -> anyhow::Result<()> {
        let of_receipts = matches!(self.format, Format::Uke | Format::Dpc);
        if !(of_receipts || self.kana_column.is_empty() && self.chart_column.is_empty()) {
            bail!("--kana-column and --chart-column are for receipts\nhint: say --format uke, or leave them out");
        }
        if self.format != Format::Kenshin && self.branch_root.is_some() {
            bail!("--branch-root is for checkups\nhint: say --format kenshin, or leave it out");
        }
        if self.format != Format::Kaigo && (self.register.is_some() || !self.column.is_empty()) {
            bail!("--register and --column are for long-term care\nhint: say --format kaigo, or leave them out");
        }
        match (self.format, self.names.is_empty()) {
            (Format::Kaigo, _) | (Format::Dpc, false) => Ok(()),
            (Format::Dpc, true) => bail!("様式1 has no names\nhint: give the DPC receipts with --names"),
            (_, true) => Ok(()),
            (_, false) => {
                bail!("--names is for extracts without names\nhint: say --format kaigo or dpc, or leave it out")
            }
        }
    }

    /// The extract, for a message about all of it: the first of its files.
    pub(crate) fn first(&self) -> &Path {
        // The command line asks for at least one.
        self.inputs.first().map_or(Path::new("-"), PathBuf::as_path)
    }

    /// Reads, normalises, encodes and sorts the whole extract.
    ///
    /// # Errors
    /// When the extract cannot be read to its end, or the sorted runs cannot be written to `spill_folder`.
    pub(crate) fn run(
        &self,
        schema: &LinkageSchema,
        secret: &LinkageSecret,
        refs: &RecordRefs,
        spill_folder: &Path,
    ) -> anyhow::Result<Intake> {
        let threads = self.threads.map_or(0, usize::from);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        pool.install(|| self.run_in_pool(schema, secret, refs, spill_folder))
    }

    fn run_in_pool(
        &self,
        schema: &LinkageSchema,
        secret: &LinkageSecret,
        refs: &RecordRefs,
        spill_folder: &Path,
    ) -> anyhow::Result<Intake> {
        let started = Instant::now();
        let pieces = Pieces {
            encoder: Encoder::new(schema, secret),
            kinds: schema.fields().iter().map(|field| field.kind()).collect(),
            codec: RowCodec::new(schema.clk_bits(), schema.exact_tokens().len()),
            refs,
            routes: NameRoutes::new(schema),
            opted_out: self.load_opt_outs(refs)?,
            malformed: if self.format.is_table() { SetAside::WrongFieldCount } else { SetAside::Malformed },
        };
        let mut source = Inputs::open(self, schema)?;
        let sort_bytes = self.sort_bytes.unwrap_or(self.memory as usize * 1024 * 1024);
        let mut sorter = Sorter::new(pieces.codec, spill_folder, sort_bytes);
        let mut findings = Findings::new(schema.fields().len());
        let bar = progress(source.total_bytes());
        let (mut current, mut next) = (RawBatch::new(), RawBatch::new());
        let mut more = source.read_batch(&mut current, BATCH_ROWS)?;
        while more {
            // The next batch is read while this one is encoded.
            let (read, done) = rayon::join(|| source.read_batch(&mut next, BATCH_ROWS), || pieces.run(&current));
            for piece in &done {
                findings.append(&piece.findings);
                sorter.push(&piece.rows).map_err(|error| at(spill_folder, error))?;
            }
            bar.set_position(source.read_bytes());
            bar.set_message(format!("{} rows/s", grouped(rate(findings.rows, started.elapsed()))));
            more = read?;
            std::mem::swap(&mut current, &mut next);
        }
        bar.finish_and_clear();
        if findings.rows == 0 {
            return Err(at(self.first(), self.format.nothing_found()));
        }
        if findings.encoding_is_wrong() {
            let advice = "hint: declare another one with --encoding (utf-8 or cp932); nothing has been written";
            let what = format!("more than half of the rows are not in the declared encoding\n{advice}");
            return Err(at(self.first(), what));
        }
        let sorted = sorter.finish().map_err(|error| at(spill_folder, error))?;
        let (mut records, mut bits_set) = (0, 0);
        let keep = |row: crate::sort::Row<'_>| {
            records += 1;
            bits_set += u64::from(row.clk_ones());
            Ok(())
        };
        sorted.for_each(keep, |row| match self.format.is_table() {
            true => findings.set_aside(SetAside::DuplicateRecordId, row.row()),
            // The other formats have a record per visit or month: older ones are no fault.
            false => findings.superseded += 1,
        })?;
        Ok(Intake { findings, sorted, records, bits_set })
    }

    fn load_opt_outs(&self, refs: &RecordRefs) -> anyhow::Result<HashSet<RecordRef>> {
        let Some(path) = &self.opt_out else { return Ok(HashSet::new()) };
        if self.format.is_table() && self.id_column.is_none() {
            bail!(
                "rows without record ids cannot be left out by them\nhint: name the column of the ids with --id-column"
            );
        }
        let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => at(path, "not UTF-8\nhint: save the list as UTF-8, one record id per line"),
            _ => at(path, error),
        })?;
        let ids = text.trim_start_matches('\u{FEFF}').lines().map(trim_id).filter(|id| !id.is_empty());
        Ok(ids.map(|id| record_ref(refs, RecordId::Column(id))).collect())
    }
}

/// What every piece of a batch needs.
struct Pieces<'a> {
    encoder: Encoder,
    kinds: Vec<FieldKind>,
    codec: RowCodec,
    refs: &'a RecordRefs,
    routes: NameRoutes,
    opted_out: HashSet<RecordRef>,
    /// Why a row that the reader could not use is set aside.
    malformed: SetAside,
}

/// What came of a piece of a batch.
struct Piece {
    findings: Findings,
    rows: Vec<u8>,
}

impl Pieces<'_> {
    /// Encodes a batch, piece by piece in parallel; the pieces come back in the order of the file.
    fn run(&self, batch: &RawBatch) -> Vec<Piece> {
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
        done.push(Piece { findings: malformed, rows: Vec::new() });
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
            match values.set(field, kind, raw.text) {
                Ok(Outcome::Missing) => {}
                Ok(Outcome::Value) => piece.findings.present[field] += 1,
                Ok(Outcome::Flagged(rule)) => {
                    piece.findings.present[field] += 1;
                    piece.findings.break_rule(field, rule, record.row());
                }
                Err(rule) => piece.findings.break_rule(field, rule, record.row()),
            }
        }
        // A name that stands in kana in the column for kanji goes to the column of its reading, where that has none.
        for &(kanji, kana) in pieces.routes.pairs() {
            if values.record[kanji].is_none() && values.record[kana].is_none() {
                let raw = record.encoding().decode(record.field(kanji), decoded);
                if is_kana(raw.text) && matches!(values.set(kana, FieldKind::Kana, raw.text), Ok(Outcome::Value)) {
                    piece.findings.present[kana] += 1;
                }
            }
        }
        let token = worker.encode(&values.record);
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

/// The folder in which a file lies or will lie.
///
/// # Errors
/// When the path does not name a file.
pub(crate) fn folder_of(path: &Path) -> anyhow::Result<&Path> {
    match path.parent() {
        Some(parent) if parent == Path::new("") => Ok(Path::new(".")),
        Some(parent) => Ok(parent),
        None => Err(anyhow!("`{}` is not the path of a file", path.display())),
    }
}
