//! Errors done to a table of the user's own: a second file of the same people, and the truth between the two.
//!
//! Each row draws from a stream of numbers of its own, so the same seed gives the same file, and a rate moves its own errors
//! only. Memory: the ids, some 100 bytes a row, for one that two rows share would make the truth wrong.

mod edits;

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde::Serialize;

use crate::error::DatasetError;
use crate::mistakes::{misread, mistyped};
use crate::notation::{as_ascii, as_katakana};
use crate::output::{StagedFile, failed};
use crate::random::Random;
use crate::rates::CorruptModel;

/// What a column holds, and so what can happen to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Names and other words in Latin letters: keyboard, OCR, phonetic.
    Latin,
    /// Names in kana: typing, phonetic, and OCR where they are in full-width katakana.
    Kana,
    /// Names in kanji: OCR.
    Kanji,
    /// Dates as YYYYMMDD, or with hyphens or slashes.
    Date,
    /// Numbers: keyboard and OCR.
    Digits,
    /// A code of sex.
    Sex,
}

impl ColumnKind {
    const ALL: [(Self, &str); 6] = [
        (Self::Latin, "latin"),
        (Self::Kana, "kana"),
        (Self::Kanji, "kanji"),
        (Self::Date, "date"),
        (Self::Digits, "digits"),
        (Self::Sex, "sex"),
    ];

    /// Reads `COLUMN=KIND`.
    ///
    /// # Errors
    /// [`DatasetError::ColumnKind`] when it is anything else.
    pub fn parse(text: &str) -> Result<(String, Self), DatasetError> {
        let found = text.rsplit_once('=').and_then(|(column, kind)| {
            let (kind, _) = Self::ALL.into_iter().find(|(_, name)| *name == kind.trim())?;
            Some((column.trim().to_owned(), kind)).filter(|(column, _)| !column.is_empty())
        });
        let kinds = Self::ALL.map(|(_, name)| name).join(", ");
        found.ok_or_else(|| DatasetError::ColumnKind { text: text.to_owned(), kinds })
    }
}

