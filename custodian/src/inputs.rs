//! The files of an extract, read one after the other as if they were one.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use linkage_core::error::SourceError;
use linkage_core::schema::LinkageSchema;
#[cfg(feature = "submit")]
use linkage_core::source::Mapping;
#[cfg(feature = "parquet")]
use linkage_core::source::ParquetSource;
use linkage_core::source::{
    CsvLayout, CsvShape, CsvSource, DpcSummaries, Encoding, FhirSource, KaigoClaims, KaigoLayout, KaigoRegister,
    KenshinLayout, KenshinSource, PersonLayout, RawBatch, Roster, Source, Ssmix2Layout, Ssmix2Source, UkeLayout,
    UkeSource,
};

use crate::format_args::InsuredField;
use crate::intake::InputArgs;
use crate::looks;
use crate::output::at;

/// What an extract can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// CSV whose first row names the columns
    Csv,
    /// Receipts (レセプト電算, RECEIPTC.UKE)
    Uke,
    /// Specific health checkups (特定健診): CDA XML
    Kenshin,
    /// FHIR Patients of JP Core: NDJSON or Bundles
    Fhir,
    /// Long-term care (介護): a register, or claims beside one that --names gives
    Kaigo,
    /// DPC discharge summaries (様式1) beside the receipts that --names gives
    Dpc,
    /// SS-MIX2 standardised storage: HL7 v2.5 messages
    Ssmix2,
    /// Apache Parquet, whose columns are found by name as in CSV
    #[cfg(feature = "parquet")]
    Parquet,
}

/// How a register of long-term care is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Register {
    /// As insurers exchange it (受給者異動・訂正連絡票)
    Ledger,
    /// As 認定ソフト writes it
    Assessment,
}

impl Format {
    /// How the files of this format in a folder are called.
    fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Csv => &[],
            Self::Uke => &["uke"],
            Self::Kenshin => &["xml"],
            Self::Fhir => &["ndjson", "json"],
            Self::Kaigo => &["csv"],
            Self::Dpc => &["txt", "tsv"],
            // The files of a storage have no ending of their own.
            Self::Ssmix2 => &[ANY],
            #[cfg(feature = "parquet")]
            Self::Parquet => &["parquet"],
        }
    }

    /// One file of it, in words.
    fn file(self) -> &'static str {
        match self {
            Self::Csv => "CSV file",
            Self::Uke => "file of receipts",
            Self::Kenshin => "CDA file or a folder of them",
            Self::Fhir => "file of FHIR resources",
            Self::Kaigo => "CSV file of long-term care",
            Self::Dpc => "file of discharge summaries",
            Self::Ssmix2 => "message or a folder of them",
            #[cfg(feature = "parquet")]
            Self::Parquet => "Parquet file",
        }
    }

    /// What to say when an extract has no row at all.
    pub(crate) fn nothing_found(self) -> &'static str {
        match self {
            Self::Csv => "there is no row after the header\nhint: nothing has been written",
            Self::Uke => "there is no receipt (RE record)\nhint: nothing has been written",
            Self::Kenshin => "there is no checkup (ClinicalDocument)\nhint: nothing has been written",
            Self::Fhir => "there is no Patient\nhint: nothing has been written",
            Self::Kaigo => "the register has no row\nhint: nothing has been written",
            Self::Dpc => "there is no patient\nhint: nothing has been written",
            Self::Ssmix2 => "there is no message\nhint: nothing has been written",
            #[cfg(feature = "parquet")]
            Self::Parquet => "there is no row\nhint: nothing has been written",
        }
    }

    /// Whether a row is what the custodian made it, and not one of many records of a person.
    pub(crate) fn is_table(self) -> bool {
        match self {
            Self::Csv => true,
            #[cfg(feature = "parquet")]
            Self::Parquet => true,
            _ => false,
        }
    }

    /// What the files of `--names` are, for a format whose own files have no names.
    fn of_names(self) -> Option<Self> {
        match self {
            Self::Kaigo => Some(Self::Kaigo),
            Self::Dpc => Some(Self::Uke),
            _ => None,
        }
    }
}

/// Stands for every ending.
const ANY: &str = "*";

/// The files of an extract, and the one that is being read.
pub(crate) struct Inputs {
    format: Format,
    layout: Layout,
    paths: std::vec::IntoIter<PathBuf>,
    /// The files that have the names, where the others have none: they are read last.
    names: std::vec::IntoIter<PathBuf>,
    current: Option<Open>,
    rows_before: u64,
    read_bytes: Arc<AtomicU64>,
    total_bytes: Option<u64>,
}

