//! From an extract to sorted token rows: what `check` and `tokenise` have in common.

mod pieces;
#[cfg(feature = "submit")]
mod reread;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::{anyhow, bail};
use linkage_core::encode::Encoder;
use linkage_core::normalise::{self, NameRoutes};
use linkage_core::schema::LinkageSchema;
use linkage_core::secret::LinkageSecret;
use linkage_core::source::{Encoding, Mapping, RawBatch};

use crate::allocator::keep_freed_memory;
use crate::figure::grouped;
use crate::findings::{Findings, SetAside};
use crate::format_args::FormatArgs;
use crate::inputs::{Format, Inputs, listed, parse_encoding};
use crate::looks;
use crate::opt_out::{OptOutCount, OptOuts};
use crate::output::{at, progress, rate, talk};
use crate::refs::RecordRefs;
use crate::report::survey::Survey;
use crate::sort::{Remaining, RowCodec, Sorted, Sorter};
use crate::work::{self, WorkFolder};
use pieces::{Piece, Pieces};
#[cfg(feature = "submit")]
pub(crate) use reread::RereadArgs;

/// Rows per batch: enough for every core to have several pieces of it.
const BATCH_ROWS: usize = 16_384;

/// The options of every command that reads an extract.
#[derive(Debug, Clone, clap::Args)]
#[command(group = clap::ArgGroup::new("identified").args(["id_column", "format", "mapping"]).multiple(true))]
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
    /// Which column is which field, how they are written and encoded: a file that `custodian map` proposes (csv, parquet)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["map", "id_column", "encoding"])]
    pub(crate) mapping: Option<PathBuf>,
    /// Where the names are, when the extract has none: the register beside claims (kaigo), the receipts beside 様式1 (dpc)
    #[arg(long, value_name = "FILE", requires = "format")]
    pub(crate) names: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) of_format: FormatArgs,
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
    /// The extract, in one file or several; - for stdin; a folder for all of its files (not csv); 'part-*.csv' for all that fit
    #[arg(value_name = "IN", required = true)]
    pub(crate) inputs: Vec<PathBuf>,
}

/// FIELD=COLUMN, as an option gives it.
pub(crate) fn parse_mapping(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((field, column)) if !field.is_empty() => Ok((field.trim().to_owned(), column.trim().to_owned())),
        _ => Err("give FIELD=COLUMN".to_owned()),
    }
}

/// What the extract came to.
pub(crate) struct Intake<'a> {
    pub(crate) findings: Findings,
    /// When there is a list of people who opted out.
    pub(crate) opt_out: Option<OptOutCount>,
    pub(crate) sorted: Sorted<'a>,
    /// Rows that remain, and the bits set in their CLKs.
    pub(crate) records: u64,
    pub(crate) bits_set: u64,
}