/// How a table is damaged.
#[derive(Debug, Clone)]
pub struct CorruptOptions {
    /// The kinds of columns; columns without one stay as they are.
    pub columns: Vec<(String, ColumnKind)>,
    /// Pairs of columns whose values may be swapped, such as family and given name.
    pub swaps: Vec<(String, String)>,
    /// The column of the row's id, which every row needs for itself. The damaged rows get ids of their own.
    pub id_column: String,
    /// Whether the input is CP932; else it is UTF-8. The output is UTF-8.
    pub cp932: bool,
    /// How often what happens.
    pub model: CorruptModel,
    /// The seed.
    pub seed: u64,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CorruptReport {
    /// Rows read.
    pub rows: u64,
    /// Rows written: those that were not left out.
    pub written_rows: u64,
    /// Of these, rows with at least one error.
    pub damaged_rows: u64,
}

/// Writes a damaged copy of a CSV file, and the truth as `left_id,right_id,errors`. Neither output may exist; both have
/// their names only when all is written. `progress` is told how many rows are done.
///
/// # Errors
/// [`DatasetError`] when a rate is none, the input cannot be read or lacks a column, the column of the id is to be damaged,
/// a column is named twice, a row has no id or that of an earlier one, or an output cannot be written.
pub fn corrupt_csv(
    input: &Path,
    output: &Path,
    truth: &Path,
    options: &CorruptOptions,
    progress: &mut dyn FnMut(u64),
) -> Result<CorruptReport, DatasetError> {
    options.model.check()?;
    if output == truth {
        return Err(DatasetError::OneFile { path: output.to_owned() });
    }
    let mut rows = Rows::open(input, options.cp932)?;
    let (mut out, mut truth) = (Csv::create(output)?, Csv::create(truth)?);
    let plan = Plan::new(&rows.header, options)?;
    out.row(&rows.header)?;
    truth.row(&["left_id", "right_id", "errors"])?;
    let mut report = CorruptReport { rows: 0, written_rows: 0, damaged_rows: 0 };
    let mut ids = Ids::default();
    while let Some(mut cells) = rows.next()? {
        let random = &mut Random::new(options.seed, "corrupt", report.rows);
        let number = report.rows;
        report.rows += 1;
        ids.take(&cells[plan.id], rows.row)?;
        if report.rows.is_multiple_of(10_000) {
            progress(report.rows);
        }
        if random.chance(options.model.left_out) {
            continue;
        }
        let errors = plan.damage(random, &mut cells, &options.model);
        // Odd and no multiple of 5, so that two rows below 10⁹ never have the same id.
        let id = format!("c{:09}", (number % 1_000_000_000 * 618_033_989 + options.seed % 997) % 1_000_000_000);
        let left = std::mem::replace(&mut cells[plan.id], id.clone());
        out.row(&cells)?;
        truth.row(&[left, id, errors.join("+")])?;
        report.written_rows += 1;
        report.damaged_rows += u64::from(!errors.is_empty());
    }
    progress(report.rows);
    // Both are whole now; if the second name is taken meanwhile the first file stays, and the error says which.
    out.finish()?;
    truth.finish()?;
    Ok(report)
}

struct Plan {
    id: usize,
    columns: Vec<(usize, ColumnKind)>,
    swaps: Vec<(usize, usize)>,
}

impl Plan {
    fn new(header: &[String], options: &CorruptOptions) -> Result<Self, DatasetError> {
        let find = |column: &str| {
            let mut found = (0..header.len()).filter(|&at| header[at] == column);
            match (found.next(), found.next()) {
                (Some(at), None) => Ok(at),
                (Some(_), Some(_)) => Err(DatasetError::HeaderTwice { column: column.to_owned() }),
                (None, _) => Err(DatasetError::UnknownColumn { column: column.to_owned(), columns: header.len() }),
            }
        };
        let columns = options.columns.iter().map(|(column, kind)| Ok((find(column)?, *kind)));
        let swaps = options.swaps.iter().map(|(a, b)| Ok((find(a)?, find(b)?)));
        let plan = Self {
            id: find(&options.id_column)?,
            columns: columns.collect::<Result<_, DatasetError>>()?,
            swaps: swaps.collect::<Result<_, DatasetError>>()?,
        };
        let mut damaged = plan.columns.iter().map(|(at, _)| *at).chain(plan.swaps.iter().flat_map(|&(a, b)| [a, b]));
        // The truth names the rows of the input by it, so it must stay what it is.
        if damaged.any(|at| at == plan.id) {
            return Err(DatasetError::IdColumn { column: options.id_column.clone() });
        }
        // Of a second kind values would go missing twice as often as the model says, and a swap with itself is none.
        let kinds = plan.columns.iter().enumerate();
        let mut twice = kinds.filter(|(index, (at, _))| plan.columns[..*index].iter().any(|(other, _)| other == at));
        let twice = twice.next().map(|(_, (at, _))| *at);
        match twice.or(plan.swaps.iter().find(|(a, b)| a == b).map(|(at, _)| *at)) {
            Some(at) => Err(DatasetError::NamedTwice { column: header[at].clone() }),
            None => Ok(plan),
        }
    }

