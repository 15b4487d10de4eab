//! What the readers of person formats have in common: one row of named values per person, as if from a fixed header.

use unicode_normalization::UnicodeNormalization;

use super::RawBatch;
use crate::error::SourceError;
use crate::normalise::{Rule, normalise};
use crate::schema::FieldKind;

/// Which values of a person format go into which fields of a schema.
#[derive(Debug, Clone, Default)]
pub struct PersonLayout {
    /// The fields of the schema, in its order. A field is read from the column of the same name …
    pub fields: Vec<String>,
    /// … unless a pair (field, column) says otherwise; an empty column name leaves the field missing in every row.
    pub map: Vec<(String, String)>,
    /// The column that identifies a row within its database; without it, `record_id`.
    pub id_column: Option<String>,
}

/// The columns that person formats can have. Not every format carries every one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    RecordId,
    FamilyKana,
    GivenKana,
    NameKana,
    FamilyKanji,
    GivenKanji,
    NameKanji,
    FamilyLatin,
    GivenLatin,
    NameLatin,
    FormerFamilyKana,
    FormerFamilyKanji,
    AliasKana,
    AliasKanji,
    BirthDate,
    Sex,
    PostalCode,
    InsurerNumber,
    InsuredSymbol,
    InsuredNumber,
    InsuredBranch,
    CareInsurerNumber,
    CareInsuredNumber,
    FacilityCode,
    ChartNumber,
}

impl Column {
    pub(super) const ALL: [Self; 25] = [
        Self::RecordId,
        Self::FamilyKana,
        Self::GivenKana,
        Self::NameKana,
        Self::FamilyKanji,
        Self::GivenKanji,
        Self::NameKanji,
        Self::FamilyLatin,
        Self::GivenLatin,
        Self::NameLatin,
        Self::FormerFamilyKana,
        Self::FormerFamilyKanji,
        Self::AliasKana,
        Self::AliasKanji,
        Self::BirthDate,
        Self::Sex,
        Self::PostalCode,
        Self::InsurerNumber,
        Self::InsuredSymbol,
        Self::InsuredNumber,
        Self::InsuredBranch,
        Self::CareInsurerNumber,
        Self::CareInsuredNumber,
        Self::FacilityCode,
        Self::ChartNumber,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::RecordId => "record_id",
            Self::FamilyKana => "family_kana",
            Self::GivenKana => "given_kana",
            Self::NameKana => "name_kana",
            Self::FamilyKanji => "family_kanji",
            Self::GivenKanji => "given_kanji",
            Self::NameKanji => "name_kanji",
            Self::FamilyLatin => "family_latin",
            Self::GivenLatin => "given_latin",
            Self::NameLatin => "name_latin",
            // 旧姓: of the family name before a marriage a format may know too.
            Self::FormerFamilyKana => "former_family_kana",
            Self::FormerFamilyKanji => "former_family_kanji",
            // 通称: the name that a foreign resident uses beside the legal one, as a whole.
            Self::AliasKana => "alias_kana",
            Self::AliasKanji => "alias_kanji",
            Self::BirthDate => "birth_date",
            Self::Sex => "sex",
            Self::PostalCode => "postal_code",
            Self::InsurerNumber => "insurer_number",
            Self::InsuredSymbol => "insured_symbol",
            Self::InsuredNumber => "insured_number",
            Self::InsuredBranch => "insured_branch",
            // Long-term care numbers its people apart from health insurance, so its numbers have columns of their own.
            Self::CareInsurerNumber => "care_insurer_number",
            Self::CareInsuredNumber => "care_insured_number",
            // A patient's number means something within its facility alone, so neither goes without the other.
            Self::FacilityCode => "facility_code",
            Self::ChartNumber => "chart_number",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.name() == name)
    }
}

/// The columns that were chosen.
#[derive(Debug, Clone)]
pub(super) struct Selection {
    id: Column,
    columns: Vec<Option<Column>>,
}

impl Selection {
    /// Finds the column of each field.
    ///
    /// A field of a known name that the format does not carry is missing in every row: nobody can map it, and nobody
    /// should have to say so. A field of any other name must be mapped.
    pub(super) fn find(layout: &PersonLayout) -> Result<Self, SourceError> {
        check_map(&layout.fields, &layout.map)?;
        let id = match layout.id_column.as_deref() {
            None => Column::RecordId,
            Some(name) => Column::parse(name)
                .ok_or_else(|| SourceError::MissingIdColumn { column: name.to_owned(), header: describe() })?,
        };
        let columns = layout.fields.iter().map(|field| {
            match layout.map.iter().find(|(mapped, _)| mapped == field).map_or(field.as_str(), |(_, column)| column) {
                "" => Ok(None),
                name => match Column::parse(name) {
                    Some(column) => Ok(Some(column)),
                    None => Err(SourceError::MissingColumn {
                        field: field.clone(),
                        column: name.to_owned(),
                        header: describe(),
                    }),
                },
            }
        });
        let columns: Vec<Option<Column>> = columns.collect::<Result<_, _>>()?;
        // A caller that asks for no field wants the record ids alone.
        if !columns.is_empty() && columns.iter().all(Option::is_none) {
            return Err(SourceError::NoFields);
        }
        Ok(Self { id, columns })
    }

