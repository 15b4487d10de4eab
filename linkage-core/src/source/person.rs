//! What the readers of person formats have in common: one row of named values per person, as if from a fixed header.

use unicode_normalization::UnicodeNormalization;

use super::names::{KANA, KANJI, LATIN};
use super::{NEWNESS_BITS, NameNote, RawBatch};
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
    /// How new the record is, as [`newness`] counts; 0 when the format does not say.
    pub(super) newness: u32,
    notes: Vec<NameNote>,
}

impl Person {
    pub(super) fn clear(&mut self) {
        self.newness = 0;
        self.notes.clear();
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

    /// Notes where a name went.
    pub(super) fn note(&mut self, note: NameNote) {
        self.notes.push(note);
    }

    /// Whether a name went to columns of which no field is, or every name did.
    fn has_name_without_field(&self, selection: &Selection) -> bool {
        let is_chosen = |column: &Column| selection.columns.contains(&Some(*column));
        let is_given = |column: &Column| !self.get(*column).trim().is_empty();
        let mut all = KANJI.iter().chain(&KANA).chain(&LATIN);
        // A schema without names has nothing to lose.
        if !all.clone().any(is_chosen) {
            return false;
        }
        let moved = self.notes.iter().any(|note| match note {
            NameNote::MovedToKana => !KANA.iter().any(is_chosen),
            NameNote::MovedToLatin => !LATIN.iter().any(is_chosen),
            NameNote::WithoutField => false,
        });
        moved || all.clone().any(is_given) && !all.any(|column| is_given(column) && is_chosen(column))
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
        self.notes.iter().for_each(|&note| batch.note_name(note));
        if self.has_name_without_field(selection) {
            batch.note_name(NameNote::WithoutField);
        }
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

/// How new a date of any form is, 0 when it is none.
pub(super) fn newness_of_date(date: &str) -> u32 {
    newness(&normalise(FieldKind::Date, date).ok().flatten().unwrap_or_default())
}

/// How new a point in time is: minutes since 1900, for comparison alone; 0 when it is none. It is written as HL7 and FHIR
/// write it, `YYYYMM[DD[HHMM[SS]]][±HHMM]` or `YYYY-MM[-DD[THH:MM[:SS]][Z|±HH:MM]]`, and counts from its beginning.
///
/// Of a time without an offset nobody knows where it was; such times are compared as they stand.
pub(super) fn newness(text: &str) -> u32 {
    let text = text.trim();
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date.replace('-', ""), time),
        None if text.as_bytes().get(4) == Some(&b'-') => (text.replace('-', ""), ""),
        None => text.split_at_checked(8).map_or((text.to_owned(), ""), |(date, time)| (date.to_owned(), time)),
    };
    let number = |text: &str, range| -> Option<u32> {
        let digits = text.get(range).filter(|digits: &&str| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        digits.parse().ok()
    };
    let (Some(year @ 1900..2400), Some(month @ 1..=12)) = (number(&date, 0..4), number(&date, 4..6)) else { return 0 };
    let day = number(&date, 6..8).filter(|day| (1..=31).contains(day)).unwrap_or(1);
    let minutes = |clock: &str| {
        let clock = clock.replace(':', "");
        let hours = number(&clock, 0..2).filter(|hours| *hours < 24);
        hours.map_or(0, |hours| hours * 60 + number(&clock, 2..4).filter(|minutes| *minutes < 60).unwrap_or(0))
    };
    let (clock, offset) = time.split_at(time.find(['+', '-']).unwrap_or(time.len()));
    let counted = 1 + (days(year, month, day) - days(1900, 1, 1)) * DAY_MINUTES + minutes(clock);
    match offset.split_at_checked(1) {
        Some(("+", offset)) => counted.saturating_sub(minutes(offset)).max(1),
        Some((_, offset)) => counted + minutes(offset),
        None => counted,
    }
}

const DAY_MINUTES: u32 = 24 * 60;

/// Days since 1 March of the year 0: with the leap day at its end, a year needs no table of its months.
const fn days(year: u32, month: u32, day: u32) -> u32 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1
}

/// What [`newness`] is less than, by half of what a row has room for: more than it says of any time.
pub(super) const NEVER: u32 = 1 << (NEWNESS_BITS - 1);

/// The month of a record's newness, 0 when there is none: for tests, which show it.
#[cfg(test)]
pub(super) fn month_of(newness_of_record: u32) -> u32 {
    let stamp = newness_of_record % NEVER;
    let months = (1900..2400).flat_map(|year| (1..=12).map(move |month| (year, month)));
    let begun = months.take_while(|(year, month)| newness(&format!("{year}{month:02}")) <= stamp);
    begun.last().map_or(0, |(_, month)| month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_in_time_are_told_apart_by_day_and_minute_wherever_they_were() {
        let ascending = [
            "",
            "1900-01-01",
            "19830304",
            "202402",
            "20240229",
            "202402292359",
            "2024-03",
            "20240301000100",
            "2024-03-01T00:02:59.999",
            "2024-03-01T09:03:00+09:00",
            "2024-03-01T00:04:00Z",
            "202403010005-0000",
            "2024-02-29T23:06:00-01:00",
            "2399-12-31T23:59:59-23:59",
        ];
        let counted = ascending.map(newness);
        assert!(counted.is_sorted_by(|earlier, later| earlier < later), "{counted:?}");
        assert!(counted.iter().all(|&count| count < NEVER));
        assert_eq!(newness("202403"), newness("20240301"));
        for none in
            ["x", "2024", "20241301", "18991231", "24000101", "２０２４0101", "２０２４年", "T", "2024-xx-01", "+0900"]
        {
            assert_eq!(newness(none), 0, "{none}");
        }
        for (text, expected) in [("20240301", 3), ("20231231", 12), ("", 0)] {
            assert_eq!(month_of(newness(text)), expected);
        }
        assert_eq!(newness_of_date("R6.3.1"), newness("20240301"));
    }
}