    /// The errors that were done, as `kind:column number`, columns counted from 1.
    fn damage(&self, random: &mut Random, cells: &mut [String], model: &CorruptModel) -> Vec<String> {
        let mut errors = Vec::new();
        for &(at, kind) in &self.columns {
            // A stream per column, so that what happens in one does not move what happens in the next.
            let random = &mut random.fork();
            for &(name, rate, edit) in kind.edits(model).iter() {
                let (hit, random) = (random.chance(rate), &mut random.fork());
                if hit && !cells[at].is_empty() {
                    let damaged = as_ascii(&cells[at], |text| edit(random, text, model));
                    if damaged != cells[at] {
                        errors.push(format!("{name}:{}", at + 1));
                        cells[at] = damaged;
                    }
                }
            }
        }
        for &(a, b) in &self.swaps {
            if random.chance(model.swap) && cells[a] != cells[b] {
                cells.swap(a, b);
                errors.push(format!("swap:{}", a + 1));
            }
        }
        errors
    }
}

/// The ids so far, and the rows that have them.
#[derive(Default)]
struct Ids(HashMap<Box<str>, u64>);

impl Ids {
    /// Spaces around an id do not make it another one, for readers drop them.
    fn take(&mut self, id: &str, row: u64) -> Result<(), DatasetError> {
        let id = id.trim();
        if id.is_empty() {
            return Err(DatasetError::EmptyId { row });
        }
        match self.0.insert(id.into(), row) {
            Some(first) => Err(DatasetError::RepeatedId { row, first }),
            None => Ok(()),
        }
    }
}

type Edit = fn(&mut Random, &str, &CorruptModel) -> String;

impl ColumnKind {
    /// What can happen to such a column: name, rate and deed.
    fn edits(self, model: &CorruptModel) -> Vec<(&'static str, f64, Edit)> {
        let keyboard: (_, _, Edit) = ("keyboard", model.keyboard, |random, text, _| edits::keyboard(random, text));
        let digits: (_, _, Edit) = ("keyboard", model.keyboard, |random, text, _| mistyped(random, text));
        let ocr: (_, _, Edit) = ("ocr", model.ocr, |random, text, _| edits::ocr(random, text));
        let phonetic: (_, _, Edit) =
            ("phonetic", model.phonetic, |random, text, _| as_katakana(text, |text| edits::phonetic(random, text)));
        let kana: Edit = |random, text, model| as_katakana(text, |text| misread(random, text, model.typos()));
        let mut edits = match self {
            Self::Latin => vec![keyboard, ocr, phonetic],
            Self::Kana => vec![("kana", model.kana, kana), ocr, phonetic],
            Self::Kanji => vec![ocr],
            Self::Date => vec![("date", model.date, edits::date as Edit)],
            Self::Digits => vec![digits, ocr],
            Self::Sex => vec![("sex", model.sex, (|_, text, _| edits::sex(text)) as Edit)],
        };
        edits.push(("missing", model.missing, |_, _, _| String::new()));
        edits
    }
}

/// The rows of the input, as text.
struct Rows<'a> {
    path: &'a Path,
    reader: csv::Reader<File>,
    record: csv::ByteRecord,
    /// The number of the last row; the header is row 1, as for all who read such a table.
    row: u64,
    header: Vec<String>,
    cp932: bool,
}

impl<'a> Rows<'a> {
    fn open(path: &'a Path, cp932: bool) -> Result<Self, DatasetError> {
        let file = File::open(path).map_err(|cause| DatasetError::Read { path: path.to_owned(), cause })?;
        let reader = csv::ReaderBuilder::new().has_headers(false).from_reader(file);
        let mut rows = Self { path, reader, record: csv::ByteRecord::new(), row: 0, header: Vec::new(), cp932 };
        rows.header = rows.next()?.ok_or(DatasetError::EmptyFile)?;
        if let Some(first) = rows.header.first_mut() {
            *first = first.trim_start_matches('\u{FEFF}').to_owned();
        }
        Ok(rows)
    }

    fn next(&mut self) -> Result<Option<Vec<String>>, DatasetError> {
        self.row += 1;
        let row = self.row;
        match self.reader.read_byte_record(&mut self.record) {
            Ok(false) => return Ok(None),
            Ok(true) => {}
            Err(error) if error.is_io_error() => {
                return Err(DatasetError::Read { path: self.path.to_owned(), cause: error.into() });
            }
            // The library's message holds positions only, and bytes have no other fault than their number in a row.
            Err(_) => return Err(DatasetError::Cells { row }),
        }
        let decoded = self.record.iter().enumerate().map(|(at, cell)| {
            let text = match self.cp932 {
                true => {
                    encoding_rs::SHIFT_JIS.decode_without_bom_handling_and_without_replacement(cell).map(Into::into)
                }
                false => String::from_utf8(cell.to_vec()).ok(),
            };
            let column = || self.header.get(at).cloned().unwrap_or_else(|| (at + 1).to_string());
            text.ok_or_else(|| DatasetError::Bytes { row, column: column() })
        });
        decoded.collect::<Result<_, _>>().map(Some)
    }
}

struct Csv<'a> {
    path: &'a Path,
    writer: csv::Writer<StagedFile>,
}

impl<'a> Csv<'a> {
    fn create(path: &'a Path) -> Result<Self, DatasetError> {
        let writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(StagedFile::create(path)?);
        Ok(Self { path, writer })
    }

    fn row<S: AsRef<str>>(&mut self, cells: &[S]) -> Result<(), DatasetError> {
        self.writer.write_record(cells.iter().map(AsRef::as_ref)).map_err(|error| failed(self.path, error.into()))
    }

    fn finish(self) -> Result<(), DatasetError> {
        let mut file = self.writer.into_inner().map_err(|error| failed(self.path, error.into_error()))?;
        file.flush().map_err(|source| failed(self.path, source))?;
        file.finish()
    }
}

#[cfg(test)]
mod tests;