struct Open {
    path: PathBuf,
    source: Box<dyn Source + Send>,
}

/// How each file is opened.
enum Layout {
    Csv(CsvLayout, CsvShape),
    Uke(UkeLayout),
    Kenshin(KenshinLayout),
    Fhir(PersonLayout),
    Kaigo(KaigoLayout, Option<Roster>),
    Dpc(UkeLayout, Roster),
    Ssmix2(Ssmix2Layout),
    #[cfg(feature = "parquet")]
    Parquet(CsvLayout, CsvShape),
}

impl Inputs {
    /// Lists the files and opens the first.
    ///
    /// # Errors
    /// When there is none, one of them cannot be had, or the first cannot be opened as what it should be.
    pub(crate) fn open(args: &InputArgs, schema: &LinkageSchema) -> anyhow::Result<Self> {
        let fields = schema.fields().iter().map(|field| field.name().to_owned()).collect();
        let mapping = args.load_mapping(schema)?;
        let table = mapping.map(|mapping| (mapping.csv_layout(), mapping.csv_shape().clone()));
        Self::list(args, Layout::new(args, fields, table)?)
    }

    /// The same for the record ids alone: rows have no fields.
    ///
    /// # Errors
    /// As [`Inputs::open`].
    #[cfg(feature = "submit")]
    pub(crate) fn open_ids(args: &InputArgs, mapping: Option<&Mapping>) -> anyhow::Result<Self> {
        let table = mapping.map(|mapping| {
            let layout = CsvLayout { fields: Vec::new(), map: Vec::new(), ..mapping.csv_layout() };
            (layout, CsvShape { missing: Vec::new(), values: Vec::new(), ..mapping.csv_shape().clone() })
        });
        Self::list(args, Layout::new(args, Vec::new(), table)?)
    }

    fn list(args: &InputArgs, layout: Layout) -> anyhow::Result<Self> {
        let mut total_bytes = Some(0);
        let (paths, names) = list_all(args, &mut total_bytes)?;
        let mut inputs = Self {
            format: args.format,
            layout,
            paths: paths.into_iter(),
            names: names.into_iter(),
            current: None,
            rows_before: 0,
            read_bytes: Arc::default(),
            total_bytes,
        };
        inputs.next_file()?;
        Ok(inputs)
    }

    /// The length of all files, when it is known.
    pub(crate) fn total_bytes(&self) -> Option<u64> {
        self.total_bytes
    }

    /// How much has been read.
    pub(crate) fn read_bytes(&self) -> u64 {
        self.read_bytes.load(Ordering::Relaxed)
    }

    /// Replaces the contents of `batch` by up to `rows` further rows, from as many files as it takes.
    ///
    /// # Errors
    /// When a file cannot be opened or read; the message has its path.
    pub(crate) fn read_batch(&mut self, batch: &mut RawBatch, rows: usize) -> anyhow::Result<bool> {
        let mut read_any = false;
        if let Some(open) = &self.current {
            open.source.start_batch(batch);
        }
        while let Some(open) = &mut self.current {
            batch.continue_after(self.rows_before);
            read_any |= open.source.fill_batch(batch, rows).map_err(|error| at(&open.path, error))?;
            if batch.len() + batch.malformed_rows().len() >= rows {
                break;
            }
            self.rows_before += open.source.rows();
            self.next_file()?;
            if let (None, Layout::Kaigo(_, Some(roster)) | Layout::Dpc(_, roster)) = (&self.current, &self.layout) {
                roster.finish(batch);
                read_any |= !batch.unnamed_rows().is_empty();
            }
        }
        Ok(read_any)
    }

    fn next_file(&mut self) -> anyhow::Result<()> {
        let (path, of_names) = match self.paths.next() {
            Some(path) => (Some(path), false),
            None => (self.names.next(), true),
        };
        self.current = match path {
            None => None,
            Some(path) => {
                let said = if of_names { self.format.of_names().unwrap_or(self.format) } else { self.format };
                Some(Open { source: self.layout.open(&path, (said, of_names), &self.read_bytes)?, path })
            }
        };
        Ok(())
    }
}

