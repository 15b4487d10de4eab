//! Specific health checkups (特定健診): HL7 CDA documents, one per person and checkup, UTF-8.
//!
//! The XML is read event by event and only the header of a document is looked at. Memory: one event and one person.

use std::io::{self, BufReader, Read};

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

use super::limited::Limited;
use super::names::Names;
use super::person::{Column, Person, PersonLayout, Selection, Value, insurance_id, newness};
use super::{Encoding, RawBatch, Source};
use crate::error::SourceError;

/// The longest tag or text in bytes. A longer one is no part of a checkup.
const MAX_EVENT_BYTES: usize = 1 << 20;

/// The deepest path of elements, in bytes of their names.
const MAX_PATH_BYTES: usize = 4096;

const DOCUMENT: &str = "/ClinicalDocument";
const PATIENT_ROLE: &str = "/recordTarget/patientRole";

/// A patient may have several, such as one in kanji and its reading.
const PATIENT_NAME: &str = "/patient/name";

const INSURER_NUMBER: &str = "1.2.392.200119.6.101";
const INSURED_SYMBOL: &str = "1.2.392.200119.6.204";
const INSURED_NUMBER: &str = "1.2.392.200119.6.205";

/// What is known of a file before it is read.
#[derive(Debug, Clone, Default)]
pub struct KenshinLayout {
    /// Which values go into which fields.
    pub person: PersonLayout,
    /// The root (an OID) of the id that is the branch number (枝番). No source is known for it, so there is no default.
    pub branch_root: Option<String>,
}

/// A file of checkups, read document by document. The rows are counted by documents, from 1.
///
/// Files of the same folder that hold something else (index, summary, claims) have no row. A document that is not
/// well-formed is a malformed row and ends its file, because nobody can say where the next one begins.
pub struct KenshinSource<R: Read> {
    reader: quick_xml::Reader<BufReader<Limited<R>>>,
    buffer: Vec<u8>,
    selection: Selection,
    branch_root: Option<String>,
    /// The names of the open elements, each after a `/`.
    path: String,
    /// Where the path of the open document ends, when there is one.
    document: Option<usize>,
    names: Names,
    /// The name that is being read.
    name: String,
    postal_code: String,
    person: Person,
    row: u64,
    ended: bool,
}

impl<R: Read> KenshinSource<R> {
    /// Finds the columns. Nothing is read yet.
    ///
    /// # Errors
    /// [`SourceError`] when a field of the schema is none that the format knows.
    pub fn open(reader: R, layout: &KenshinLayout) -> Result<Self, SourceError> {
        let selection = Selection::find(&layout.person)?;
        let limited = Limited { inner: reader, budget: MAX_EVENT_BYTES };
        Ok(Self {
            reader: quick_xml::Reader::from_reader(BufReader::with_capacity(1 << 14, limited)),
            buffer: Vec::new(),
            selection,
            branch_root: layout.branch_root.clone(),
            path: String::new(),
            document: None,
            names: Names::default(),
            name: String::new(),
            postal_code: String::new(),
            person: Person::default(),
            row: 0,
            ended: false,
        })
    }

    /// Reads one event. Anything that is not well-formed is `None`.
    fn step(&mut self, batch: &mut RawBatch) -> Result<Option<()>, SourceError> {
        self.buffer.clear();
        self.reader.get_mut().get_mut().budget = MAX_EVENT_BYTES;
        let mut buffer = std::mem::take(&mut self.buffer);
        let done = match self.reader.read_event_into(&mut buffer) {
            Ok(event) => self.event(&event, batch),
            Err(quick_xml::Error::Io(source)) if self.reader.get_ref().get_ref().budget > 0 => {
                let source = io::Error::new(source.kind(), source.to_string());
                return Err(SourceError::Io { row: self.row + 1, source });
            }
            Err(_) => None,
        };
        self.buffer = buffer;
        Ok(done)
    }

