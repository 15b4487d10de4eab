//! Receipts for medical fees (レセプト電算, RECEIPTC.UKE): 医科, DPC, 歯科, and what of 調剤 and 訪問看護 is known.
//!
//! A file is a list of records of commas and lines. One receipt is an RE record (the patient) and the HO, KO and SN
//! records after it (who insures them); IR names the facility. One patient has a receipt per month and more, so
//! rows carry a record id and the month of treatment, and whoever sorts the rows by id keeps the newest. GO ends the
//! receipts of a facility and counts them: without it they were cut off, and the last of them is malformed; with another
//! count the GO record itself is.
//! Memory: the lines of one receipt, whatever the size of the file.

use std::io::Read;

use unicode_normalization::UnicodeNormalization;

use super::lines::{self, Lines};
use super::names::is_kana;
use super::person::{Column, Person, PersonLayout, Selection, Value, insurance_id, newness};
use super::{Encoding, RawBatch, Roster, Source, dpc};
use crate::error::SourceError;
use crate::normalise::{Rule, normalise};
use crate::schema::FieldKind;

/// An RE record is a patient's when it reaches to the birth date.
const RE_COLUMNS: usize = 7;

/// The kinds of receipts that have an RE record of their own form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UkeKind {
    /// 医科.
    Medical,
    /// DPC: a receipt with a BU record.
    Dpc,
    /// 歯科.
    Dental,
    /// 調剤.
    Pharmacy,
    /// 訪問看護.
    Nursing,
}

impl UkeKind {
    const ALL: [(Self, &str); 5] = [
        (Self::Medical, "medical"),
        (Self::Dpc, "dpc"),
        (Self::Dental, "dental"),
        (Self::Pharmacy, "pharmacy"),
        (Self::Nursing, "nursing"),
    ];
}

/// Where an RE record has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UkeColumn {
    /// In the column of this number; the record's name `RE` is column 1.
    At(usize),
    /// In the first column after the birth date that holds nothing but kana or characters that cannot be read; where a receipt
    /// has none, in the column in which the receipt before of its kind had it.
    Detect,
    /// Nowhere.
    Absent,
}

/// Where each kind of receipt has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UkeColumns {
    columns: [UkeColumn; 5],
    /// Whether they hold readings, which can be told by their looks; a number cannot.
    are_readings: bool,
}

impl UkeColumns {
    /// The reading of the name. 医科 37 and 歯科 26 are documented; the others are not, so they are detected.
    pub const KANA: Self = Self {
        columns: [UkeColumn::At(37), UkeColumn::Detect, UkeColumn::At(26), UkeColumn::Detect, UkeColumn::Detect],
        are_readings: true,
    };

    /// The number of the patient's chart. Where its column is not documented it is not used: a wrong column would make
    /// one row of many people.
    pub const CHART: Self = Self {
        columns: [UkeColumn::At(14), UkeColumn::Absent, UkeColumn::At(14), UkeColumn::Absent, UkeColumn::Absent],
        are_readings: false,
    };

    /// Changes one kind by a text such as `dpc=38`, `dpc=detect` or `dpc=none`.
    ///
    /// # Errors
    /// When the text is anything else, or `detect` where a number is meant.
    pub fn set(&mut self, text: &str) -> Result<(), SourceError> {
        let (kind, column) = text.split_once('=').ok_or(SourceError::UkeColumn)?;
        let kind = UkeKind::ALL.iter().position(|(_, name)| *name == kind).ok_or(SourceError::UkeColumn)?;
        self.columns[kind] = match column {
            "detect" if self.are_readings => UkeColumn::Detect,
            "none" => UkeColumn::Absent,
            // The columns to the birth date are the same for all kinds.
            number => match number.parse() {
                Ok(number @ 8..=999) => UkeColumn::At(number),
                _ => return Err(SourceError::UkeColumn),
            },
        };
        Ok(())
    }

    fn of(&self, kind: UkeKind) -> UkeColumn {
        self.columns[kind as usize]
    }
}

/// What is known of a file before it is read.
#[derive(Debug, Clone)]
pub struct UkeLayout {
    /// How the file is encoded; receipts are CP932.
    pub encoding: Encoding,
    /// Which values go into which fields.
    pub person: PersonLayout,
    /// Where the reading of the name is.
    pub kana: UkeColumns,
    /// Where the number of the chart is.
    pub chart: UkeColumns,
}

