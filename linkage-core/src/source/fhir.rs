//! FHIR Patients of JP Core and CLINS (3文書6情報): NDJSON, one resource or Bundle per line, or one JSON document per file.
//!
//! Only resources of type Patient become rows, on their own or in a Bundle; the others are passed over. Memory: one line, or of
//! one document the parts that could name a person, of all its entries. Either has at most 64 MiB, because a Bundle may say
//! only at its end that it is one; parsed, that is up to about 0.7 GB.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

use super::names::{Former, Names};
use super::person::{Column, Person, PersonLayout, Selection, Value, insurance_id, newness};
use super::{Encoding, RawBatch, Source};
use crate::error::SourceError;

/// The longest line or document in bytes.
const MAX_DOCUMENT_BYTES: u64 = 64 << 20;

const REPRESENTATION: &str = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation";

/// Patient ids of one facility; its ten digits follow.
const FACILITY_PATIENT: &str = "urn:oid:1.2.392.100495.20.3.51.1";

/// The parts of a resource that are looked at. Other resources use the same names for other things, so nothing is
/// assumed of them here.
#[derive(Deserialize)]
struct Resource {
    #[serde(rename = "resourceType", default)]
    kind: Json,
    #[serde(default)]
    meta: Json,
    #[serde(default)]
    identifier: Json,
    #[serde(default)]
    name: Json,
    #[serde(default)]
    gender: Json,
    #[serde(rename = "birthDate", default)]
    birth_date: Json,
    #[serde(default)]
    address: Json,
    #[serde(default)]
    entry: Vec<Object<Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    resource: Option<Box<Object<Resource>>>,
}

/// What stands between `{` and `}`. The derived readers alone would take an array for the values in their order, and
/// whoever is in it would be lost without a word.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Braces<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Braces<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Braces(PhantomData)).map(Self)
    }
}

/// A file of Patients. With NDJSON the number of a row is that of its line, otherwise Patients are counted from 1.
pub struct FhirSource<R> {
    reader: BufReader<R>,
    /// The first lines, where they are no resources by themselves: then the file is one document.
    document: Option<Vec<u8>>,
    line: Vec<u8>,
    /// Lines that have been read to tell NDJSON from a document, with their numbers.
    ahead: VecDeque<(u64, Vec<u8>)>,
    /// How many lines have been read.
    lines: u64,
    max_bytes: u64,
    selection: Selection,
    person: Person,
    row: u64,
}

impl<R: Read> FhirSource<R> {
    /// Reads the first line, or a few, which tell NDJSON from one document.
    ///
    /// # Errors
    /// [`SourceError`] when the file is empty or cannot be read, or a field of the schema is none that the format knows.
    pub fn open(reader: R, layout: &PersonLayout) -> Result<Self, SourceError> {
        Self::open_within(reader, layout, MAX_DOCUMENT_BYTES)
    }

    /// The same with another longest line or document.
    fn open_within(reader: R, layout: &PersonLayout, max_bytes: u64) -> Result<Self, SourceError> {
        let selection = Selection::find(layout)?;
        let mut source = Self {
            reader: BufReader::with_capacity(1 << 16, reader),
            document: None,
            line: Vec::new(),
            ahead: VecDeque::new(),
            lines: 0,
            max_bytes,
            selection,
            person: Person::default(),
            row: 0,
        };
        if !source.read_line()? {
            return Err(SourceError::NoRows);
        }
        source.keep_line();
        if source.is_document()? {
            source.document = Some(source.ahead.drain(..).flat_map(|(_, line)| line).collect());
        }
        Ok(source)
    }