impl InputArgs {
    /// The options for one table, all others as they are when nobody names them.
    pub(crate) fn reading(schema: &str, input: &Path) -> Self {
        Self {
            schema: schema.to_owned(),
            format: Format::Csv,
            encoding: None,
            id_column: None,
            map: Vec::new(),
            mapping: None,
            names: Vec::new(),
            of_format: FormatArgs::default(),
            opt_out: None,
            threads: None,
            memory: 0,
            sort_bytes: None,
            inputs: vec![input.to_owned()],
        }
    }

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
        self.of_format.refuse_others(self.format)?;
        match (self.format, self.names.is_empty()) {
            (Format::Kaigo, _) | (Format::Dpc, false) => Ok(()),
            (Format::Dpc, true) => bail!("様式1 has no names\nhint: give the DPC receipts with --names"),
            (_, true) => Ok(()),
            (_, false) => {
                bail!("--names is for extracts without names\nhint: say --format kaigo or dpc, or leave it out")
            }
        }
    }

    /// The mapping file, when one is named.
    ///
    /// # Errors
    /// When it cannot be read, does not fit the schema, or belongs to another format.
    pub(crate) fn load_mapping(&self, schema: &LinkageSchema) -> anyhow::Result<Option<Mapping>> {
        let Some(path) = &self.mapping else { return Ok(None) };
        if !self.format.is_table() {
            bail!(
                "--mapping is for csv and parquet\nhint: the other formats have columns of fixed names; use --map for them"
            );
        }
        let text = std::fs::read_to_string(path).map_err(|error| at(path, error))?;
        let mapping = Mapping::parse(&text, schema).map_err(|error| at(path, error))?;
        if self.format != Format::Csv && !mapping.is_of_named_columns() {
            return Err(at(
                path,
                "Parquet says itself where its columns are and how text is encoded\nhint: leave delimiter, header, skip_rows and encoding out of the mapping",
            ));
        }
        Ok(Some(mapping))
    }

    /// Refuses a mapping that no person has confirmed: a wrong column makes tokens that nobody can tell from right ones.
    ///
    /// # Errors
    /// As [`InputArgs::load_mapping`], and when the mapping does not say that it is confirmed.
    pub(crate) fn require_confirmed(&self, schema: &LinkageSchema) -> anyhow::Result<()> {
        match (&self.mapping, self.load_mapping(schema)?) {
            (Some(path), Some(mapping)) if !mapping.confirmed() => Err(at(
                path,
                "nobody has confirmed this mapping\nhint: read it, try it with `custodian check --mapping`, then set confirmed = true in it",
            )),
            _ => Ok(()),
        }
    }

    /// The extract, for a message about all of it: the first of its files.
    pub(crate) fn first(&self) -> &Path {
        // The command line asks for at least one.
        self.inputs.first().map_or(Path::new("-"), PathBuf::as_path)
    }

    /// Every file that these options name or stand for.
    ///
    /// # Errors
    /// When one of the extract is not there.
    pub(crate) fn read_files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let (mut files, names) = listed(self)?;
        files.extend(names);
        files.extend(self.mapping.iter().chain(&self.opt_out).cloned());
        // The name of a shipped schema is none of a file, and does no harm here.
        files.push(PathBuf::from(&self.schema));
        Ok(files)
    }

    /// Reads, normalises, encodes and sorts the whole extract.
    ///
    /// # Errors
    /// When the extract cannot be read to its end, or the sorted runs cannot be written to `spill_folder`.
    pub(crate) fn run<'a>(
        &self,
        schema: &LinkageSchema,
        secret: &LinkageSecret,
        refs: &'a RecordRefs,
        spill_folder: &Path,
    ) -> anyhow::Result<Intake<'a>> {
        self.in_pool(|| self.run_in_pool(schema, secret, refs, spill_folder, None, None))
    }

    /// The same in a work folder, from which a later process can go on; `about` says what else the work depends on.
    ///
    /// # Errors
    /// As [`InputArgs::run`], and when the folder cannot be used or holds other work.
    pub(crate) fn run_in_work<'a>(
        &self,
        schema: &LinkageSchema,
        secret: &LinkageSecret,
        refs: &'a RecordRefs,
        folder: &Path,
        about: &str,
    ) -> anyhow::Result<Intake<'a>> {
        self.in_pool(|| self.run_in_pool(schema, secret, refs, folder, None, Some((folder, about))))
    }

    /// The same, and counts on the way what a report says.
    ///
    /// # Errors
    /// As [`InputArgs::run`].
    pub(crate) fn run_surveyed<'a>(
        &self,
        schema: &LinkageSchema,
        secret: &LinkageSecret,
        refs: &'a RecordRefs,
        spill_folder: &Path,
        survey: &mut Survey,
    ) -> anyhow::Result<Intake<'a>> {
        self.in_pool(|| self.run_in_pool(schema, secret, refs, spill_folder, Some(survey), None))
    }

    /// Whether more than one thread may be used.
    pub(crate) fn is_parallel(&self) -> bool {
        self.threads != Some(1)
    }

    fn in_pool<T: Send>(&self, work: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
        keep_freed_memory();
        let threads = self.threads.map_or(0, usize::from);
        rayon::ThreadPoolBuilder::new().num_threads(threads).build()?.install(work)
    }

    fn run_in_pool<'a>(
        &self,
        schema: &LinkageSchema,
        secret: &LinkageSecret,
        refs: &'a RecordRefs,
        spill_folder: &Path,
        survey: Option<&mut Survey>,
        work: Option<(&Path, &str)>,
    ) -> anyhow::Result<Intake<'a>> {
        let started = Instant::now();
        let pieces = Pieces {
            encoder: Encoder::new(schema, secret),
            kinds: schema.fields().iter().map(|field| field.kind()).collect(),
            codec: RowCodec::new(schema.clk_bits(), schema.exact_tokens().len() + schema.blocking_keys().len()),
            refs,
            routes: NameRoutes::new(schema),
            plan: survey.as_ref().map(|survey| Arc::clone(&survey.plan)),
            opted_out: self.load_opt_outs(schema, refs)?,
            spare: Mutex::default(),
            malformed: if self.format.is_table() { SetAside::WrongFieldCount } else { SetAside::Malformed },
        };
        let mut source = Inputs::open(self, schema)?;
        let sort_bytes = self.sort_bytes.unwrap_or(self.memory as usize * 1024 * 1024);
        let (sorter, begun) = match work {
            None => (Sorter::new(pieces.codec, spill_folder, sort_bytes), None),
            Some((folder, about)) => {
                let job = self.job(schema, about, &pieces)?;
                let (work, runs, begun) = WorkFolder::open(folder, job, refs, schema.fields().len())?;
                if let Some(begun) = &begun {
                    let rows = grouped(begun.findings.rows);
                    talk(&format!("going on after {rows} rows, which an earlier process has encoded"));
                }
                (Sorter::in_work(pieces.codec, work, runs, sort_bytes), begun)
            }
        };
        // What an earlier process has done is read again and hashed, but not encoded.
        let (done_batches, done_chain) = begun.as_ref().map_or((0, [0; 32]), |begun| (begun.batches, begun.chain));
        let findings = begun.map_or_else(|| Findings::new(schema.fields().len()), |begun| begun.findings);
        let mut sink = Sink { sorter, findings, survey, pieces: &pieces };
        let bar = progress(source.total_bytes());
        let (mut current, mut next, mut waiting) = (RawBatch::new(), RawBatch::new(), None);
        let (mut batches, mut chain) = (0, [0; 32]);
        let mut more = source.read_batch(&mut current, BATCH_ROWS)?;
        while more {
            batches += 1;
            let skipped = batches <= done_batches;
            let encode = || {
                let hash = work.is_some().then(|| link(refs, &chain, &current));
                if skipped {
                    pieces.meet_opt_outs(&current);
                }
                (hash.unwrap_or_default(), if skipped { Vec::new() } else { pieces.run(&current) })
            };
            // The next batch is read and the last one goes to the sorter while this one is encoded.
            let (read, ((hash, done), taken)) = rayon::join(
                || source.read_batch(&mut next, BATCH_ROWS),
                || rayon::join(encode, || waiting.take().map_or(Ok(()), |last| sink.take(last))),
            );
            taken.map_err(|error| at(work.map_or(spill_folder, |(folder, _)| folder), error))?;
            chain = hash;
            if batches == done_batches && chain != done_chain {
                return Err(work::changed(work.map_or(spill_folder, |(folder, _)| folder)));
            }
            waiting = (!skipped).then_some(Encoded { pieces: done, batches, chain });
            bar.set_position(source.read_bytes());
            bar.set_message(format!("{} rows/s", grouped(rate(sink.findings.rows, started.elapsed()))));
            more = read?;
            std::mem::swap(&mut current, &mut next);
        }
        if batches < done_batches {
            return Err(work::changed(work.map_or(spill_folder, |(folder, _)| folder)));
        }
        let finished = waiting.take().map_or(Ok(()), |last| sink.take(last));
        finished.map_err(|error| at(work.map_or(spill_folder, |(folder, _)| folder), error))?;
        let Sink { mut sorter, mut findings, .. } = sink;
        bar.finish_and_clear();
        if findings.rows == 0 {
            return Err(at(self.first(), looks::better_hint(self.first(), self.format, self.format.nothing_found())));
        }
        if findings.encoding_is_wrong() {
            let advice = "hint: declare another one with --encoding (utf-8 or cp932); nothing has been written";
            let what = format!("more than half of the rows are not in the declared encoding\n{advice}");
            return Err(at(self.first(), what));
        }
        let unread = findings.set_aside.get(&pieces.malformed).map_or(0, |rows| rows.count);
        if unread == findings.rows {
            let (first, format) = (self.first(), looks::name(self.format));
            let hint = looks::hint(first, self.format)
                .unwrap_or_else(|| format!("hint: is it what `--format {format}` and its options say?"));
            talk(&format!("warning: `{}`: not one row can be read\n{hint}", first.display()));
        }
        if work.is_some() && batches > done_batches {
            let folder = work.map_or(spill_folder, |(folder, _)| folder);
            sorter.checkpoint(batches, &chain, &findings).map_err(|error| at(folder, error))?;
        }
        let sorted = sorter.finish().map_err(|error| at(spill_folder, error))?;
        let Remaining { records, bits_set, duplicates } = sorted.count()?;
        if self.format.is_table() {
            findings.set_aside_all(SetAside::DuplicateRecordId, &duplicates);
        } else {
            // The other formats have a record per visit or month: older ones are no fault.
            findings.superseded += duplicates.count;
        }
        let opt_out = self.opt_out.as_ref().map(|_| pieces.opted_out.count());
        Ok(Intake { findings, opt_out, sorted, records, bits_set })
    }

    /// What the work in a folder depends on: whoever goes on from there must have said the same.
    fn job(&self, schema: &LinkageSchema, about: &str, pieces: &Pieces<'_>) -> anyhow::Result<[u8; 32]> {
        // Neither threads nor memory change a bit.
        let options = Self { threads: None, memory: 0, sort_bytes: None, ..self.clone() };
        let mapping = match &self.mapping {
            Some(path) => std::fs::read(path).map_err(|error| at(path, error))?,
            None => Vec::new(),
        };
        let opted_out = pieces.opted_out.sorted();
        let mut hasher = pieces.refs.work_hasher();
        let texts = [format!("{options:?}"), schema.digest().to_string(), about.to_owned()];
        for part in texts.iter().map(String::as_bytes).chain([&mapping[..], opted_out.as_flattened()]) {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        Ok(*hasher.finalize().as_bytes())
    }

    fn load_opt_outs(&self, schema: &LinkageSchema, refs: &RecordRefs) -> anyhow::Result<OptOuts> {
        let Some(path) = &self.opt_out else { return Ok(OptOuts::default()) };
        let mapped = self.load_mapping(schema)?.is_some_and(|mapping| mapping.id_column().is_some());
        if self.format.is_table() && self.id_column.is_none() && !mapped {
            bail!(
                "rows without record ids cannot be left out by them\nhint: name the column of the ids: --id-column, or id_column in the mapping"
            );
        }
        let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => at(path, "not UTF-8\nhint: save the list as UTF-8, one record id per line"),
            _ => at(path, error),
        })?;
        Ok(OptOuts::parse(&text, refs))
    }
}