impl UkeLayout {
    /// A layout with the documented defaults.
    pub fn new(person: PersonLayout) -> Self {
        Self { encoding: Encoding::Cp932, person, kana: UkeColumns::KANA, chart: UkeColumns::CHART }
    }

    /// A layout for receipts beside discharge summaries: in DPC receipts too, column 14 is taken for the chart's number,
    /// because a wrong one joins with nothing and shows.
    pub fn beside_summaries(person: PersonLayout) -> Self {
        let mut layout = Self::new(person);
        layout.chart.columns[UkeKind::Dpc as usize] = UkeColumn::At(14);
        layout
    }
}

/// A file of receipts, read receipt by receipt. A row is an RE record, and its number is that of its line.
pub struct UkeSource<R> {
    lines: Lines<R>,
    encoding: Encoding,
    selection: Selection,
    kana: UkeColumns,
    chart: UkeColumns,
    roster: Option<Roster>,
    facility: Facility,
    receipt: Receipt,
    person: Person,
    /// For each kind of receipt the column in which the last reading was detected.
    detected: [Option<usize>; UkeKind::ALL.len()],
}

/// The IR record that was read last.
#[derive(Default)]
struct Facility {
    /// Prefecture (2), points table (1) and facility (7): ten digits, or nothing.
    code: String,
    points_table: Option<u8>,
    /// The line of the IR record; 0 when no facility's receipts are open.
    row: u64,
    /// How many receipts have begun since.
    receipts: u64,
    /// Whether earlier ones are in another volume, so that the GO record counts more.
    continued: bool,
}

/// The lines of the receipt that is being read.
#[derive(Default)]
struct Receipt {
    /// The line of the RE record; 0 when there is no receipt.
    row: u64,
    dpc: bool,
    patient: Vec<u8>,
    insurer: Vec<u8>,
    public_payer: Vec<u8>,
    verified: Vec<u8>,
}

impl<R: Read> UkeSource<R> {
    /// Looks at the first record, and finds the columns.
    ///
    /// # Errors
    /// [`SourceError`] when the file is empty or does not begin like one of receipts, or a field of the schema is none
    /// that the format knows.
    pub fn open(reader: R, layout: &UkeLayout) -> Result<Self, SourceError> {
        Self::open_beside(reader, layout, None)
    }

    /// The same for receipts beside the discharge summaries of [`DpcSummaries`](super::DpcSummaries): only receipts of
    /// their patients are rows.
    ///
    /// # Errors
    /// As [`UkeSource::open`], and when the roster is empty.
    pub fn open_beside(reader: R, layout: &UkeLayout, roster: Option<Roster>) -> Result<Self, SourceError> {
        if roster.as_ref().is_some_and(Roster::is_empty) {
            let hint = "the summaries (様式1) have no row A000010 of a patient";
            return Err(SourceError::NoSuchRecord { hint });
        }
        let selection = Selection::find(&layout.person)?;
        let mut lines = Lines::new(reader);
        if !lines.next()? {
            return Err(SourceError::NoRows);
        }
        let name = cell(lines.line(), 1);
        if name.len() != 2 || !name.iter().all(u8::is_ascii_uppercase) {
            return Err(SourceError::NotUke);
        }
        lines.hold();
        Ok(Self {
            lines,
            encoding: layout.encoding,
            selection,
            kana: layout.kana,
            chart: layout.chart,
            roster,
            facility: Facility::default(),
            receipt: Receipt::default(),
            person: Person::default(),
            detected: Default::default(),
        })
    }

    /// Ends the receipts of a facility that has no GO record: they were cut off, perhaps within a value (1991112 of 19911121
    /// is a date too), or before the first receipt.
    fn cut_off(&mut self, batch: &mut RawBatch) {
        let facility = std::mem::take(&mut self.facility.row);
        match (std::mem::take(&mut self.receipt.row), facility) {
            (0, 0) => {}
            (0, row) | (row, _) => batch.push_malformed(row),
        }
    }

