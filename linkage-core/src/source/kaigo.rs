//! Long-term care (介護): claims of benefits (給付費, 伝送 CSV), which carry no name, and the register that does
//! (受給者台帳, or the CSV of 認定ソフト).
//!
//! The two are joined on insurer and insured person: the claims are read first, into a [`Roster`], and then each row of
//! the register whose person has a claim is a row. The register alone can be read too; then all of it is. Memory: one
//! line, and the roster.
//!
//! No public source fixes the positions for every program, so all of them are configuration.

use std::io::Read;

use csv::ByteRecord;

use super::person::{Column, Person, PersonLayout, Selection, Value, newness_of_date};
use super::roster::Detail;
use super::rows::CsvRows;
use super::{Encoding, Positions, RawBatch, Roster, Source};
use crate::error::SourceError;
use crate::normalise::normalise;
use crate::schema::FieldKind;

const REGISTER: [&str; 8] =
    ["insurer", "number", "name-kana", "name-kanji", "birth-date", "sex", "postal-code", "date"];
const CLAIMS: [&str; 3] = ["insurer", "number", "record"];

/// Rows of data in the envelope of a transmission begin with this; a row before them and one after them open and close it.
const DATA: &[u8] = b"2";
const OPENS: &[u8] = b"1";
const CLOSES: &[u8] = b"3";

/// What the column `record` of a claim's basic record (基本情報レコード) holds.
const BASIC: &[u8] = b"01";

/// What is known of the files before they are read.
#[derive(Debug, Clone)]
pub struct KaigoLayout {
    /// How the files are encoded; the transmissions and 認定ソフト write CP932.
    pub encoding: Encoding,
    /// Which values go into which fields.
    pub person: PersonLayout,
    register: Positions,
    claims: Positions,
}

impl KaigoLayout {
    /// The register as the insurers' association exchanges it (受給者異動・訂正連絡票): insurer 9, number 10, name in kana 11,
    /// birth date 12, sex 13. Claims: insurer 7, number 8, and 4 tells the basic record.
    pub fn ledger(person: PersonLayout) -> Self {
        let register = Positions::new(&REGISTER, &[9, 10, 11, 0, 12, 13, 0, 0]);
        Self { encoding: Encoding::Cp932, person, register, claims: Positions::new(&CLAIMS, &[7, 8, 4]) }
    }

    /// The register as 認定ソフト writes it: insurer 4, number 5, date of the application 6, birth date 13, sex 15, name in
    /// kana 16 and in kanji 17, postal code 18.
    pub fn assessment(person: PersonLayout) -> Self {
        Self { register: Positions::new(&REGISTER, &[4, 5, 16, 17, 13, 15, 18, 6]), ..Self::ledger(person) }
    }

    /// Moves one value by a text such as `register.number=10`, `register.number=被保険者番号` or `claims.record=none`.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn set(&mut self, text: &str) -> Result<(), SourceError> {
        match text.split_once('.') {
            Some(("register", position)) => self.register.set(position),
            Some(("claims", position)) => self.claims.set(position),
            _ => {
                let names =
                    |part: &str, names: &[&str]| names.iter().map(|n| format!("{part}.{n}")).collect::<Vec<_>>();
                let names = [names("register", &REGISTER), names("claims", &CLAIMS)].concat().join(", ");
                Err(SourceError::Position { names })
            }
        }
    }
}

/// A register, read row by row; a first row that holds no number in place of the insured person's is a header.
pub struct KaigoRegister<R: Read> {
    rows: Rows<R>,
    selection: Selection,
    roster: Option<Roster>,
    person: Person,
}

impl<R: Read> KaigoRegister<R> {
    /// Looks at the first row, and finds the columns. With a roster only its people are rows.
    ///
    /// # Errors
    /// [`SourceError`] when the file is empty or has not the columns, the roster is empty, or a field of the schema is none
    /// that the format knows.
    pub fn open(reader: R, layout: &KaigoLayout, roster: Option<Roster>) -> Result<Self, SourceError> {
        if roster.as_ref().is_some_and(Roster::is_empty) {
            let hint =
                "the claims have no basic record (01) with insurer and number; `--column claims.…` moves the positions";
            return Err(SourceError::NoSuchRecord { hint });
        }
        let selection = Selection::find(&layout.person)?;
        Ok(Self {
            rows: Rows::open(reader, &layout.register, layout.encoding)?,
            selection,
            roster,
            person: Person::default(),
        })
    }