/// The keyed hash of all batches so far.
fn link(refs: &RecordRefs, chain: &[u8; 32], batch: &RawBatch) -> [u8; 32] {
    let mut hasher = refs.work_hasher();
    hasher.update(chain);
    batch.hash_into(&mut hasher);
    *hasher.finalize().as_bytes()
}

/// A batch that has been encoded.
struct Encoded {
    pieces: Vec<Piece>,
    /// How many batches there are up to this one, and their hash.
    batches: u64,
    chain: [u8; 32],
}

/// Where encoded batches go, one after the other in the order of the extract.
struct Sink<'a, 's> {
    sorter: Sorter<'a>,
    findings: Findings,
    survey: Option<&'s mut Survey>,
    pieces: &'s Pieces<'s>,
}

impl Sink<'_, '_> {
    fn take(&mut self, batch: Encoded) -> io::Result<()> {
        for piece in batch.pieces {
            self.findings.append(&piece.findings);
            if let (Some(survey), Some(tally)) = (&mut self.survey, &piece.tally) {
                survey.append(tally);
            }
            self.sorter.push(&piece.rows, piece.ones)?;
            self.pieces.recycle(piece);
        }
        if self.sorter.checkpoint_is_due(BATCH_ROWS) {
            self.sorter.checkpoint(batch.batches, &batch.chain, &self.findings)?;
        }
        Ok(())
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