    /// Ends the receipts of a facility at its GO record, which has to count as many as there were.
    fn finish_facility(&mut self, batch: &mut RawBatch) {
        self.finish_receipt(batch);
        let Facility { row, receipts, continued, .. } = std::mem::take(&mut self.facility);
        let total = std::str::from_utf8(cell(self.lines.line(), 2)).ok().and_then(|total| total.trim().parse().ok());
        if row != 0 && !continued && total != Some(receipts) {
            batch.push_malformed(self.lines.row());
        }
    }

    /// Ends the receipt that is being read.
    fn finish_receipt(&mut self, batch: &mut RawBatch) {
        let row = std::mem::take(&mut self.receipt.row);
        if row == 0 {
            return;
        }
        if self.receipt.patient.iter().filter(|&&byte| byte == b',').count() + 1 < RE_COLUMNS {
            batch.push_malformed(row);
            return;
        }
        let chart = self.read_person();
        let Self { roster, facility, person, selection, .. } = self;
        if roster.as_ref().is_none_or(|roster| dpc::add_summary(roster, &facility.code, &chart, person)) {
            person.push(row, selection, batch);
        }
    }

    /// Reads what the receipt says of the patient, and returns the number of the chart.
    fn read_person(&mut self) -> String {
        let Self { encoding, receipt, person, facility, detected, .. } = self;
        let decode = |line: &[u8], column: usize| {
            let mut scratch = String::new();
            let decoded = encoding.decode(cell(line, column), &mut scratch);
            Value { text: decoded.text.to_owned(), damaged: decoded.damaged }
        };
        let kind = match facility.points_table {
            _ if receipt.dpc => UkeKind::Dpc,
            Some(b'3') => UkeKind::Dental,
            Some(b'4') => UkeKind::Pharmacy,
            Some(b'6') => UkeKind::Nursing,
            _ => UkeKind::Medical,
        };
        let mut patient = |column: UkeColumn| match column {
            UkeColumn::At(column) => decode(&receipt.patient, column),
            UkeColumn::Absent => Value::default(),
            UkeColumn::Detect => {
                let columns = receipt.patient.split(|&byte| byte == b',').count();
                let found = (8..=columns).find(|&column| is_reading(&decode(&receipt.patient, column).text));
                let column = found.or(detected[kind as usize]);
                detected[kind as usize] = column;
                column.map(|column| decode(&receipt.patient, column)).unwrap_or_default()
            }
        };
        person.clear();
        person.newness = newness_of_month(cell(&receipt.patient, 4));
        person.set_names(&decode(&receipt.patient, 5), &patient(self.kana.of(kind)));
        let mut set = |column: Column, line: &[u8], at: usize| {
            let value = decode(line, at);
            if !value.text.trim().is_empty() {
                person.set(column, &value.text, value.damaged);
            }
        };
        set(Column::Sex, &receipt.patient, 6);
        set(Column::BirthDate, &receipt.patient, 7);
        set(Column::InsurerNumber, &receipt.insurer, 2);
        set(Column::InsuredSymbol, &receipt.insurer, 3);
        set(Column::InsuredNumber, &receipt.insurer, 4);
        if receipt.insurer.is_empty() {
            // 生活保護 alone: the payer and the recipient's number stand in, as they do in CLINS.
            set(Column::InsurerNumber, &receipt.public_payer, 2);
            set(Column::InsuredNumber, &receipt.public_payer, 3);
        }
        // What the online check of eligibility gave is newer than the card, and is one triple.
        if !cell(&receipt.verified, 4).trim_ascii().is_empty() {
            let symbol = decode(&receipt.verified, 5);
            set(Column::InsurerNumber, &receipt.verified, 4);
            set(Column::InsuredNumber, &receipt.verified, 6);
            set(Column::InsuredBranch, &receipt.verified, 7);
            person.set(Column::InsuredSymbol, &symbol.text, symbol.damaged);
        } else {
            set(Column::InsuredBranch, &receipt.verified, 7);
        }
        let chart = patient(self.chart.of(kind));
        let id = record_id(person, &facility.code, &chart);
        person.set(Column::RecordId, &id, chart.damaged);
        person.set(Column::FacilityCode, &facility.code, false);
        person.set(Column::ChartNumber, &chart.text, chart.damaged);
        chart.text
    }
}

/// Whether a value can be nothing but the reading of a name, readable or not: other columns have digits.
fn is_reading(value: &str) -> bool {
    is_kana(value) || normalise(FieldKind::Kana, value) == Err(Rule::Unreadable)
}