    pub(super) fn fields(&self) -> usize {
        self.columns.len()
    }
}

fn describe() -> String {
    let names: Vec<String> = Column::ALL.iter().map(|column| format!("`{}`", column.name())).collect();
    format!("the format has {}", names.join(", "))
}

/// Refuses a mapping that names a field twice, or one that the schema does not have.
pub(super) fn check_map(fields: &[String], map: &[(String, String)]) -> Result<(), SourceError> {
    for (at, (field, _)) in map.iter().enumerate() {
        if !fields.contains(field) {
            return Err(SourceError::UnknownField { field: field.clone(), fields: fields.join(", ") });
        }
        if map[..at].iter().any(|(earlier, _)| earlier == field) {
            return Err(SourceError::FieldTwice { field: field.clone() });
        }
    }
    Ok(())
}

/// A value, and whether some of its bytes could not be decoded.
#[derive(Debug, Clone, Default)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) damaged: bool,
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), damaged: false }
    }
}

/// The values of one person. Its memory is used again for the next.
#[derive(Default)]
pub(super) struct Person {
    values: [Value; Column::ALL.len()],
    /// How new the record is, in whole months; 0 when the format does not say.
    pub(super) newness: u32,
}

impl Person {
    pub(super) fn clear(&mut self) {
        self.newness = 0;
        for value in &mut self.values {
            value.text.clear();
            value.damaged = false;
        }
    }

    pub(super) fn get(&self, column: Column) -> &str {
        &self.values[column as usize].text
    }

    pub(super) fn set(&mut self, column: Column, text: &str, damaged: bool) {
        let value = &mut self.values[column as usize];
        value.text.clear();
        value.text.push_str(text);
        value.damaged = damaged;
    }

    /// Adds the chosen values to a batch.
    pub(super) fn push(&self, row: u64, selection: &Selection, batch: &mut RawBatch) {
        let value = |column: Column| {
            let value = &self.values[column as usize];
            match value.damaged {
                // A byte that is not UTF-8 stands for each that could not be decoded, so that the damage is still
                // counted where the values are decoded.
                true => replace_undecodable(&value.text),
                false => value.text.clone().into_bytes(),
            }
        };
        let id = value(selection.id);
        let fields: Vec<Vec<u8>> =
            selection.columns.iter().map(|column| column.map(value).unwrap_or_default()).collect();
        batch.push_dated(row, self.newness, std::iter::once(&id).chain(&fields).map(Vec::as_slice));
    }
}

fn replace_undecodable(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for (at, part) in text.split('\u{FFFD}').enumerate() {
        if at > 0 {
            bytes.push(0xFF);
        }
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

/// What identifies a person whom no number of a chart does: the insurance with birth date, sex and name. Two of a family
/// may share the insurance, and twins the birth date. Values are normalised, so that their width does not matter.
///
/// Empty without birth date or name.
pub(super) fn insurance_id(person: &Person, facility: &str) -> String {
    let value = |column: Column, kind: FieldKind| {
        let raw = person.get(column);
        normalise(kind, raw).ok().flatten().unwrap_or_default()
    };
    let birth_date = match normalise(FieldKind::Date, person.get(Column::BirthDate)) {
        // Of some people only the year or the month is known: all the same it tells them from others.
        Err(Rule::PartialDate) => person.get(Column::BirthDate).nfkc().filter(|c| !c.is_whitespace()).collect(),
        date => date.ok().flatten().unwrap_or_default(),
    };
    let name = match (person.get(Column::NameKanji), person.get(Column::NameKana)) {
        ("", "") => value(Column::NameLatin, FieldKind::Latin),
        ("", _) => value(Column::NameKana, FieldKind::Kana),
        _ => value(Column::NameKanji, FieldKind::Kanji),
    };
    if birth_date.is_empty() || name.is_empty() {
        return String::new();
    }
    let insurance = [
        (Column::InsurerNumber, FieldKind::InsurerNumber),
        (Column::InsuredSymbol, FieldKind::InsuredSymbol),
        (Column::InsuredNumber, FieldKind::InsuredNumber),
        (Column::InsuredBranch, FieldKind::InsuredBranch),
        (Column::Sex, FieldKind::Sex),
    ];
    let insurance = insurance.map(|(column, kind)| value(column, kind)).join(":");
    format!("{facility}::{insurance}:{birth_date}:{name}")
}

/// A date of any form as a count of months, 0 when it is none.
pub(super) fn months(date: &str) -> u32 {
    let date = normalise(FieldKind::Date, date).ok().flatten().unwrap_or_default();
    let number = |range| date.get(range).and_then(|digits: &str| digits.parse::<u32>().ok()).unwrap_or(0);
    number(0..4) * 12 + number(4..6)
}
