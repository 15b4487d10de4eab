//! How a column's values become those of a field: a part of a name, a date with the day first, a mark for "missing".
//!
//! All of it works on bytes that are not decoded yet, so that decoding stays part of the parallel work.

use super::{CsvLayout, CsvShape, Encoding};

/// Which part of a column's value a field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Part {
    /// All of it.
    #[default]
    Whole,
    /// What stands before the first space: the family name of a full name, or all of a name without a space.
    First,
    /// What stands after the first space: the given name.
    Rest,
}

/// In which order a column writes its dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DateOrder {
    /// Any form that normalisation takes: year first, or by era.
    #[default]
    YearFirst,
    /// Day, month, year: 04/03/1983 is the fourth of March.
    DayFirst,
    /// Month, day, year: 04/03/1983 is the third of April.
    MonthFirst,
}

/// What is done to each value of a column before it is the value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ValueShape {
    /// The part that counts.
    pub part: Part,
    /// The order of a date.
    pub date: DateOrder,
}

/// A value after its shape: a piece of the original, or a date written anew.
pub(super) enum Shaped<'a> {
    Piece(&'a [u8]),
    Date([u8; 10]),
}

impl AsRef<[u8]> for Shaped<'_> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Piece(piece) => piece,
            Self::Date(date) => date,
        }
    }
}

impl ValueShape {
    /// The shaped value. What has not the expected form stays as it is, for normalisation to judge.
    pub(super) fn apply(self, encoding: Encoding, value: &[u8]) -> Shaped<'_> {
        let value = match self.part {
            Part::Whole => value,
            Part::First => split(encoding, value).0,
            Part::Rest => split(encoding, value).1,
        };
        match year_first(self.date, value) {
            Some(date) => Shaped::Date(date),
            None => Shaped::Piece(value),
        }
    }
}

/// What a mapping does to the values of every row.
pub(super) struct Shaping {
    encoding: Encoding,
    shapes: Vec<ValueShape>,
    missing: Vec<Vec<u8>>,
}

impl Shaping {
    /// What is to be done; `None` when all values are taken as they are, which is quicker.
    pub(super) fn new(layout: &CsvLayout, shape: &CsvShape) -> Option<Self> {
        let of = |field: &String| {
            shape.values.iter().find(|(named, _)| named == field).map_or(ValueShape::default(), |(_, shape)| *shape)
        };
        let plain = shape.values.is_empty() && shape.missing.is_empty();
        (!plain).then(|| Self {
            encoding: layout.encoding,
            shapes: layout.fields.iter().map(of).collect(),
            missing: shape.missing.iter().map(|mark| layout.encoding.encode(mark.trim())).collect(),
        })
    }

    /// The values of a row, in the order of the fields.
    pub(super) fn apply<'a>(&self, values: impl Iterator<Item = &'a [u8]>) -> Vec<Shaped<'a>> {
        let is_missing = |value: &[u8]| self.missing.iter().any(|mark| mark == value.trim_ascii());
        let shaped = values.zip(&self.shapes).map(|(value, shape)| match value {
            value if is_missing(value) => Shaped::Piece(&[]),
            value => shape.apply(self.encoding, value),
        });
        shaped.collect()
    }
}

/// Splits a name at its first space of any width; the second part is empty when there is none.
fn split(encoding: Encoding, name: &[u8]) -> (&[u8], &[u8]) {
    let name = trim(encoding, name);
    let mut at = 0;
    while at < name.len() {
        match space(encoding, &name[at..]) {
            0 => at += step(encoding, &name[at..]),
            width => return (&name[..at], trim(encoding, &name[at + width..])),
        }
    }
    (name, &[])
}

/// Takes the spaces off both ends. At the end an ideographic space is seen only when a whole character begins there.
fn trim(encoding: Encoding, mut text: &[u8]) -> &[u8] {
    while let width @ 1.. = space(encoding, text) {
        text = &text[width..];
    }
    let (mut at, mut end) = (0, 0);
    while at < text.len() {
        let width = space(encoding, &text[at..]);
        at += width.max(step(encoding, &text[at..]));
        if width == 0 {
            end = at;
        }
    }
    &text[..end.min(text.len())]
}

/// How many bytes a space at the front takes; 0 when there is none. A space is what Unicode calls one, as it is where names
/// are split that have been decoded.
fn space(encoding: Encoding, text: &[u8]) -> usize {
    match text {
        [first, ..] if first.is_ascii() => usize::from(char::from(*first).is_whitespace()),
        [0x81, 0x40, ..] if encoding == Encoding::Cp932 => 2,
        // All of Unicode's other spaces have two or three bytes in UTF-8, and begin with one of these.
        [0xC2 | 0xE1..=0xE3, ..] if encoding == Encoding::Utf8 => (2..=3)
            .filter_map(|width| std::str::from_utf8(text.get(..width)?).ok())
            .find(|text| text.chars().all(char::is_whitespace))
            .map_or(0, str::len),
        _ => 0,
    }
}