/// What identifies a person within the database: the facility and the number of the chart, or, where one of them is not
/// known, the insurance with birth date, sex and name (two of a family may share the number, and twins the birth date).
fn record_id(person: &Person, facility: &str, chart: &Value) -> String {
    let chart = chart.text.trim();
    if !facility.is_empty() && !chart.is_empty() {
        return format!("{facility}:{chart}").nfkc().collect();
    }
    insurance_id(person, facility)
}

impl<R: Read> Source for UkeSource<R> {
    fn start_batch(&self, batch: &mut RawBatch) {
        batch.reset(Encoding::Utf8, self.selection.fields(), true);
    }

    fn rows(&self) -> u64 {
        self.lines.row()
    }

    fn fill_batch(&mut self, batch: &mut RawBatch, rows: usize) -> Result<bool, SourceError> {
        let already = batch.len() + batch.malformed_rows().len();
        while batch.len() + batch.malformed_rows().len() < rows {
            if !self.lines.next()? {
                self.cut_off(batch);
                break;
            }
            // A receipt ends where the next one or the next facility begins; the other records say nothing of a person.
            match cell(self.lines.line(), 1) {
                b"RE" => {
                    self.finish_receipt(batch);
                    self.facility.receipts += 1;
                    self.receipt = Receipt { row: self.lines.row(), ..Receipt::default() };
                    self.receipt.patient.extend_from_slice(self.lines.line());
                }
                b"IR" => {
                    if self.facility.row != 0 {
                        self.cut_off(batch);
                    }
                    self.finish_receipt(batch);
                    self.facility = Facility::read(self.lines.line(), self.lines.row());
                }
                b"GO" => self.finish_facility(batch),
                b"BU" => self.receipt.dpc = true,
                b"HO" if self.receipt.insurer.is_empty() => self.receipt.insurer.extend_from_slice(self.lines.line()),
                // 12 is 生活保護; the other payers only add to an insurance.
                b"KO" if self.receipt.public_payer.is_empty() && cell(self.lines.line(), 2).starts_with(b"12") => {
                    self.receipt.public_payer.extend_from_slice(self.lines.line());
                }
                b"SN" if self.receipt.verified.is_empty() && cell(self.lines.line(), 2) == b"1" => {
                    self.receipt.verified.extend_from_slice(self.lines.line());
                }
                _ => {}
            }
        }
        Ok(batch.len() + batch.malformed_rows().len() > already)
    }
}

impl Facility {
    /// Reads an IR record, which stands in line `row`.
    fn read(line: &[u8], row: u64) -> Self {
        let [prefecture, table, code, volume] = [3, 4, 5, 9].map(|column| cell(line, column));
        let mut facility = Self {
            points_table: table.first().copied(),
            row,
            continued: volume.iter().any(|digit| matches!(digit, b'1'..=b'9')),
            ..Self::default()
        };
        if (prefecture.len(), table.len(), code.len()) == (2, 1, 7) {
            facility.code = String::from_utf8_lossy(&[prefecture, table, code].concat()).into_owned();
        }
        facility
    }
}

/// How new the month of treatment is: `YYYYMM`, or `GYYMM` in files from before 2020-05. A receipt is of a month, so there is
/// no day.
fn newness_of_month(text: &[u8]) -> u32 {
    let Some(number) = text.iter().try_fold(0, |sum: u32, byte| {
        (byte.is_ascii_digit() && sum < 100_000).then(|| sum * 10 + u32::from(byte - b'0'))
    }) else {
        return 0;
    };
    let (year, month) = (number / 100, number % 100);
    let year = match (text.len(), year / 100) {
        (6, _) => year,
        (5, 1) => 1867 + year % 100,
        (5, 2) => 1911 + year % 100,
        (5, 3) => 1925 + year % 100,
        (5, 4) => 1988 + year % 100,
        (5, 5) => 2018 + year % 100,
        _ => return 0,
    };
    newness(&format!("{year:04}{month:02}"))
}

/// One column of a record, counted from 1.
fn cell(line: &[u8], column: usize) -> &[u8] {
    lines::cell(line, b',', column)
}

#[cfg(test)]
mod tests;