    /// Reads the current row; `None` when it lacks what says whom it is about.
    fn read_person(&mut self) -> Option<[String; 2]> {
        let Self { rows, person, .. } = self;
        let key = rows.key()?;
        let value = |index| rows.value(index);
        person.clear();
        person.newness = newness_of_date(&value(7).text);
        person.set_names(&value(3), &value(2));
        for (column, index) in [(Column::BirthDate, 4), (Column::Sex, 5), (Column::PostalCode, 6)] {
            let value = value(index);
            person.set(column, &value.text, value.damaged);
        }
        person.set(Column::CareInsurerNumber, &key[0], false);
        person.set(Column::CareInsuredNumber, &key[1], false);
        person.set(Column::RecordId, &key.join(":"), false);
        Some(key)
    }
}

impl<R: Read> Source for KaigoRegister<R> {
    fn start_batch(&self, batch: &mut RawBatch) {
        batch.reset(Encoding::Utf8, self.selection.fields(), true);
    }

    fn rows(&self) -> u64 {
        self.rows.row
    }

    fn fill_batch(&mut self, batch: &mut RawBatch, rows: usize) -> Result<bool, SourceError> {
        let already = batch.len() + batch.malformed_rows().len();
        while batch.len() + batch.malformed_rows().len() < rows && self.rows.next()? {
            if self.rows.is_envelope {
                continue;
            }
            match self.read_person().filter(|_| !self.rows.is_cut_off()) {
                None => batch.push_malformed(self.rows.row),
                Some([insurer, number]) => {
                    if self.roster.as_ref().is_none_or(|roster| roster.find([&insurer, &number]).is_some()) {
                        self.person.push(self.rows.row, &self.selection, batch);
                    }
                }
            }
        }
        Ok(batch.len() + batch.malformed_rows().len() > already)
    }
}

/// A file of claims. It has no rows of its own: its people go into a roster.
pub struct KaigoClaims<R: Read> {
    rows: Rows<R>,
    fields: usize,
    roster: Roster,
}

impl<R: Read> KaigoClaims<R> {
    /// Looks at the first row, and finds the columns.
    ///
    /// # Errors
    /// [`SourceError`] when the file is empty or has not the columns.
    pub fn open(reader: R, layout: &KaigoLayout, roster: Roster) -> Result<Self, SourceError> {
        let mut rows = Rows::open(reader, &layout.claims, layout.encoding)?;
        rows.marked = rows.columns[2].is_some();
        Ok(Self { rows, fields: layout.person.fields.len(), roster })
    }
}

impl<R: Read> Source for KaigoClaims<R> {
    fn start_batch(&self, batch: &mut RawBatch) {
        batch.reset(Encoding::Utf8, self.fields, true);
    }

    fn rows(&self) -> u64 {
        self.rows.row
    }

    /// Reads the file to its end, unless so many rows are malformed. Whether there was anything does not tell rows here.
    fn fill_batch(&mut self, batch: &mut RawBatch, rows: usize) -> Result<bool, SourceError> {
        let already = batch.malformed_rows().len();
        while batch.len() + batch.malformed_rows().len() < rows && self.rows.next()? {
            if self.rows.is_cut_off() {
                batch.push_malformed(self.rows.row);
                continue;
            }
            let cell =
                |index: usize| self.rows.columns[index].map(|column| self.rows.record.get(column).unwrap_or_default());
            let record = cell(2);
            // Without a column that tells records apart, every row is a claim. Other records have columns of their own, but a row
            // that is too short to tell which it is may have been a claim.
            let is_other = |record: &[u8]| self.rows.record.get(0) != Some(DATA) || record.trim_ascii() != BASIC;
            let told = self.rows.record.get(0) == Some(DATA) && record.is_some_and(|record| !record.is_empty());
            if self.rows.is_envelope || record.is_some_and(is_other) && (told || self.rows.is_whole()) {
                continue;
            }
            match self.rows.key() {
                Some([insurer, number]) => {
                    self.roster.add([&insurer, &number], batch.number(self.rows.row), Detail::default())?;
                }
                None => batch.push_malformed(self.rows.row),
            }
        }
        Ok(batch.malformed_rows().len() > already)
    }
}