    /// Whether the first line is the beginning of a document. When it ends within a value it may also be what is left of a
    /// resource: then the next lines are resources of their own, and cannot go on where it ended.
    fn is_document(&mut self) -> Result<bool, SourceError> {
        while ends_within_a_value(self.ahead.iter().map(|(_, line)| line.as_slice())) {
            if !self.read_line()? {
                // Nothing can end the value any more. With a resource after it, it is a line that was cut off.
                return Ok(self.ahead.len() == 1);
            }
            let is_resource = serde_json::from_slice::<Object<Resource>>(&self.line)
                .is_ok_and(|Object(resource)| resource.kind.is_string());
            self.keep_line();
            if !is_resource {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Keeps the current line to be given out once more.
    fn keep_line(&mut self) {
        self.ahead.push_back((self.row, std::mem::take(&mut self.line)));
    }

    /// The next line that is not blank.
    fn next_line(&mut self) -> Result<bool, SourceError> {
        match self.ahead.pop_front() {
            Some((row, line)) => {
                (self.row, self.line) = (row, line);
                Ok(true)
            }
            None => self.read_line(),
        }
    }

    fn read_line(&mut self) -> Result<bool, SourceError> {
        loop {
            self.line.clear();
            let row = self.lines + 1;
            let failed = |source: io::Error| SourceError::Io { row, source };
            let read = (&mut self.reader).take(self.max_bytes).read_until(b'\n', &mut self.line).map_err(failed)?;
            if read == 0 {
                return Ok(false);
            }
            if read as u64 == self.max_bytes {
                return Err(SourceError::DocumentTooLong { row });
            }
            (self.lines, self.row) = (row, row);
            if row == 1 && self.line.starts_with(b"\xEF\xBB\xBF") {
                self.line.drain(..3);
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    /// Reads the file as one document, or as several that follow each other.
    fn read_document(&mut self, first: Vec<u8>, batch: &mut RawBatch) -> Result<(), SourceError> {
        let room = self.max_bytes.saturating_sub(first.len() as u64);
        let mut limited = Cursor::new(first).chain((&mut self.reader).take(room));
        let documents = serde_json::Deserializer::from_reader(&mut limited).into_iter::<Object<Resource>>();
        let resources = documents.collect::<Result<Vec<_>, _>>();
        let (_, rest) = limited.into_inner();
        let failed = |source: io::Error| SourceError::Io { row: 1, source };
        // At the limit an end is none, not even one between two documents.
        if rest.limit() == 0 && !rest.into_inner().fill_buf().map_err(failed)?.is_empty() {
            return Err(SourceError::DocumentTooLong { row: 1 });
        }
        // The error may quote a value, so it goes no further.
        let resources = resources.map_err(|error| match error.io_error_kind() {
            Some(kind) => failed(kind.into()),
            None => SourceError::NotJson,
        })?;
        self.row = 0;
        for Object(resource) in &resources {
            self.push(resource, true, 0, batch);
        }
        Ok(())
    }

    /// Adds the Patients of a resource.
    fn push(&mut self, resource: &Resource, count: bool, bundle_newness: u32, batch: &mut RawBatch) {
        let newness = bundle_newness.max(newness(text(&resource.meta["lastUpdated"])));
        match resource.kind.as_str() {
            Some("Patient") => {
                self.row += u64::from(count);
                read_person(resource, newness, &mut self.person);
                self.person.push(self.row, &self.selection, batch);
            }
            Some("Bundle") => {
                for Object(resource) in resource.entry.iter().filter_map(|Object(entry)| entry.resource.as_deref()) {
                    self.push(resource, count, newness, batch);
                }
            }
            _ => {}
        }
    }
}

impl<R: Read> Source for FhirSource<R> {
    fn start_batch(&self, batch: &mut RawBatch) {
        batch.reset(Encoding::Utf8, self.selection.fields(), true);
    }

    fn rows(&self) -> u64 {
        self.row
    }

    /// A Bundle is added as a whole, so a batch can get more rows than were asked for.
    fn fill_batch(&mut self, batch: &mut RawBatch, rows: usize) -> Result<bool, SourceError> {
        let already = batch.len() + batch.malformed_rows().len();
        if let Some(first) = self.document.take() {
            self.read_document(first, batch)?;
        }
        while batch.len() + batch.malformed_rows().len() < rows && self.next_line()? {
            match serde_json::from_slice::<Object<Resource>>(&self.line) {
                Ok(Object(resource)) => self.push(&resource, false, 0, batch),
                Err(_) => batch.push_malformed(self.row),
            }
        }
        Ok(batch.len() + batch.malformed_rows().len() > already)
    }
}

/// Whether a text of these lines is the beginning of a JSON value without its end.
fn ends_within_a_value<'a>(lines: impl Iterator<Item = &'a [u8]>) -> bool {
    let nothing: Box<dyn Read + 'a> = Box::new(io::empty());
    let text = lines.fold(nothing, |text, line| Box::new(text.chain(line)));
    serde_json::from_reader::<_, serde::de::IgnoredAny>(BufReader::new(text)).is_err_and(|error| error.is_eof())
}

fn read_person(patient: &Resource, newness: u32, person: &mut Person) {
    person.clear();
    person.newness = newness;
    person.set_all_names(&names(&patient.name));
    person.set(Column::Sex, text(&patient.gender), false);
    person.set(Column::BirthDate, text(&patient.birth_date), false);
    let postal_codes = || list(&patient.address).filter(|address| !text(&address["postalCode"]).is_empty());
    let home = postal_codes().find(|address| address["use"] == "home").or_else(|| postal_codes().next());
    person.set(Column::PostalCode, home.map_or("", |address| text(&address["postalCode"])), false);
    let (mut facility_id, mut other_id, mut has_insurance) = (None, "", false);
    // An old one is of another time; of several current ones the first counts, as it does of the other values.
    for identifier in list(&patient.identifier).filter(|identifier| identifier["use"] != "old") {
        let (system, value) = (text(&identifier["system"]), text(&identifier["value"]).trim());
        if value.is_empty() {
            continue;
        }
        if let Some(form) = MemberId::of(system) {
            if !std::mem::replace(&mut has_insurance, true) {
                form.read(value, person);
            }
        } else if let Some(facility) = system.strip_prefix(FACILITY_PATIENT) {
            if facility_id.is_some() {
                continue;
            }
            let facility = facility.trim_start_matches('.');
            facility_id = Some(format!("{facility}:{value}"));
            person.set(Column::FacilityCode, facility, false);
            person.set(Column::ChartNumber, value, false);
        } else if other_id.is_empty()
            && system.starts_with("http://jpfhir.jp/fhir/")
            && system.contains("/JP_Hospital_PatientID")
        {
            other_id = value;
        }
    }
    // An id that names no facility says who it is only together with the person.
    let id = facility_id.unwrap_or_else(|| insurance_id(person, other_id));
    person.set(Column::RecordId, &id, false);
}

/// The names by representation or script, and by use. A former name counts as the current one only where there is no
/// other in any script: else the kanji of one name would stand beside the reading of another.
fn names(json: &Json) -> Names {
    let is_former = |name: &Json| matches!(text(&name["use"]), "old" | "maiden");
    let mut names = Names::default();
    for name in list(json).filter(|name| is_former(name)) {
        names.former(match text(&name["family"]).trim() {
            "" => Former::Whole(whole_name(name).as_str().into()),
            family => Former::Family(family.into()),
        });
    }
    let all_former = list(json).all(is_former);
    let has_official = list(json).any(|name| text(&name["use"]) == "official");
    for name in list(json).filter(|name| all_former || !is_former(name)) {
        let whole = Value::from(whole_name(name).as_str());
        let representation = list(&name["extension"]).find(|extension| extension["url"] == REPRESENTATION);
        // Older documents write the code as a string.
        let representation = representation.map(|extension| match text(&extension["valueCode"]) {
            "" => text(&extension["valueString"]),
            code => code,
        });
        let rank = match text(&name["use"]) {
            "official" => 4,
            "usual" => 3,
            "" => 2,
            _ => 1,
        };
        // Beside an official name the usual one may be another: 通称.
        let of = if has_official && rank == 3 { &mut names.common } else { &mut names.legal };
        match representation {
            Some("IDE") => of.ideographic(rank, whole),
            Some("SYL") => of.syllabic(rank, whole),
            Some("ABC") => of.latin(rank, whole),
            _ => of.by_script(rank, whole),
        }
    }
    names
}

/// Family and given names with a space between them, or the text where they are not told apart.
fn whole_name(name: &Json) -> String {
    let given: Vec<&str> = list(&name["given"]).map(text).filter(|part| !part.trim().is_empty()).collect();
    let family: String = text(&name["family"]).split_whitespace().collect();
    match (family.is_empty(), given.is_empty()) {
        (false, false) => format!("{family} {}", given.join(" ")),
        _ => match text(&name["text"]).trim() {
            "" => family + &given.join(" "),
            whole => whole.to_owned(),
        },
    }
}

/// The forms in which the number of an insured person is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MemberId {
    /// `insurer:symbol:number:branch`, all colons kept.
    Insurance,
    /// `payer::recipient:`.
    PublicPayer,
    /// `"insurer","symbol","number","branch"`.
    Quoted,
}

impl MemberId {
    /// The form that a system's URI stands for: of all its spellings in nine versions, some with a slash too few, some
    /// with a typing error, some with the insurer's number at the end.
    fn of(system: &str) -> Option<Self> {
        let rest = system.strip_prefix("http")?;
        let rest = rest.strip_prefix('s').unwrap_or(rest).strip_prefix(":/")?;
        let rest = rest.strip_prefix('/').unwrap_or(rest).strip_prefix("jpfhir.jp/fhir/")?;
        if rest == "core/IdSystem/JP_Coverage_id" {
            return Some(Self::Quoted);
        }
        let rest = ["ccs/", "clins/", "eCS/"].iter().find_map(|room| rest.strip_prefix(room))?;
        let rest = ["Idsysmem/", "Idsystem/"].iter().find_map(|word| rest.strip_prefix(word))?;
        let (form, rest) = match rest.strip_prefix("JP_Insurance_member") {
            Some(rest) => (Self::Insurance, rest),
            None => (Self::PublicPayer, rest.strip_prefix("JP_PublicPayer_member")?),
        };
        let rest = rest.strip_prefix("ID").unwrap_or(rest);
        let insurer = rest.strip_prefix('/').is_some_and(|n| n.len() == 8 && n.bytes().all(|b| b.is_ascii_digit()));
        (rest.is_empty() || insurer).then_some(form)
    }

    fn read(self, value: &str, person: &mut Person) {
        let separator = if self == Self::Quoted { ',' } else { ':' };
        let parts: Vec<&str> = value.split(separator).map(|part| part.trim().trim_matches('"')).collect();
        match parts[..] {
            [insurer, symbol, number, branch] => {
                person.set(Column::InsurerNumber, insurer, false);
                person.set(Column::InsuredSymbol, symbol, false);
                person.set(Column::InsuredNumber, number, false);
                person.set(Column::InsuredBranch, branch, false);
            }
            // Not the agreed form: as an insurer number it will break a rule, and so be counted.
            _ => person.set(Column::InsurerNumber, value, false),
        }
    }
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap_or_default()
}

/// The members of an array; a single value counts as an array of one.
fn list(json: &Json) -> impl Iterator<Item = &Json> {
    match json {
        Json::Array(members) => members.as_slice(),
        Json::Null => &[],
        single => std::slice::from_ref(single),
    }
    .iter()
}

#[cfg(test)]
mod tests;
