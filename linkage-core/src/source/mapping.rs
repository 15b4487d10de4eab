//! The mapping file: which column of an extract is which field of a linkage schema (docs/spec/mapping.md).
//!
//! A document of its own rather than options, because a person has to read and confirm it, and because the same one is
//! used again for the next extract.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::csv::{CsvLayout, CsvShape};
use super::{DateOrder, Encoding, Part, ValueShape};
use crate::error::MappingError;
use crate::schema::{FieldKind, LinkageSchema};

/// What the first line of a mapping must say.
pub const MAPPING_FORMAT: &str = "linkage-mapping/1";

/// A mapping that fits a linkage schema: every field of it is either mapped or said to be absent.
#[derive(Debug, Clone)]
pub struct Mapping {
    confirmed: bool,
    id_column: Option<String>,
    encoding: Encoding,
    /// What is not in `fields` is absent from the extract.
    fields: Vec<(String, Option<MappedColumn>)>,
    shape: CsvShape,
}

/// Where a field is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedColumn {
    /// The name of the column, or its position as a number from 1 where the file has no header.
    pub column: String,
    /// What is done to its values.
    pub shape: ValueShape,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: String,
    schema: String,
    confirmed: bool,
    #[serde(default = "utf8")]
    encoding: String,
    #[serde(default = "comma")]
    delimiter: String,
    #[serde(default = "yes")]
    header: bool,
    #[serde(default)]
    skip_rows: u32,
    #[serde(default)]
    missing: Vec<String>,
    id_column: Option<ColumnName>,
    #[serde(default)]
    fields: BTreeMap<String, FieldDocument>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldDocument {
    column: Option<ColumnName>,
    part: Option<PartName>,
    date: Option<DateName>,
    #[serde(default)]
    absent: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ColumnName {
    Position(u32),
    Name(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PartName {
    Whole,
    First,
    Rest,
}

#[derive(Deserialize)]
enum DateName {
    #[serde(rename = "year-first")]
    Year,
    #[serde(rename = "day-first")]
    Day,
    #[serde(rename = "month-first")]
    Month,
}

fn utf8() -> String {
    "utf-8".to_owned()
}

fn comma() -> String {
    ",".to_owned()
}

fn yes() -> bool {
    true
}

impl Mapping {
    /// Parses the text of a mapping file and checks it against the schema.
    ///
    /// # Errors
    /// [`MappingError`] when it is not TOML, has an unknown key, is for another schema, or leaves a field open.
    pub fn parse(text: &str, schema: &LinkageSchema) -> Result<Self, MappingError> {
        let document: Document = toml::from_str(text.trim_start_matches('\u{FEFF}')).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            MappingError::Toml { line: before.matches('\n').count() + 1, message: error.message().to_owned() }
        })?;
        if document.format != MAPPING_FORMAT {
            return Err(MappingError::Format);
        }
        if document.schema != schema.name() {
            return Err(MappingError::OtherSchema { mapping: document.schema, schema: schema.name().to_owned() });
        }
        let encoding = document.encoding.parse().map_err(|_| MappingError::Encoding)?;
        let delimiter = match document.delimiter.as_bytes() {
            // `|` can be the second byte of a character of CP932, so such a file could not be split.
            b"|" if encoding == Encoding::Cp932 => return Err(MappingError::Delimiter),
            [byte @ (b',' | b'\t' | b';' | b'|')] => *byte,
            _ => return Err(MappingError::Delimiter),
        };
        if let Some(mark) = document.missing.iter().find(|mark| !encodable(encoding, mark)) {
            return Err(MappingError::MissingMark { mark: mark.clone() });
        }
        let column = |what: &str, name: &ColumnName| column(document.header, what, name);
        let id_column = document.id_column.as_ref().map(|name| column("id_column", name)).transpose()?;
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name()).collect();
        if let Some(field) = document.fields.keys().find(|field| !names.contains(&field.as_str())) {
            return Err(MappingError::UnknownField { field: field.clone(), fields: names.join(", ") });
        }
        let mut fields = Vec::with_capacity(names.len());
        for field in schema.fields() {
            let name = field.name().to_owned();
            let stated = document.fields.get(&name).ok_or_else(|| MappingError::Open { field: name.clone() })?;
            let mapped = match (&stated.column, stated.absent) {
                (Some(from), false) => Some(MappedColumn { column: column(&name, from)?, shape: stated.shape() }),
                (None, true) if stated.part.is_none() && stated.date.is_none() => None,
                _ => return Err(MappingError::Open { field: name }),
            };
            if stated.date.is_some() && field.kind() != FieldKind::Date {
                return Err(MappingError::NoDate { field: name });
            }
            fields.push((name, mapped));
        }
        let shape = CsvShape {
            delimiter,
            header: document.header,
            skip_rows: u64::from(document.skip_rows),
            missing: document.missing,
            values: fields
                .iter()
                .filter_map(|(field, mapped)| Some((field.clone(), mapped.as_ref()?.shape)))
                .filter(|(_, shape)| *shape != ValueShape::default())
                .collect(),
        };
        Ok(Self { confirmed: document.confirmed, id_column, encoding, fields, shape })
    }

    /// Whether a person has said that the mapping is right.
    pub fn confirmed(&self) -> bool {
        self.confirmed
    }

    /// The column that identifies a row, when there is one.
    pub fn id_column(&self) -> Option<&str> {
        self.id_column.as_deref()
    }

    /// How the extract is encoded.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The fields of the schema, in its order, and where each is read from; `None` where the extract has no such column.
    pub fn fields(&self) -> &[(String, Option<MappedColumn>)] {
        &self.fields
    }

    /// Whether it says nothing that only a text file has: another delimiter or encoding, no header, rows to skip.
    pub fn is_of_named_columns(&self) -> bool {
        let plain = CsvShape::default();
        let shape = &self.shape;
        self.encoding == Encoding::Utf8
            && (shape.delimiter, shape.header, shape.skip_rows) == (plain.delimiter, plain.header, plain.skip_rows)
    }

    /// How a CSV file is laid out that this mapping describes.
    pub fn csv_layout(&self) -> CsvLayout {
        let from =
            |mapped: &Option<MappedColumn>| mapped.as_ref().map_or(String::new(), |mapped| mapped.column.clone());
        CsvLayout {
            encoding: self.encoding,
            fields: self.fields.iter().map(|(field, _)| field.clone()).collect(),
            map: self.fields.iter().map(|(field, mapped)| (field.clone(), from(mapped))).collect(),
            id_column: self.id_column.clone(),
        }
    }

    /// What sets that file apart from plain CSV.
    pub fn csv_shape(&self) -> &CsvShape {
        &self.shape
    }
}

impl FieldDocument {
    fn shape(&self) -> ValueShape {
        ValueShape {
            part: match self.part {
                None | Some(PartName::Whole) => Part::Whole,
                Some(PartName::First) => Part::First,
                Some(PartName::Rest) => Part::Rest,
            },
            date: match self.date {
                None | Some(DateName::Year) => DateOrder::YearFirst,
                Some(DateName::Day) => DateOrder::DayFirst,
                Some(DateName::Month) => DateOrder::MonthFirst,
            },
        }
    }
}

/// A file with a header has names, one without has positions: a number among names would be ambiguous.
fn column(header: bool, what: &str, name: &ColumnName) -> Result<String, MappingError> {
    match name {
        ColumnName::Name(name) if header && !name.trim().is_empty() => Ok(name.trim().to_owned()),
        ColumnName::Position(position @ 1..) if !header => Ok(position.to_string()),
        _ => Err(MappingError::Column { what: what.to_owned() }),
    }
}

fn encodable(encoding: Encoding, mark: &str) -> bool {
    !mark.trim().is_empty() && (encoding == Encoding::Utf8 || !encoding_rs::SHIFT_JIS.encode(mark).2)
}

#[cfg(test)]
mod tests;
