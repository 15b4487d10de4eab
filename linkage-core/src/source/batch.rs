//! Rows on their way from a reader to the encoder.

use std::fmt;
use std::ops::Range;

use super::encoding::{Decoded, Encoding};

/// The bits that a row's newness takes at most, so that a sorter can keep it beside the row's number.
pub const NEWNESS_BITS: u32 = 29;

/// What a reader did with a name that did not stand where its script belongs, or that no field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum NameNote {
    /// Kana stood in place of kanji and went to the columns of kana.
    MovedToKana,
    /// The alphabet stood in place of kanji or kana and went to the columns of the alphabet.
    MovedToLatin,
    /// The columns to which a name went, or all that have a name, are of no field of the schema.
    WithoutField,
}

impl NameNote {
    /// Every note, in the order of declaration.
    pub const ALL: [Self; 3] = [Self::MovedToKana, Self::MovedToLatin, Self::WithoutField];

    /// The stable name of the note, in kebab-case.
    pub const fn code(self) -> &'static str {
        match self {
            Self::MovedToKana => "name-in-kana",
            Self::MovedToLatin => "name-in-latin",
            Self::WithoutField => "name-without-field",
        }
    }

    /// The note in words.
    pub const fn message(self) -> &'static str {
        match self {
            Self::MovedToKana => "kana in place of kanji, taken as the reading",
            Self::MovedToLatin => "the alphabet in place of kanji or kana, taken as the name in the alphabet",
            Self::WithoutField => "a name in a script for which the schema has no field",
        }
    }
}

/// Rows of raw values in one piece of memory, which is reused from batch to batch.
#[derive(Clone, Default)]
pub struct RawBatch {
    encoding: Encoding,
    /// Values per row; the record id, when there is one, stands before them.
    fields: usize,
    has_id: bool,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    rows: Vec<u64>,
    newness: Vec<u32>,
    /// Per row a bit for each [`NameNote`].
    notes: Vec<u8>,
    malformed: Vec<u64>,
    unnamed: Vec<u64>,
    /// What is added to row numbers: the rows of the files that were read before.
    rows_before: u64,
}

impl RawBatch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Empties the batch for rows of this shape.
    pub fn reset(&mut self, encoding: Encoding, fields: usize, has_id: bool) {
        self.encoding = encoding;
        self.fields = fields;
        self.has_id = has_id;
        self.bytes.clear();
        self.ends.clear();
        self.rows.clear();
        self.newness.clear();
        self.notes.clear();
        self.malformed.clear();
        self.unnamed.clear();
        self.rows_before = 0;
    }

    /// Says how many rows the files before this one had: the numbers of further rows run on from there.
    pub fn continue_after(&mut self, rows: u64) {
        self.rows_before = rows;
    }

    /// Adds a row: its number in the file, its id when the batch has ids, then one value per field.
    pub fn push<'a>(&mut self, row: u64, values: impl Iterator<Item = &'a [u8]>) {
        self.push_dated(row, 0, values);
    }

    /// Adds a row of which the source says how new it is: the greater, the newer, in at most [`NEWNESS_BITS`] bits; 0 when it
    /// is not known. Of the rows of one id the newest counts.
    pub fn push_dated<'a>(&mut self, row: u64, newness: u32, values: impl Iterator<Item = &'a [u8]>) {
        let before = self.ends.len();
        for value in values {
            self.bytes.extend_from_slice(value);
            self.ends.push(self.bytes.len());
        }
        assert_eq!(self.ends.len() - before, self.width(), "a row has one value per field");
        self.rows.push(self.rows_before + row);
        self.newness.push(newness);
        self.notes.push(0);
    }

    /// Notes something of the name in the last row.
    pub(super) fn note_name(&mut self, note: NameNote) {
        if let Some(notes) = self.notes.last_mut() {
            *notes |= 1 << note as u8;
        }
    }

    /// Notes a row that cannot be used, such as one with a wrong number of fields.
    pub fn push_malformed(&mut self, row: u64) {
        self.malformed.push(self.rows_before + row);
    }

    /// Notes a person of whom there are records without a name, and no name. The row counts over all files already.
    pub(super) fn push_unnamed(&mut self, row: u64) {
        self.unnamed.push(row);
    }

    /// The number of a row of the current file, counted over all files.
    pub(super) fn number(&self, row: u64) -> u64 {
        self.rows_before + row
    }

    /// The number of rows that can be used.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row that can be used.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The numbers of the rows that were left out.
    pub fn malformed_rows(&self) -> &[u64] {
        &self.malformed
    }

    /// The first rows of the people whose names were not found in the files that should have them.
    pub fn unnamed_rows(&self) -> &[u64] {
        &self.unnamed
    }

    /// One row.
    pub fn record(&self, index: usize) -> RawRecord<'_> {
        RawRecord { batch: self, index, text: None }
    }

    /// Some rows in the order of the file, whose values are decoded quicker than those of single ones: text is checked
    /// once for all of them.
    ///
    /// # Panics
    /// When there are not so many rows.
    pub fn records_in(&self, rows: Range<usize>) -> impl Iterator<Item = RawRecord<'_>> {
        let start = self.start(rows.start * self.width());
        let bytes = &self.bytes[start..self.start(rows.end * self.width())];
        let is_text = self.encoding == Encoding::Utf8 || bytes.is_ascii();
        let text = if is_text { std::str::from_utf8(bytes).ok() } else { None };
        let text = text.map(|text| (start, text));
        rows.map(move |index| RawRecord { batch: self, index, text })
    }

    /// The rows in the order of the file.
    pub fn records(&self) -> impl Iterator<Item = RawRecord<'_>> {
        (0..self.len()).map(|index| self.record(index))
    }

    /// Hashes everything in the batch, so that the same rows can be known again.
    pub fn hash_into(&self, hasher: &mut blake3::Hasher) {
        let mut numbers = Vec::with_capacity(8 * (self.ends.len() + 2 * self.rows.len() + self.malformed.len() + 4));
        let lengths = [self.bytes.len(), self.ends.len(), self.rows.len(), self.malformed.len()];
        for number in lengths.into_iter().chain(self.ends.iter().copied()) {
            numbers.extend_from_slice(&(number as u64).to_le_bytes());
        }
        let newness = self.newness.iter().map(|&newness| u64::from(newness));
        for number in self.rows.iter().copied().chain(newness).chain(self.malformed.iter().copied()) {
            numbers.extend_from_slice(&number.to_le_bytes());
        }
        hasher.update(&numbers).update(&self.bytes);
    }

    #[inline]
    fn width(&self) -> usize {
        self.fields + usize::from(self.has_id)
    }

    /// Where a value begins: at the end of the one before.
    #[inline]
    fn start(&self, at: usize) -> usize {
        if at == 0 { 0 } else { self.ends[at - 1] }
    }

    #[inline]
    fn value(&self, at: usize) -> &[u8] {
        &self.bytes[self.start(at)..self.ends[at]]
    }
}