/// Where in the envelopes of transmissions a file is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Envelope {
    /// At the beginning, or after the end of one: another may follow.
    Possible,
    /// One has been opened that is not closed yet.
    Open,
    /// The file has rows outside of any.
    Absent,
}

/// The rows of a CSV file with or without a header, and where its values are: insurer and number first.
struct Rows<R: Read> {
    reader: CsvRows<R>,
    record: ByteRecord,
    /// The row after it, if there is one.
    next: ByteRecord,
    more: bool,
    /// Whether every row of data begins with 2, so that no other can be one.
    marked: bool,
    envelope: Envelope,
    /// Whether the current row opens or closes a transmission.
    is_envelope: bool,
    encoding: Encoding,
    columns: Vec<Option<usize>>,
    row: u64,
    held: bool,
}

impl<R: Read> Rows<R> {
    fn open(reader: R, positions: &Positions, encoding: Encoding) -> Result<Self, SourceError> {
        let mut reader = CsvRows::new(reader, b',');
        let mut record = ByteRecord::new();
        if !reader.read(&mut record)? {
            return Err(SourceError::NoRows);
        }
        let columns = positions.find(&record, encoding)?;
        let mut next = ByteRecord::new();
        let more = reader.read(&mut next)?;
        let mut rows = Self {
            reader,
            record,
            next,
            more,
            marked: false,
            envelope: Envelope::Possible,
            is_envelope: false,
            encoding,
            columns,
            row: 1,
            held: false,
        };
        let number = rows.value(1).text;
        let header = !number.trim().is_empty() && !number.chars().any(char::is_numeric);
        rows.held = !positions.need_names() && !header;
        Ok(rows)
    }

    fn next(&mut self) -> Result<bool, SourceError> {
        if !std::mem::take(&mut self.held) {
            if !self.more {
                return Ok(false);
            }
            std::mem::swap(&mut self.record, &mut self.next);
            self.row += 1;
            self.more = self.reader.read(&mut self.next)?;
        }
        self.look_for_envelope();
        Ok(true)
    }

    /// Tells whether the current row belongs to the envelope of a transmission: a row that begins with 1 where one may be opened
    /// and rows of data (or the end) follow, or with 3 where one is open. It has fewer columns than data, unless these are
    /// marked. Any other short row is one of data that lacks something.
    fn look_for_envelope(&mut self) {
        let next = self.next.get(0).filter(|_| self.more);
        let no_data = self.marked || !self.is_whole();
        (self.envelope, self.is_envelope) = match (self.envelope, self.record.get(0)) {
            (Envelope::Possible, Some(OPENS)) if no_data && matches!(next, Some(DATA | CLOSES)) => {
                (Envelope::Open, true)
            }
            (Envelope::Open, Some(CLOSES)) if no_data => (Envelope::Possible, true),
            (Envelope::Open, _) => (Envelope::Open, false),
            _ => (Envelope::Absent, false),
        };
    }

    /// Whether the current row is the last one of a transmission that nothing closes: perhaps half of it is there.
    fn is_cut_off(&self) -> bool {
        self.envelope == Envelope::Open && !self.more
    }

    fn is_whole(&self) -> bool {
        self.columns.iter().flatten().all(|&column| column < self.record.len())
    }

    fn value(&self, index: usize) -> Value {
        let cell = self.columns[index].and_then(|column| self.record.get(column)).unwrap_or_default();
        let mut scratch = String::new();
        let decoded = self.encoding.decode(cell, &mut scratch);
        Value { text: decoded.text.to_owned(), damaged: decoded.damaged }
    }

    /// Insurer and number of the insured person, in the one form in which both files have them.
    fn key(&self) -> Option<[String; 2]> {
        let insurer = normalise(FieldKind::InsurerNumber, &self.value(0).text).ok()??;
        let number = normalise(FieldKind::InsuredNumber, &self.value(1).text).ok()??;
        // Spreadsheets lose leading zeros.
        let number = number.trim_start_matches('0').to_owned();
        (self.is_whole() && !number.is_empty()).then_some([insurer, number])
    }
}

#[cfg(test)]
mod tests;
