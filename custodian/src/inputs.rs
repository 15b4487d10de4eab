//! The files of an extract, read one after the other as if they were one.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use linkage_core::schema::LinkageSchema;
use linkage_core::source::{
    CsvLayout, CsvShape, CsvSource, Encoding, FhirSource, KenshinLayout, KenshinSource, PersonLayout, RawBatch, Source,
    UkeLayout, UkeSource,
};

use crate::intake::InputArgs;
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
}

impl Format {
    /// How the files of this format in a folder are called.
    fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Csv => &[],
            Self::Uke => &["uke"],
            Self::Kenshin => &["xml"],
            Self::Fhir => &["ndjson", "json"],
        }
    }

    /// One file of it, in words.
    fn file(self) -> &'static str {
        match self {
            Self::Csv => "CSV file",
            Self::Uke => "file of receipts",
            Self::Kenshin => "CDA file or a folder of them",
            Self::Fhir => "file of FHIR resources",
        }
    }

    /// What to say when an extract has no row at all.
    pub(crate) fn nothing_found(self) -> &'static str {
        match self {
            Self::Csv => "there is no row after the header\nhint: nothing has been written",
            Self::Uke => "there is no receipt (RE record)\nhint: nothing has been written",
            Self::Kenshin => "there is no checkup (ClinicalDocument)\nhint: nothing has been written",
            Self::Fhir => "there is no Patient\nhint: nothing has been written",
        }
    }
}

/// The files of an extract, and the one that is being read.
pub(crate) struct Inputs {
    layout: Layout,
    paths: std::vec::IntoIter<PathBuf>,
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
}

impl Inputs {
    /// Lists the files and opens the first.
    ///
    /// # Errors
    /// When there is none, one of them cannot be had, or the first cannot be opened as what it should be.
    pub(crate) fn open(args: &InputArgs, schema: &LinkageSchema) -> anyhow::Result<Self> {
        let layout = Layout::new(args, schema)?;
        let mut paths = Vec::new();
        let mut total_bytes = Some(0);
        for input in expand(&args.inputs)? {
            list(&input, args.format, &mut paths, &mut total_bytes)?;
        }
        let mut inputs = Self {
            layout,
            paths: paths.into_iter(),
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
        }
        Ok(read_any)
    }

    fn next_file(&mut self) -> anyhow::Result<()> {
        self.current = match self.paths.next() {
            None => None,
            Some(path) => {
                let reader = open(&path, Arc::clone(&self.read_bytes))?;
                let source: Result<Box<dyn Source + Send>, _> = match &self.layout {
                    Layout::Csv(layout, shape) => {
                        CsvSource::open_shaped(reader, layout, shape).map(|source| Box::new(source) as _)
                    }
                    Layout::Uke(layout) => UkeSource::open(reader, layout).map(|source| Box::new(source) as _),
                    Layout::Kenshin(layout) => KenshinSource::open(reader, layout).map(|source| Box::new(source) as _),
                    Layout::Fhir(layout) => FhirSource::open(reader, layout).map(|source| Box::new(source) as _),
                };
                Some(Open { source: source.map_err(|error| at(&path, error))?, path })
            }
        };
        Ok(())
    }
}

impl Layout {
    fn new(args: &InputArgs, schema: &LinkageSchema) -> anyhow::Result<Self> {
        let fields: Vec<String> = schema.fields().iter().map(|field| field.name().to_owned()).collect();
        let (map, id_column) = (args.map.clone(), args.id_column.clone());
        let mapping = args.load_mapping(schema)?;
        if args.format != Format::Uke && !(args.kana_column.is_empty() && args.chart_column.is_empty()) {
            anyhow::bail!(
                "--kana-column and --chart-column are for receipts\nhint: say --format uke, or leave them out"
            );
        }
        if args.format != Format::Kenshin && args.branch_root.is_some() {
            anyhow::bail!("--branch-root is for checkups\nhint: say --format kenshin, or leave it out");
        }
        let utf8 = matches!(args.format, Format::Kenshin | Format::Fhir);
        if utf8 && args.encoding.is_some_and(|encoding| encoding != Encoding::Utf8) {
            anyhow::bail!("XML and JSON are UTF-8 here\nhint: leave --encoding out");
        }
        Ok(match args.format {
            Format::Fhir => Self::Fhir(PersonLayout { fields, map, id_column }),
            Format::Kenshin => Self::Kenshin(KenshinLayout {
                person: PersonLayout { fields, map, id_column },
                branch_root: args.branch_root.clone(),
            }),
            Format::Csv => {
                let encoding = args.encoding.unwrap_or(Encoding::Utf8);
                match mapping {
                    Some(mapping) => Self::Csv(mapping.csv_layout(), mapping.csv_shape().clone()),
                    None => Self::Csv(CsvLayout { encoding, fields, map, id_column }, CsvShape::default()),
                }
            }
            Format::Uke => {
                let mut layout = UkeLayout::new(PersonLayout { fields, map, id_column });
                layout.encoding = args.encoding.unwrap_or(layout.encoding);
                args.kana_column.iter().try_for_each(|column| layout.kana.set(column))?;
                args.chart_column.iter().try_for_each(|column| layout.chart.set(column))?;
                Self::Uke(layout)
            }
        })
    }
}

/// The name of an encoding, as an option gives it.
pub(crate) fn parse_encoding(text: &str) -> Result<Encoding, String> {
    text.parse().map_err(|error| format!("{error}"))
}

/// Replaces each pattern by the files that fit it, in the order of their names: a quoted one reaches the program, and
/// on some systems no shell expands it. What exists under its own name is no pattern.
pub(crate) fn expand(inputs: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
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
        return Err(at(input, "a folder, not a file\nhint: give one CSV file"));
    }
    let before = paths.len();
    walk(input, format, paths, total)?;
    if paths.len() == before {
        let endings = format.endings().join("`, `.");
        return Err(at(input, format!("no file in this folder ends in `.{endings}`\nhint: name the files")));
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
        if format.endings().contains(&ending.as_str()) {
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
