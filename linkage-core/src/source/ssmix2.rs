//! SS-MIX2 standardised storage: HL7 v2.5 messages, of which MSH, PID and IN1 name the patient and the insurance.
//!
//! A parser of our own, because it is small and has to forgive: names come with a caret too few, messages are cut off,
//! and most of a message (results, documents) must not be held. `hl7-parser` wants a whole message as one UTF-8 string.
//! Memory: one segment of at most 64 KiB; the rest of a longer one is passed over.

use std::io::{self, BufRead, BufReader, ErrorKind, Read};

use super::names::{Former, Names};
use super::person::{Column, NEVER, Person, PersonLayout, Selection, Value, newness};
use super::{Encoding, RawBatch, Source};
use crate::error::SourceError;

/// The longest segment that is kept, in bytes.
const MAX_SEGMENT_BYTES: usize = 1 << 16;

/// By how much master data (ADT^A08) count as newer than any other message. Orders and results come later and repeat the
/// patient, but often without the insurance.
const MASTER_DATA: u32 = NEVER;

/// A PID segment is a patient's when it reaches to the birth date.
const PID_BIRTH_DATE: usize = 7;

/// What is known of the files before they are read.
#[derive(Debug, Clone)]
pub struct Ssmix2Layout {
    /// How the files are encoded. Without it MSH-18 decides between UTF-8 and ISO-2022-JP, which is the standard's.
    pub encoding: Option<Encoding>,
    /// Which values go into which fields.
    pub person: PersonLayout,
    /// The field of IN1 that has `symbol~number~branch`, from 1; none where no field has it.
    pub insured_field: Option<usize>,
}

impl Ssmix2Layout {
    /// A layout with the documented defaults: the insured person is in IN1-10.
    pub fn new(person: PersonLayout) -> Self {
        Self { encoding: None, person, insured_field: Some(10) }
    }
}

/// A file of messages; a row is a message, counted from 1. A message without a patient is malformed, as is a file without
/// a message.
pub struct Ssmix2Source<R> {
    segments: Segments<R>,
    encoding: Option<Encoding>,
    insured_field: Option<usize>,
    selection: Selection,
    message: Message,
    person: Person,
    row: u64,
    ended: bool,
}

/// The message that is being read.
#[derive(Default)]
struct Message {
    open: bool,
    delimiters: Delimiters,
    /// None is ISO-2022-JP.
    encoding: Option<Encoding>,
    facility: String,
    has_patient: bool,
    has_insurance: bool,
}

impl<R: Read> Ssmix2Source<R> {
    /// Finds the columns. Nothing is read yet.
    ///
    /// # Errors
    /// [`SourceError`] when a field of the schema is none that the format knows.
    pub fn open(reader: R, layout: &Ssmix2Layout) -> Result<Self, SourceError> {
        Ok(Self {
            segments: Segments { reader: BufReader::with_capacity(1 << 14, reader), segment: Vec::new() },
            encoding: layout.encoding,
            insured_field: layout.insured_field,
            selection: Selection::find(&layout.person)?,
            message: Message::default(),
            person: Person::default(),
            row: 0,
            ended: false,
        })
    }

    /// Ends the message that is being read.
    fn finish_message(&mut self, batch: &mut RawBatch) {
        if !std::mem::take(&mut self.message.open) {
            return;
        }
        if self.message.has_patient {
            self.person.push(self.row, &self.selection, batch);
        } else {
            batch.push_malformed(self.row);
        }
    }

    /// Takes one segment in.
    fn segment(&mut self, batch: &mut RawBatch) {
        let segment = self.segments.segment.as_slice();
        match segment.get(..3) {
            Some(b"MSH") => {
                let header = Header::read(segment, self.encoding);
                self.finish_message(batch);
                self.row += 1;
                self.person.clear();
                self.person.newness = header.newness;
                self.message = header.message;
            }
            Some(b"PID") if self.message.open && !self.message.has_patient => {
                let segment = decode(segment, self.message.encoding);
                self.message.has_patient = self.message.patient(&segment, &mut self.person);
            }
            Some(b"IN1") if self.message.open && !self.message.has_insurance => {
                let segment = decode(segment, self.message.encoding);
                self.message.has_insurance = self.message.insurance(&segment, self.insured_field, &mut self.person);
            }
            _ => {}
        }
    }
}

impl<R: Read> Source for Ssmix2Source<R> {
    fn start_batch(&self, batch: &mut RawBatch) {
        batch.reset(Encoding::Utf8, self.selection.fields(), true);
    }

    fn rows(&self) -> u64 {
        self.row
    }

    fn fill_batch(&mut self, batch: &mut RawBatch, rows: usize) -> Result<bool, SourceError> {
        let already = batch.len() + batch.malformed_rows().len();
        while !self.ended && batch.len() + batch.malformed_rows().len() < rows {
            let next = self.segments.next().map_err(|source| SourceError::Io { row: self.row + 1, source })?;
            if next {
                self.segment(batch);
                continue;
            }
            self.ended = true;
            self.finish_message(batch);
            if self.row == 0 {
                self.row = 1;
                batch.push_malformed(self.row);
            }
        }
        Ok(batch.len() + batch.malformed_rows().len() > already)
    }
}