/// How many bytes to go on so as not to land inside a character of two bytes.
fn step(encoding: Encoding, text: &[u8]) -> usize {
    match (encoding, text) {
        (Encoding::Cp932, [0x81..=0x9F | 0xE0..=0xFC, _, ..]) => 2,
        _ => 1,
    }
}

/// A date with the year last, rewritten as YYYY-MM-DD; `None` when the value has not that form.
fn year_first(order: DateOrder, value: &[u8]) -> Option<[u8; 10]> {
    if order == DateOrder::YearFirst {
        return None;
    }
    let value = value.trim_ascii();
    let parts: [&[u8]; 3] = if value.len() == 8 && value.iter().all(u8::is_ascii_digit) {
        [&value[..2], &value[2..4], &value[4..]]
    } else {
        let mut parts = value.split(|byte| matches!(byte, b'/' | b'-' | b'.' | b' '));
        let three = [parts.next()?, parts.next()?, parts.next()?];
        parts.next().is_none().then_some(three)?
    };
    let lengths_fit = matches!(parts.map(<[u8]>::len), [1..=2, 1..=2, 4]);
    if !lengths_fit || !parts.iter().all(|part| part.iter().all(u8::is_ascii_digit)) {
        return None;
    }
    let (day, month) = if order == DateOrder::DayFirst { (parts[0], parts[1]) } else { (parts[1], parts[0]) };
    let mut date = *b"0000-00-00";
    date[..4].copy_from_slice(parts[2]);
    date[7 - month.len()..7].copy_from_slice(month);
    date[10 - day.len()..].copy_from_slice(day);
    Some(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shaped(part: Part, date: DateOrder, encoding: Encoding, text: &str) -> String {
        let bytes = match encoding {
            Encoding::Utf8 => text.as_bytes().to_vec(),
            Encoding::Cp932 => encoding_rs::SHIFT_JIS.encode(text).0.into_owned(),
        };
        let shaped = ValueShape { part, date }.apply(encoding, &bytes).as_ref().to_vec();
        encoding.decode(&shaped, &mut String::new()).text.to_owned()
    }

    #[test]
    fn a_full_name_is_split_at_its_first_space_in_either_encoding() {
        for encoding in [Encoding::Utf8, Encoding::Cp932] {
            for (name, first, rest) in [
                ("佐藤　花子", "佐藤", "花子"),
                ("　佐藤 花子 ", "佐藤", "花子"),
                ("ソ十能　表", "ソ十能", "表"),
                ("ｻﾄｳ ﾊﾅｺ", "ｻﾄｳ", "ﾊﾅｺ"),
                ("SMITH ANNA MARIA", "SMITH", "ANNA MARIA"),
                ("佐藤花子", "佐藤花子", ""),
                ("　", "", ""),
                ("", "", ""),
            ] {
                assert_eq!(shaped(Part::First, DateOrder::YearFirst, encoding, name), first, "{name}");
                assert_eq!(shaped(Part::Rest, DateOrder::YearFirst, encoding, name), rest, "{name}");
                assert_eq!(shaped(Part::Whole, DateOrder::YearFirst, encoding, name), name, "{name}");
            }
        }
    }

    #[test]
    fn every_space_of_unicode_ends_a_family_name() {
        let spaces: Vec<char> = ('\0'..=char::MAX).filter(|c| c.is_whitespace()).collect();
        assert!(spaces.len() > 20 && spaces.contains(&'\u{A0}') && spaces.contains(&'\u{2003}'));
        for space in spaces {
            let name = format!("{space}佐藤{space}花{space}子{space}");
            let (first, rest) = ("佐藤".to_owned(), format!("花{space}子"));
            assert_eq!(shaped(Part::First, DateOrder::YearFirst, Encoding::Utf8, &name), first, "{space:?}");
            assert_eq!(shaped(Part::Rest, DateOrder::YearFirst, Encoding::Utf8, &name), rest, "{space:?}");
        }
        // Letters that begin with the same bytes, and a character that is cut off, are no spaces.
        for name in ["é\u{2019}、\u{1681}", "\u{FFFD}"] {
            assert_eq!(shaped(Part::First, DateOrder::YearFirst, Encoding::Utf8, name), name);
        }
        assert_eq!(split(Encoding::Utf8, b"A\xE3\x80"), (&b"A\xE3\x80"[..], &b""[..]));
    }

    #[test]
    fn a_date_with_the_year_last_is_turned_round_and_any_other_text_is_left_alone() {
        for (text, day_first, month_first) in [
            ("04/03/1983", "1983-03-04", "1983-04-03"),
            ("4.3.1983", "1983-03-04", "1983-04-03"),
            (" 04031983 ", "1983-03-04", "1983-04-03"),
            ("1983-03-04", "1983-03-04", "1983-03-04"),
            ("S58.3.4", "S58.3.4", "S58.3.4"),
            ("4/3/83", "4/3/83", "4/3/83"),
            ("04/03/1983/1", "04/03/1983/1", "04/03/1983/1"),
        ] {
            assert_eq!(shaped(Part::Whole, DateOrder::DayFirst, Encoding::Utf8, text), day_first);
            assert_eq!(shaped(Part::Whole, DateOrder::MonthFirst, Encoding::Cp932, text), month_first);
        }
    }
}
