//! Small types that every room shares: names of databases, handles of records, public fingerprints.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::TypeError;

/// The name of a database: a lower-case letter, then 1 to 31 lower-case letters, digits or underscores.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatabaseId(String);

impl DatabaseId {
    /// Parses a database name.
    ///
    /// # Errors
    /// [`TypeError::DatabaseId`] when the text does not match `[a-z][a-z0-9_]{1,31}`.
    pub fn parse(text: &str) -> Result<Self, TypeError> {
        let first_is_letter = text.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
        let rest_is_plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if first_is_letter && rest_is_plain && (2..=32).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(TypeError::DatabaseId)
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DatabaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A record ref: the opaque handle that a custodian gives to one of its rows.
///
/// It is a keyed PRF output that the custodian alone can map back; Debug hides it, so that it reaches no log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordRef(pub [u8; 16]);

impl RecordRef {
    /// The 16 bytes of the handle.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The handle as 32 lower-case hex digits, for crosswalk files only.
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// Reads the handle from 32 hex digits.
    ///
    /// # Errors
    /// [`TypeError::Hex`] when the text is anything else.
    pub fn from_hex(text: &str) -> Result<Self, TypeError> {
        unhex(text).map(Self)
    }
}

impl fmt::Debug for RecordRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordRef(..)")
    }
}

/// The identity of a linkage schema: BLAKE3 of its canonical form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaDigest([u8; 32]);

/// The public key-check value of a linkage secret: equal for equal secrets, and useless for finding one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyCheck([u8; 8]);

/// Implements what public fixed-size fingerprints have in common: bytes, hex text and serde as hex.
macro_rules! fingerprint {
    ($name:ident, $bytes:literal) => {
        impl $name {
            /// Wraps bytes that were computed or received elsewhere.
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// The bytes of the fingerprint.
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = TypeError;

            fn from_str(text: &str) -> Result<Self, TypeError> {
                unhex(text).map(Self)
            }
        }

        impl_serde_as_text!($name);
    };
}

/// Serde through Display and FromStr, so that the checks of the parser also hold for JSON.
macro_rules! impl_serde_as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

fingerprint!(SchemaDigest, 32);
fingerprint!(KeyCheck, 8);
impl_serde_as_text!(DatabaseId);

impl FromStr for DatabaseId {
    type Err = TypeError;

    fn from_str(text: &str) -> Result<Self, TypeError> {
        Self::parse(text)
    }
}

/// Lower-case hex of some bytes.
fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Reads exactly `2 * N` lower-case hex digits: one text per value, so that texts compare like values.
fn unhex<const N: usize>(text: &str) -> Result<[u8; N], TypeError> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let text = text.as_bytes();
    if text.len() != 2 * N {
        return Err(TypeError::Hex { digits: 2 * N });
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else {
            return Err(TypeError::Hex { digits: 2 * N });
        };
        *byte = high << 4 | low;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_names_are_short_lower_case_words() {
        for good in ["ndb", "dpc", "a1", "jisedai_2", &format!("a{}", "b".repeat(31))] {
            assert_eq!(DatabaseId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "n", "Ndb", "1db", "_db", "n-db", "n db", "日本", "ndb\n", &format!("a{}", "b".repeat(32))] {
            assert!(DatabaseId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn hex_round_trips_and_refuses_every_other_spelling() {
        let digest = SchemaDigest::from_bytes([0xa5; 32]);
        assert_eq!(digest.to_string().parse::<SchemaDigest>().unwrap(), digest);
        assert_eq!(RecordRef::from_hex(&RecordRef([7; 16]).to_hex()).unwrap(), RecordRef([7; 16]));
        for bad in ["", "0123", "0123456789ABCDEF", "0123456789abcdeg", "0123456789abcdef0", "０１２３"] {
            assert!(bad.parse::<KeyCheck>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_record_ref_never_shows_in_debug_output() {
        assert_eq!(format!("{:?}", RecordRef([0x41; 16])), "RecordRef(..)");
    }
}