    fn event(&mut self, event: &Event<'_>, batch: &mut RawBatch) -> Option<()> {
        match event {
            Event::Start(start) => {
                self.open_element(start)?;
            }
            Event::Empty(start) => {
                self.open_element(start)?;
                self.close_element(batch);
            }
            Event::End(_) => self.close_element(batch),
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(text) => self.text(&text.xml10_content()),
            Event::GeneralRef(reference) => match reference.resolve_char_ref().ok()? {
                Some(c) => self.text(c.encode_utf8(&mut [0; 4])),
                None => self.text(resolve_predefined_entity(&reference.xml10_content())?),
            },
            Event::Eof => {
                self.ended = true;
                if self.document.is_some() {
                    return None;
                }
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
        Some(())
    }

    fn open_element(&mut self, start: &BytesStart<'_>) -> Option<()> {
        self.path.push('/');
        self.path.push_str(start.local_name().as_ref());
        if self.path.len() > MAX_PATH_BYTES {
            return None;
        }
        let Some(document) = self.document else {
            if self.path.ends_with(DOCUMENT) {
                self.document = Some(self.path.len());
                self.person.clear();
                self.names = Names::default();
                self.postal_code.clear();
            }
            return Some(());
        };
        match &self.path[document..] {
            // The day of the checkup is newer knowledge than the day on which the file was made.
            "/effectiveTime" if self.person.newness == 0 => self.person.newness = newness(&attribute(start, "value")?),
            "/documentationOf/serviceEvent/effectiveTime" => match newness(&attribute(start, "value")?) {
                0 => {}
                newness => self.person.newness = newness,
            },
            path => match path.strip_prefix(PATIENT_ROLE) {
                Some("/id") => {
                    let (root, extension) = (attribute(start, "root")?, attribute(start, "extension")?);
                    let column = match root.as_str() {
                        INSURER_NUMBER => Column::InsurerNumber,
                        INSURED_SYMBOL => Column::InsuredSymbol,
                        INSURED_NUMBER => Column::InsuredNumber,
                        root if Some(root) == self.branch_root.as_deref() => Column::InsuredBranch,
                        _ => return Some(()),
                    };
                    self.person.set(column, &extension, false);
                }
                Some("/patient/administrativeGenderCode") => {
                    self.person.set(Column::Sex, &attribute(start, "code")?, false);
                }
                Some("/patient/birthTime") => self.person.set(Column::BirthDate, &attribute(start, "value")?, false),
                Some(PATIENT_NAME) => self.name.clear(),
                // A name in parts has a space between them.
                Some(path) if path.starts_with("/patient/name/") => self.name.push(' '),
                _ => {}
            },
        }
        Some(())
    }

    fn text(&mut self, text: &str) {
        let Some(document) = self.document else { return };
        match self.path[document..].strip_prefix(PATIENT_ROLE) {
            Some("/addr/postalCode") => self.postal_code.push_str(text),
            Some(path) if path == PATIENT_NAME || path.starts_with("/patient/name/") => self.name.push_str(text),
            _ => {}
        }
    }

    fn close_element(&mut self, batch: &mut RawBatch) {
        let within = self.document.map(|document| &self.path[document..]);
        if within.and_then(|path| path.strip_prefix(PATIENT_ROLE)) == Some(PATIENT_NAME) {
            self.names.legal.by_script(1, Value::from(self.name.trim()));
        }
        if self.document == Some(self.path.len()) {
            self.document = None;
            self.row += 1;
            self.person.set(Column::PostalCode, self.postal_code.trim(), false);
            self.person.set_all_names(&self.names);
            let id = insurance_id(&self.person, "");
            self.person.set(Column::RecordId, &id, false);
            self.person.push(self.row, &self.selection, batch);
        }
        // The reader refuses an end without a start, so there is a name to take off.
        self.path.truncate(self.path.rfind('/').unwrap_or(0));
    }
}

impl<R: Read> Source for KenshinSource<R> {
    fn start_batch(&self, batch: &mut RawBatch) {
        batch.reset(Encoding::Utf8, self.selection.fields(), true);
    }

    fn rows(&self) -> u64 {
        self.row
    }

    fn fill_batch(&mut self, batch: &mut RawBatch, rows: usize) -> Result<bool, SourceError> {
        let already = batch.len() + batch.malformed_rows().len();
        while !self.ended && batch.len() + batch.malformed_rows().len() < rows {
            if self.step(batch)?.is_none() {
                self.ended = true;
                self.row += 1;
                batch.push_malformed(self.row);
            }
        }
        Ok(batch.len() + batch.malformed_rows().len() > already)
    }
}

/// The value of an attribute, empty when there is none; `None` when the attributes are not well-formed.
fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = start.try_get_attribute(name).ok()?;
    match attribute {
        Some(attribute) => {
            attribute.normalized_value(XmlVersion::Explicit1_0).ok().map(|value| value.trim().to_owned())
        }
        None => Some(String::new()),
    }
}

#[cfg(test)]
mod tests;