impl Layout {
    fn open(
        &self,
        path: &Path,
        (said, of_names): (Format, bool),
        read: &Arc<AtomicU64>,
    ) -> anyhow::Result<Box<dyn Source + Send>> {
        fn boxed<S: Source + Send + 'static>(source: S) -> Box<dyn Source + Send> {
            Box::new(source)
        }
        let not_as_said = |error: SourceError| at(path, looks::better_hint(path, said, &error.to_string()));
        #[cfg(feature = "parquet")]
        if let Self::Parquet(layout, shape) = self {
            if path == Path::new("-") {
                return Err(at(
                    path,
                    "Parquet cannot be read from stdin\nhint: its end says where its rows are; name the file",
                ));
            }
            let file = File::open(path).map_err(|error| at(path, error))?;
            read.fetch_add(file.metadata().map_or(0, |metadata| metadata.len()), Ordering::Relaxed);
            return ParquetSource::open_shaped(file, layout, shape).map(boxed).map_err(not_as_said);
        }
        let reader = open(path, Arc::clone(read))?;
        let source = match self {
            Self::Csv(layout, shape) => CsvSource::open_shaped(reader, layout, shape).map(boxed),
            Self::Uke(layout) => UkeSource::open(reader, layout).map(boxed),
            Self::Kenshin(layout) => KenshinSource::open(reader, layout).map(boxed),
            Self::Fhir(layout) => FhirSource::open(reader, layout).map(boxed),
            Self::Kaigo(layout, Some(roster)) if !of_names => {
                KaigoClaims::open(reader, layout, roster.clone()).map(boxed)
            }
            Self::Kaigo(layout, roster) => KaigoRegister::open(reader, layout, roster.clone()).map(boxed),
            Self::Dpc(layout, roster) if !of_names => DpcSummaries::open(reader, layout, roster.clone()).map(boxed),
            Self::Dpc(layout, roster) => UkeSource::open_beside(reader, layout, Some(roster.clone())).map(boxed),
            Self::Ssmix2(layout) => Ssmix2Source::open(reader, layout).map(boxed),
            #[cfg(feature = "parquet")]
            Self::Parquet(..) => unreachable!("Parquet has been opened above"),
        };
        source.map_err(not_as_said)
    }

    /// The layout of files of these fields; `table` is what a mapping says of a table.
    fn new(args: &InputArgs, fields: Vec<String>, table: Option<(CsvLayout, CsvShape)>) -> anyhow::Result<Self> {
        let (map, id_column) = (args.map.clone(), args.id_column.clone());
        args.refuse_options_of_other_formats()?;
        let utf8 = matches!(args.format, Format::Kenshin | Format::Fhir);
        #[cfg(feature = "parquet")]
        let utf8 = utf8 || args.format == Format::Parquet;
        if utf8 && args.encoding.is_some_and(|encoding| encoding != Encoding::Utf8) {
            anyhow::bail!("XML, JSON and Parquet are UTF-8 here\nhint: leave --encoding out");
        }
        Ok(match args.format {
            Format::Fhir => Self::Fhir(PersonLayout { fields, map, id_column }),
            Format::Kenshin => Self::Kenshin(KenshinLayout {
                person: PersonLayout { fields, map, id_column },
                branch_root: args.of_format.branch_root.clone(),
            }),
            Format::Csv => {
                let encoding = args.encoding.unwrap_or(Encoding::Utf8);
                let plain = || (CsvLayout { encoding, fields, map, id_column }, CsvShape::default());
                let (layout, shape) = table.unwrap_or_else(plain);
                Self::Csv(layout, shape)
            }
            Format::Uke | Format::Dpc => {
                let person = PersonLayout { fields, map, id_column };
                let beside = args.format == Format::Dpc;
                let mut layout = if beside { UkeLayout::beside_summaries(person) } else { UkeLayout::new(person) };
                layout.encoding = args.encoding.unwrap_or(layout.encoding);
                args.of_format.kana_column.iter().try_for_each(|column| layout.kana.set(column))?;
                args.of_format.chart_column.iter().try_for_each(|column| layout.chart.set(column))?;
                if beside { Self::Dpc(layout, Roster::default()) } else { Self::Uke(layout) }
            }
            Format::Kaigo => {
                let person = PersonLayout { fields, map, id_column };
                let mut layout = match args.of_format.register {
                    Some(Register::Assessment) => KaigoLayout::assessment(person),
                    Some(Register::Ledger) | None => KaigoLayout::ledger(person),
                };
                layout.encoding = args.encoding.unwrap_or(layout.encoding);
                args.of_format.column.iter().try_for_each(|column| layout.set(column))?;
                Self::Kaigo(layout, (!args.names.is_empty()).then(Roster::default))
            }
            Format::Ssmix2 => {
                let person = PersonLayout { fields, map, id_column };
                let mut layout = Ssmix2Layout::new(person);
                layout.encoding = args.encoding;
                if let Some(InsuredField(field)) = args.of_format.insured_field {
                    layout.insured_field = field;
                }
                Self::Ssmix2(layout)
            }
            #[cfg(feature = "parquet")]
            Format::Parquet => {
                let plain = || (CsvLayout { encoding: Encoding::Utf8, fields, map, id_column }, CsvShape::default());
                let (layout, shape) = table.unwrap_or_else(plain);
                Self::Parquet(layout, shape)
            }
        })
    }
}

