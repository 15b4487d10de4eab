//! The people whom records without names are about, so that the records with the names can be chosen by them.
//!
//! Claims of long-term care and the discharge summaries of DPC carry no name; a second file does. The nameless side is
//! read first and only its keys are kept, so memory grows with the people in it and not with their claims or with the
//! register: about 130 bytes a person.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::RawBatch;
use crate::error::SourceError;
use crate::normalise::normalise;
use crate::schema::FieldKind;

/// The most people that are kept: with 130 bytes each, 5 GB.
const MAX_PEOPLE: usize = 40_000_000;

/// The people that were found in records without names. Clones are the same roster.
#[derive(Clone, Default)]
pub struct Roster {
    people: Arc<Mutex<HashMap<u128, Known>>>,
}

/// What is kept of a person.
#[derive(Clone, Copy)]
struct Known {
    /// Where the person was first met.
    row: u64,
    named: bool,
    detail: Detail,
}

/// What a record without a name can add to the one with the name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Detail {
    pub(super) birth_date: Brief,
    pub(super) sex: Brief,
    pub(super) postal_code: Brief,
    /// How new this is.
    pub(super) newness: u32,
}

/// A value of at most twelve bytes, which a person's memory has room for; nothing when it is missing.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Brief([u8; 12]);

impl Brief {
    /// What normalisation makes of a value. One that is invalid is kept as it is, or as a question mark when it is longer, so that
    /// it is found again and counted when the row that it is added to is normalised.
    pub(super) fn new(kind: FieldKind, raw: &str) -> Self {
        let text = match normalise(kind, raw) {
            Ok(value) => value.unwrap_or_default(),
            Err(_) => raw.trim().to_owned(),
        };
        let mut brief = Self::default();
        let bytes = if text.len() <= brief.0.len() { text.as_bytes() } else { b"?" };
        brief.0[..bytes.len()].copy_from_slice(bytes);
        brief
    }

    pub(super) fn as_str(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        str::from_utf8(&self.0[..end]).unwrap_or_default()
    }
}

/// Shows nothing of the value.
impl std::fmt::Debug for Brief {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Brief(..)")
    }
}

impl Roster {
    /// Adds a person, or newer knowledge of one. `row` counts over all files.
    pub(super) fn add(&self, parts: [&str; 2], row: u64, detail: Detail) -> Result<(), SourceError> {
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        let full = people.len() >= MAX_PEOPLE;
        let key = key(parts);
        match people.get_mut(&key) {
            Some(known) if detail.newness > known.detail.newness => known.detail = detail,
            Some(_) => {}
            None if full => return Err(SourceError::TooManyPeople { most: MAX_PEOPLE }),
            None => {
                people.insert(key, Known { row, named: false, detail });
            }
        }
        Ok(())
    }

    /// What is known of a person who has been found with a name; none when the person is not among them.
    pub(super) fn find(&self, parts: [&str; 2]) -> Option<Detail> {
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        people.get_mut(&key(parts)).map(|known| {
            known.named = true;
            known.detail
        })
    }

    /// Whether nobody has been added.
    pub(super) fn is_empty(&self) -> bool {
        self.people.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Lists in the batch the rows of the people whom no record with a name was found for, and forgets everybody.
    pub fn finish(&self, batch: &mut RawBatch) {
        let people = std::mem::take(&mut *self.people.lock().unwrap_or_else(PoisonError::into_inner));
        let mut rows: Vec<u64> = people.into_values().filter(|known| !known.named).map(|known| known.row).collect();
        rows.sort_unstable();
        rows.into_iter().for_each(|row| batch.push_unnamed(row));
    }
}

/// Shows nothing of the people.
impl std::fmt::Debug for Roster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Roster(..)")
    }
}

/// 128 bits of a hash: two of forty million people have the same with a probability of 10⁻²⁴.
fn key(parts: [&str; 2]) -> u128 {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    u128::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_detail_counts_and_the_first_row_of_the_unnamed_is_listed() {
        let roster = Roster::default();
        let detail = |newness: u32| {
            let postal_code = Brief::new(FieldKind::PostalCode, &format!("10000{newness:02}"));
            Detail { newness, postal_code, ..Detail::default() }
        };
        for (parts, row, newness) in
            [(["1", "23"], 4, 7), (["1", "23"], 5, 9), (["1", "23"], 6, 8), (["12", "3"], 7, 0)]
        {
            roster.add(parts, row, detail(newness)).unwrap();
        }
        roster.add(["9", "9"], 2, detail(0)).unwrap();
        assert_eq!(roster.clone().find(["1", "23"]), Some(detail(9)));
        assert_eq!(roster.find(["123", ""]), None);
        let mut batch = RawBatch::new();
        roster.finish(&mut batch);
        assert_eq!(batch.unnamed_rows(), [2, 7]);
    }
}
