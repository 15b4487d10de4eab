//! From a row of values to the CLK that clkhash makes of it.

use std::collections::HashMap;
use std::fmt;

use zeroize::Zeroize;

use super::error::ClkhashError;
use super::format::TextEncoding;
use super::hash::{Keys, keys};
use super::schema::{ClkhashSchema, Feature, Hashing};
use crate::types::KeyCheck;

/// The BLAKE3 derive_key context of the key check.
const KEY_CHECK_CONTEXT: &str = "linkage-engine 2026-11-22 clkhash secret key check";

/// Filters of values that a column remembers; names repeat, and hashing is what takes the time.
const REMEMBERED_VALUES: usize = 1 << 15;

/// Makes CLKs by one schema and one secret. One per thread: it remembers the filters of values.
pub struct ClkhashEncoder<'s> {
    schema: &'s ClkhashSchema,
    keys: Vec<Keys>,
    /// Filters before folding, by column and value.
    known: Vec<HashMap<String, Vec<u8>>>,
    texts: Vec<String>,
}

/// A value that clkhash would refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokenRule {
    /// Which column, from 0.
    pub column: usize,
    /// The rule, in words joined by hyphens.
    pub rule: &'static str,
}

impl<'s> ClkhashEncoder<'s> {
    /// An encoder; the secret is the text that the parties share, as bytes.
    ///
    /// # Errors
    /// [`ClkhashError`] when the secret is empty or the schema needs more keys than HKDF gives.
    pub fn new(schema: &'s ClkhashSchema, secret: &[u8]) -> Result<Self, ClkhashError> {
        if secret.is_empty() {
            return Err(ClkhashError::EmptySecret);
        }
        let keys = keys(secret, &schema.kdf, schema.features.len())?;
        let known = schema.features.iter().map(|_| HashMap::new()).collect();
        Ok(Self { schema, keys, known, texts: Vec::new() })
    }

    /// The public key-check value of a secret, so that parties can see that they use the same one.
    pub fn key_check(secret: &[u8]) -> KeyCheck {
        let hash = blake3::derive_key(KEY_CHECK_CONTEXT, secret);
        let mut check = [0; 8];
        check.copy_from_slice(&hash[..8]);
        KeyCheck::from_bytes(check)
    }

    /// The CLK of a row: as many bytes as the schema's length, bit 0 the highest of byte 0.
    ///
    /// # Errors
    /// [`BrokenRule`] for the first value that clkhash would refuse; it names the column and never the value.
    ///
    /// # Panics
    /// When the row does not have one value per column.
    pub fn encode<S: AsRef<str>>(&mut self, row: &[S]) -> Result<Vec<u8>, BrokenRule> {
        assert_eq!(row.len(), self.schema.features.len(), "a row has one value per column of the schema");
        let mut filter = vec![0u8; self.schema.bits.div_ceil(8) << self.schema.folds];
        for (column, value) in row.iter().enumerate() {
            let Feature { hashing: Some(hashing), .. } = &self.schema.features[column] else { continue };
            let value = value.as_ref();
            if !self.known[column].contains_key(value) {
                let added = hashing.filter(value, &self.keys[column], filter.len(), &mut self.texts);
                if self.known[column].len() >= REMEMBERED_VALUES {
                    forget(&mut self.known[column]);
                }
                let added = added.map_err(|rule| BrokenRule { column, rule })?;
                self.known[column].insert(value.to_owned(), added);
            }
            filter.iter_mut().zip(&self.known[column][value]).for_each(|(byte, more)| *byte |= more);
        }
        for _ in 0..self.schema.folds {
            let upper = filter.split_off(filter.len() / 2);
            filter.iter_mut().zip(upper).for_each(|(byte, folded)| *byte ^= folded);
        }
        Ok(filter)
    }
}

/// Keys wipe themselves; the filters come of them.
impl Drop for ClkhashEncoder<'_> {
    fn drop(&mut self) {
        self.known.iter_mut().for_each(forget);
    }
}

/// Empties what a column remembers, and wipes the filters.
fn forget(known: &mut HashMap<String, Vec<u8>>) {
    known.drain().for_each(|(_, mut filter)| filter.zeroize());
}

impl fmt::Debug for ClkhashEncoder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClkhashEncoder(..)")
    }
}

impl Hashing {
    /// The filter of one value, before folding.
    fn filter(&self, value: &str, keys: &Keys, bytes: usize, texts: &mut Vec<String>) -> Result<Vec<u8>, &'static str> {
        let value = match &self.missing {
            Some((sentinel, replacement)) if sentinel == value => replacement.into(),
            _ => self.format.canonical(value)?,
        };
        self.comparison.texts(&value, texts).map_err(|_| "not-a-number")?;
        let mut filter = vec![0; bytes];
        let mut encoded = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            self.encoding.encode(text, &mut encoded).ok_or("not-in-the-encoding")?;
            let count = self.strategy.positions(index, texts.len());
            self.hash.set(&encoded, keys, count, bytes * 8, &mut filter);
        }
        Ok(filter)
    }
}

impl TextEncoding {
    /// The bytes of a text as Python's `str.encode` makes them on a little-endian machine.
    fn encode(self, text: &str, bytes: &mut Vec<u8>) -> Option<()> {
        bytes.clear();
        match self {
            Self::Ascii if !text.is_ascii() => return None,
            Self::Ascii | Self::Utf8 => bytes.extend_from_slice(text.as_bytes()),
            Self::Utf16 => {
                bytes.extend_from_slice(&[0xff, 0xfe]);
                text.encode_utf16().for_each(|unit| bytes.extend_from_slice(&unit.to_le_bytes()));
            }
            Self::Utf32 => {
                bytes.extend_from_slice(&[0xff, 0xfe, 0, 0]);
                text.chars().for_each(|c| bytes.extend_from_slice(&u32::from(c).to_le_bytes()));
            }
        }
        Some(())
    }
}