/// What an MSH segment says.
struct Header {
    message: Message,
    newness: u32,
}

impl Header {
    fn read(segment: &[u8], declared: Option<Encoding>) -> Self {
        // The names of encodings are ASCII, so they are found before the encoding is known.
        let probe = decode(segment, None);
        let delimiters = Delimiters::of(&probe.text);
        let says_utf8 = delimiters.field(&probe, 17).text.contains("UTF-8");
        let encoding = declared.or(says_utf8.then_some(Encoding::Utf8));
        let segment = decode(segment, encoding);
        let facility = delimiters.component(delimiters.field(&segment, 3), 0).text;
        // MSH-1 is the delimiter itself, so the fields after it stand one place further on.
        let newness = newness(&delimiters.component(delimiters.field(&segment, 6), 0).text);
        let kind = [0, 1].map(|at| delimiters.component(delimiters.field(&segment, 8), at).text);
        let newness = if kind == ["ADT", "A08"] { MASTER_DATA + newness } else { newness };
        let message = Message { open: true, delimiters, encoding, facility, ..Message::default() };
        Self { message, newness }
    }
}

impl Message {
    /// Reads a PID segment; false when it is cut off.
    fn patient(&self, segment: &Value, person: &mut Person) -> bool {
        let marks = &self.delimiters;
        if segment.text.split(marks.field).count() <= PID_BIRTH_DATE {
            return false;
        }
        let field = |number| marks.field(segment, number);
        let mut names = Names::default();
        for name in marks.repeats(field(5)) {
            self.name(name, &mut names);
        }
        person.set_all_names(&names);
        for (column, value) in [
            (Column::BirthDate, marks.component(field(7), 0)),
            (Column::Sex, marks.component(field(8), 0)),
            (
                Column::PostalCode,
                marks.repeats(field(11)).map(|address| marks.component(address, 4)).find(is_given).unwrap_or_default(),
            ),
        ] {
            person.set(column, value.text.trim(), value.damaged);
        }
        let id = marks.repeats(field(3)).next().map(|id| marks.component(id, 0)).unwrap_or_default();
        let record_id =
            if is_given(&id) { format!("{}:{}", self.facility.trim(), id.text.trim()) } else { String::new() };
        person.set(Column::RecordId, &record_id, id.damaged);
        person.set(Column::FacilityCode, self.facility.trim(), false);
        person.set(Column::ChartNumber, id.text.trim(), id.damaged);
        true
    }

    /// Reads one XPN: the representation (XPN.8) says which script it is in, the type (XPN.7) which name.
    fn name(&self, name: Value, names: &mut Names) {
        let marks = &self.delimiters;
        let part = |at| marks.component(name.clone(), at);
        let family = Value {
            text: part(0).text.split(marks.subcomponent).next().unwrap_or_default().trim().to_owned(),
            ..part(0)
        };
        let given = [part(1), part(2)].map(|part| part.text.trim().to_owned()).join(" ");
        // Where a given name is told apart, all of the other is the family name, also of two words (DELA CRUZ).
        let first =
            if given.trim().is_empty() { family.text.clone() } else { family.text.split_whitespace().collect() };
        let whole = Value { text: format!("{first} {given}").trim().to_owned(), damaged: name.damaged };
        if whole.text.is_empty() {
            return;
        }
        // Some programs write one caret too few before both codes.
        let codes = [6, 5].map(|at| (part(at).text.trim().to_owned(), part(at + 1).text.trim().to_owned()));
        let (kind, script) = codes
            .into_iter()
            .find(|(_, script)| matches!(script.as_str(), "I" | "P" | "A"))
            .unwrap_or_else(|| (part(6).text, String::new()));
        let (of, rank) = match kind.trim() {
            "M" => return names.former(Former::Family(family)),
            "L" | "" => (&mut names.legal, 2),
            // An alias: 通称.
            "A" => (&mut names.common, 2),
            // A name for display (D) and its like, where there is no legal name.
            _ => (&mut names.legal, 1),
        };
        match script.as_str() {
            "I" => of.ideographic(rank, whole),
            "P" => of.syllabic(rank, whole),
            "A" => of.latin(rank, whole),
            _ => of.by_script(rank, whole),
        }
    }