/// Shows how much there is, never what.
impl fmt::Debug for RawBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawBatch").field("rows", &self.len()).field("malformed", &self.malformed.len()).finish()
    }
}

/// One row as it stands in the source.
#[derive(Clone, Copy)]
pub struct RawRecord<'a> {
    batch: &'a RawBatch,
    index: usize,
    /// The rows around this one as text, when they are text, and where that begins in the batch.
    text: Option<(usize, &'a str)>,
}

impl<'a> RawRecord<'a> {
    /// The number of the row in its file, where the header is row 1; it runs on from file to file.
    #[inline]
    pub fn row(&self) -> u64 {
        self.batch.rows[self.index]
    }

    /// How new the row is, in [`NEWNESS_BITS`] bits: the greater, the newer; 0 when the source does not say.
    #[inline]
    pub fn newness(&self) -> u32 {
        self.batch.newness[self.index]
    }

    /// What the reader noted of the name.
    pub fn name_notes(&self) -> impl Iterator<Item = NameNote> + use<> {
        let notes = self.batch.notes[self.index];
        NameNote::ALL.into_iter().filter(move |&note| notes >> note as u8 & 1 == 1)
    }

    /// The bytes of the record id, when the source has an id column.
    pub fn id(&self) -> Option<&'a [u8]> {
        self.batch.has_id.then(|| self.batch.value(self.index * self.batch.width()))
    }

    /// The record id as text, in `scratch` where it has to be decoded, when the source has an id column.
    #[inline]
    pub fn decoded_id(&self, scratch: &'a mut String) -> Option<Decoded<'a>> {
        self.batch.has_id.then(|| self.decode(self.index * self.batch.width(), scratch))
    }

    /// One field as text, in `scratch` where it has to be decoded.
    ///
    /// # Panics
    /// When the schema has no such field.
    #[inline]
    pub fn decoded_field(&self, field: usize, scratch: &'a mut String) -> Decoded<'a> {
        self.decode(self.place_of(field), scratch)
    }

    #[inline]
    fn decode(&self, at: usize, scratch: &'a mut String) -> Decoded<'a> {
        let Range { start, end } = self.batch.start(at)..self.batch.ends[at];
        // A value that begins or ends within a character is no text, though it is one together with its neighbours.
        match self.text.and_then(|(before, text)| text.get(start - before..end - before)) {
            Some(text) => Decoded { text, damaged: false },
            None => self.batch.encoding.decode(&self.batch.bytes[start..end], scratch),
        }
    }

    #[inline]
    fn place_of(&self, field: usize) -> usize {
        assert!(field < self.batch.fields, "the batch has {} fields", self.batch.fields);
        self.index * self.batch.width() + usize::from(self.batch.has_id) + field
    }

    /// The bytes of one field, counted as the schema counts them.
    ///
    /// # Panics
    /// When the schema has no such field.
    pub fn field(&self, field: usize) -> &'a [u8] {
        self.batch.value(self.place_of(field))
    }

    /// The encoding that was declared for the bytes.
    pub fn encoding(&self) -> Encoding {
        self.batch.encoding
    }
}

/// Shows which row it is, never what is in it.
impl fmt::Debug for RawRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawRecord").field("row", &self.row()).finish_non_exhaustive()
    }
}
