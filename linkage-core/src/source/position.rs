//! Where the values of a file without agreed column names are: by number, or by what the first row calls them.

use csv::ByteRecord;

use super::Encoding;
use crate::error::SourceError;

/// Where one value is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Position {
    /// In the column of this number, from 1.
    At(usize),
    /// In the column of this name in the first row.
    Named(String),
    /// Nowhere.
    Absent,
}

/// Where each of a format's values is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Positions {
    names: &'static [&'static str],
    at: Vec<Position>,
}

impl Positions {
    /// Named values and the numbers of their columns; 0 is nowhere.
    pub(super) fn new(names: &'static [&'static str], columns: &[usize]) -> Self {
        let position = |&column: &usize| if column == 0 { Position::Absent } else { Position::At(column) };
        Self { names, at: columns.iter().map(position).collect() }
    }

    /// Changes one by a text such as `number=10`, `number=被保険者番号` or `number=none`.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn set(&mut self, text: &str) -> Result<(), SourceError> {
        let wrong = || SourceError::Position { names: self.names.join(", ") };
        let (name, column) = text.split_once('=').ok_or_else(wrong)?;
        let index = self.names.iter().position(|known| *known == name.trim()).ok_or_else(wrong)?;
        let column = column.trim();
        self.at[index] = match (column, column.parse()) {
            ("", _) => return Err(wrong()),
            ("none", _) => Position::Absent,
            (_, Ok(number @ 1..=9999)) => Position::At(number),
            _ if column.bytes().all(|byte| byte.is_ascii_digit()) => return Err(wrong()),
            _ => Position::Named(column.to_owned()),
        };
        Ok(())
    }

    /// Whether the first row must hold names.
    pub(super) fn need_names(&self) -> bool {
        self.at.iter().any(|position| matches!(position, Position::Named(_)))
    }

    /// The columns, from 0, with the first row of the file.
    pub(super) fn find(&self, first: &ByteRecord, encoding: Encoding) -> Result<Vec<Option<usize>>, SourceError> {
        let columns = self.at.iter().map(|position| match position {
            Position::Absent => Ok(None),
            Position::At(number) => Ok(Some(number - 1)),
            Position::Named(name) => {
                let mut scratch = String::new();
                // A byte order mark stands before the first name.
                let same = |cell: &[u8]| {
                    encoding.decode(cell, &mut scratch).text.trim_start_matches('\u{FEFF}').trim() == name
                };
                let at = first.iter().position(same);
                at.map(Some).ok_or_else(|| SourceError::NoSuchColumn { column: name.clone() })
            }
        });
        columns.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_a_number_a_name_or_nothing() {
        let mut positions = Positions::new(&["number", "name"], &[10, 0]);
        let first = ByteRecord::from(vec!["\u{FEFF}氏名", "番号"]);
        assert_eq!(positions.find(&first, Encoding::Utf8).unwrap(), [Some(9), None]);
        positions.set("number=番号").unwrap();
        positions.set("name = 氏名 ").unwrap();
        assert!(positions.need_names());
        assert_eq!(positions.find(&first, Encoding::Utf8).unwrap(), [Some(1), Some(0)]);
        positions.set("name=none").unwrap();
        positions.set("number=2").unwrap();
        assert_eq!(positions.find(&first, Encoding::Utf8).unwrap(), [Some(1), None]);
        positions.set("number=被保険者").unwrap();
        assert!(positions.find(&first, Encoding::Utf8).unwrap_err().to_string().contains("`被保険者`"));
        for bad in ["", "number", "number=", "number=0", "number=10000", "suburb=3"] {
            assert!(positions.set(bad).unwrap_err().to_string().contains("number, name"), "{bad}");
        }
    }
}