    /// Reads an IN1 segment: insurer in IN1-3, `symbol~number~branch` in the field that the layout names. False when it names
    /// no insurer.
    fn insurance(&self, segment: &Value, insured_field: Option<usize>, person: &mut Person) -> bool {
        let marks = &self.delimiters;
        let insurer = marks.component(marks.field(segment, 3), 0);
        if !is_given(&insurer) {
            return false;
        }
        person.set(Column::InsurerNumber, insurer.text.trim(), insurer.damaged);
        let Some(insured) = insured_field.map(|field| marks.field(segment, field)) else { return true };
        let parts: Vec<Value> = marks.repeats(insured).map(|part| marks.component(part, 0)).collect();
        // A single part is the number: insurance without a symbol.
        let columns: &[Column] = match parts.len() {
            1 => &[Column::InsuredNumber],
            _ => &[Column::InsuredSymbol, Column::InsuredNumber, Column::InsuredBranch],
        };
        for (column, part) in columns.iter().zip(&parts) {
            person.set(*column, part.text.trim(), part.damaged);
        }
        true
    }
}

fn is_given(value: &Value) -> bool {
    !value.text.trim().is_empty()
}

/// The signs between the parts of a message.
struct Delimiters {
    field: char,
    component: char,
    repeat: char,
    escape: char,
    subcomponent: char,
}

impl Default for Delimiters {
    fn default() -> Self {
        Self { field: '|', component: '^', repeat: '~', escape: '\\', subcomponent: '&' }
    }
}

impl Delimiters {
    /// Those that an MSH segment declares; the usual ones where it declares none.
    fn of(header: &str) -> Self {
        let mut signs = header.chars().skip(3).take_while(|sign| sign.is_ascii_punctuation());
        let usual = Self::default();
        Self {
            field: signs.next().unwrap_or(usual.field),
            component: signs.next().unwrap_or(usual.component),
            repeat: signs.next().unwrap_or(usual.repeat),
            escape: signs.next().unwrap_or(usual.escape),
            subcomponent: signs.next().unwrap_or(usual.subcomponent),
        }
    }

    /// The field of this number, where the name of the segment is number 0; `""` is an empty one.
    fn field(&self, segment: &Value, number: usize) -> Value {
        let text = segment.text.split(self.field).nth(number).unwrap_or_default();
        Value {
            text: if text == "\"\"" { "" } else { text }.to_owned(),
            damaged: segment.damaged && text.contains('\u{FFFD}'),
        }
    }

    fn repeats(&self, field: Value) -> impl Iterator<Item = Value> {
        let parts: Vec<Value> =
            field.text.split(self.repeat).map(|text| Value { text: text.to_owned(), damaged: field.damaged }).collect();
        parts.into_iter()
    }

    /// One component, counted from 0, with its escapes resolved.
    fn component(&self, field: Value, at: usize) -> Value {
        let text = field.text.split(self.component).nth(at).unwrap_or_default();
        let text = if text == "\"\"" { "" } else { text };
        let damaged = field.damaged && text.contains('\u{FFFD}');
        let mut parts = text.split(self.escape);
        let mut resolved = parts.next().unwrap_or_default().to_owned();
        while let Some(code) = parts.next() {
            match code {
                "F" => resolved.push(self.field),
                "S" => resolved.push(self.component),
                "T" => resolved.push(self.subcomponent),
                "R" => resolved.push(self.repeat),
                "E" => resolved.push(self.escape),
                // Highlighting and the like says nothing of a name.
                _ => {}
            }
            resolved.push_str(parts.next().unwrap_or_default());
        }
        Value { text: resolved, damaged }
    }
}

/// A segment as text. ISO-2022-JP is stateful and its characters hold the bytes of delimiters, so a segment is decoded
/// before it is split; each segment begins in ASCII.
fn decode(segment: &[u8], encoding: Option<Encoding>) -> Value {
    match encoding {
        Some(encoding) => {
            let mut scratch = String::new();
            let decoded = encoding.decode(segment, &mut scratch);
            Value { text: decoded.text.to_owned(), damaged: decoded.damaged }
        }
        None => {
            let (text, damaged) = encoding_rs::ISO_2022_JP.decode_without_bom_handling(segment);
            Value { text: text.into_owned(), damaged }
        }
    }
}

/// The segments of a file, ended by CR as the standard wants, or by LF.
struct Segments<R> {
    reader: BufReader<R>,
    segment: Vec<u8>,
}

impl<R: Read> Segments<R> {
    /// Reads the next segment that is not empty; false at the end of the file.
    fn next(&mut self) -> io::Result<bool> {
        self.segment.clear();
        loop {
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if buffer.is_empty() {
                return Ok(!self.segment.is_empty());
            }
            let end = buffer.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let taken = end.unwrap_or(buffer.len());
            let room = MAX_SEGMENT_BYTES - self.segment.len();
            self.segment.extend_from_slice(&buffer[..taken.min(room)]);
            self.reader.consume(taken + usize::from(end.is_some()));
            if end.is_some() {
                // The framing of a transmission (MLLP), and a mark at the start of the file.
                while matches!(self.segment.last(), Some(0x1C | 0x1A)) {
                    self.segment.pop();
                }
                for prefix in [&b"\xEF\xBB\xBF"[..], b"\x0B"] {
                    if self.segment.starts_with(prefix) {
                        self.segment.drain(..prefix.len());
                    }
                }
                if !self.segment.is_empty() {
                    return Ok(true);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