/// The name of an encoding, as an option gives it.
pub(crate) fn parse_encoding(text: &str) -> Result<Encoding, String> {
    text.parse().map_err(|error| format!("{error}"))
}

/// The files of an extract, and those that have its names.
///
/// # Errors
/// When one of them is not there, or a pattern or folder stands for none.
pub(crate) fn listed(args: &InputArgs) -> anyhow::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    list_all(args, &mut None)
}

fn list_all(args: &InputArgs, total: &mut Option<u64>) -> anyhow::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let (mut paths, mut names) = (Vec::new(), Vec::new());
    for input in expand(&args.inputs)? {
        list(&input, args.format, &mut paths, total)?;
    }
    for input in expand(&args.names)? {
        list(&input, args.format.of_names().unwrap_or(args.format), &mut names, total)?;
    }
    Ok((paths, names))
}

/// Replaces each pattern by the files that fit it, in the order of their names: a quoted one reaches the program, and
/// on some systems no shell expands it. What exists under its own name is no pattern.
fn expand(inputs: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut expanded = Vec::with_capacity(inputs.len());
    for input in inputs {
        let pattern = input.to_str().filter(|text| text.contains(['*', '?', '[']) && !input.exists());
        let Some(pattern) = pattern else {
            expanded.push(input.clone());
            continue;
        };
        let found = glob::glob(pattern)
            .map_err(|error| at(input, format!("{}\nhint: * and ? stand for any text and any letter", error.msg)))?;
        let mut found = found.collect::<Result<Vec<_>, _>>().map_err(|error| at(error.path(), error.error()))?;
        if found.is_empty() {
            return Err(at(input, "no file fits this pattern\nhint: name the files"));
        }
        found.sort_unstable();
        expanded.append(&mut found);
    }
    Ok(expanded)
}

/// Adds a file, or those of a folder and the folders in it, in the order of their names.
fn list(input: &Path, format: Format, paths: &mut Vec<PathBuf>, total: &mut Option<u64>) -> anyhow::Result<()> {
    if input == Path::new("-") {
        *total = None;
        paths.push(input.to_owned());
        return Ok(());
    }
    let metadata = std::fs::metadata(input).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => at(input, format!("no such file\nhint: give a {}, or - for stdin", format.file())),
        _ => at(input, error),
    })?;
    if !metadata.is_dir() {
        *total = total.filter(|_| metadata.is_file()).map(|total| total + metadata.len());
        paths.push(input.to_owned());
        return Ok(());
    }
    if format.endings().is_empty() {
        return Err(at(input, "a folder, not a file\nhint: name its files, or give a pattern such as 'FOLDER/*.csv'"));
    }
    let before = paths.len();
    walk(input, format, paths, total)?;
    if paths.len() == before {
        let what = match format.endings() {
            [ANY] => "no file in this folder or in those in it".to_owned(),
            endings => format!("no file in this folder ends in `.{}`", endings.join("`, `.")),
        };
        return Err(at(input, format!("{what}\nhint: name the files")));
    }
    Ok(())
}

fn walk(folder: &Path, format: Format, paths: &mut Vec<PathBuf>, total: &mut Option<u64>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = entries.map_err(|error| at(folder, error))?;
    entries.sort_unstable_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        // Links are not followed into folders, so that none leads back to where it lies.
        if entry.file_type().map_err(|error| at(&path, error))?.is_dir() {
            walk(&path, format, paths, total)?;
            continue;
        }
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if format.endings().contains(&ending.as_str()) || format.endings() == [ANY] && !hidden {
            let metadata = std::fs::metadata(&path).map_err(|error| at(&path, error))?;
            *total = total.filter(|_| metadata.is_file()).map(|total| total + metadata.len());
            paths.push(path);
        }
    }
    Ok(())
}

fn open(path: &Path, read_bytes: Arc<AtomicU64>) -> anyhow::Result<Counted> {
    let inner: Box<dyn Read + Send> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(|error| at(path, error))?)
    };
    Ok(Counted { inner, read_bytes })
}

/// Counts what has been read, for the progress bar.
struct Counted {
    inner: Box<dyn Read + Send>,
    read_bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read_bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
