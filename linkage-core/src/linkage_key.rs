//! Linkage keys: the identifier of one person within one project.
//!
//! A key is a keyed hash, under the project's own secret, of the cluster's anchor: its smallest (database, record ref).
//! So a run that is repeated gives the same keys, and without both secrets nobody can tell that keys of two projects
//! belong to one person. In writing a key is 26 symbols of Crockford's base32 and his check symbol (modulus 37),
//! because people read keys aloud and type them.

use std::fmt;
use std::str::FromStr;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::error::LinkageKeyError;
use crate::types::{DatabaseId, RecordRef};

/// The 32 digits, then the five symbols that only a check symbol can be.
const SYMBOLS: &[u8; 37] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U";
const DIGITS: usize = 26;
const DOMAIN: &[u8] = b"linkage key v1";

/// The secret from which one project's linkage keys are made. The linkage unit holds it; it never leaves.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct ProjectSecret([u8; 32]);

impl ProjectSecret {
    /// Takes 32 bytes of the operating system's randomness, drawn once per project.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The project's key for the cluster whose smallest (database, record ref) this is.
    #[must_use]
    pub fn linkage_key(&self, database: &DatabaseId, anchor: &RecordRef) -> LinkageKey {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(DOMAIN);
        // The length goes first, so that no two (database, record ref) make one input.
        hasher.update(&(database.as_str().len() as u64).to_le_bytes());
        hasher.update(database.as_str().as_bytes());
        hasher.update(anchor.as_bytes());
        let mut key = [0; 16];
        hasher.finalize_xof().fill(&mut key);
        hasher.zeroize();
        LinkageKey(key)
    }
}

impl fmt::Debug for ProjectSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProjectSecret(..)")
    }
}

/// The identifier of one person within one project: 128 bits, meaningless elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkageKey([u8; 16]);

impl LinkageKey {
    /// Takes the 16 bytes of a key, most significant first.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes of the key, most significant first.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for LinkageKey {
    // A key names a person within a project, so it is no thing for a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkageKey(..)")
    }
}

/// 26 symbols, most significant first, then the check symbol: the key modulo 37.
impl fmt::Display for LinkageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = u128::from_be_bytes(self.0);
        let mut text = String::with_capacity(DIGITS + 1);
        for digit in (0..DIGITS).rev() {
            text.push(SYMBOLS[(number >> (5 * digit)) as usize & 31].into());
        }
        text.push(SYMBOLS[(number % 37) as usize].into());
        f.write_str(&text)
    }
}

/// Reads either case, passes over hyphens, and takes I and L for 1 and O for 0, as Crockford says.
impl FromStr for LinkageKey {
    type Err = LinkageKeyError;

    fn from_str(text: &str) -> Result<Self, LinkageKeyError> {
        let symbols: Vec<char> = text.chars().filter(|&c| c != '-').collect();
        let [digits @ .., check] = symbols.as_slice() else {
            return Err(LinkageKeyError::Length { symbols: 0 });
        };
        if digits.len() != DIGITS {
            return Err(LinkageKeyError::Length { symbols: symbols.len() });
        }
        let mut number: u128 = 0;
        for (position, &symbol) in digits.iter().enumerate() {
            let value =
                value(symbol).filter(|&value| value < 32).ok_or(LinkageKeyError::Symbol { position: position + 1 })?;
            if number >> 123 != 0 {
                return Err(LinkageKeyError::TooLarge);
            }
            number = number << 5 | u128::from(value);
        }
        match value(*check) {
            None => Err(LinkageKeyError::Symbol { position: DIGITS + 1 }),
            Some(value) if u128::from(value) != number % 37 => Err(LinkageKeyError::Check),
            Some(_) => Ok(Self(number.to_be_bytes())),
        }
    }
}

fn value(symbol: char) -> Option<u8> {
    let symbol = match symbol.to_ascii_uppercase() {
        'I' | 'L' => '1',
        'O' => '0',
        other => other,
    };
    SYMBOLS.iter().position(|&s| char::from(s) == symbol).map(|position| position as u8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret(byte: u8) -> ProjectSecret {
        ProjectSecret::from_bytes([byte; 32])
    }

    fn key(secret: &ProjectSecret, database: &str, record: u8) -> LinkageKey {
        secret.linkage_key(&database.parse().unwrap(), &RecordRef([record; 16]))
    }

    #[test]
    fn written_keys_match_the_vectors() {
        // Worked out apart from this code, from Crockford's table: the number in base 32, then the number modulo 37.
        let vectors: [(u128, &str); 6] = [
            (0, "000000000000000000000000000"),
            (1, "000000000000000000000000011"),
            (31, "0000000000000000000000000ZZ"),
            (32, "00000000000000000000000010*"),
            (36, "00000000000000000000000014U"),
            (u128::MAX, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ*"),
        ];
        for (number, text) in vectors {
            let written = LinkageKey(number.to_be_bytes()).to_string();
            assert_eq!(written, text);
            assert_eq!(written.parse::<LinkageKey>().unwrap().0, number.to_be_bytes());
        }
    }

    #[test]
    fn a_key_is_read_as_people_write_it() {
        let key = LinkageKey(0x0123_4567_89AB_CDEF_0123_4567_89AB_CDEFu128.to_be_bytes());
        let written = key.to_string();
        let grouped: Vec<&str> = written.as_bytes().chunks(5).map(|c| std::str::from_utf8(c).unwrap()).collect();
        for variant in [
            written.to_lowercase(),
            grouped.join("-"),
            written.replace('0', "o"),
            written.replace('1', "I"),
            written.replace('1', "l"),
        ] {
            assert_eq!(variant.parse::<LinkageKey>(), Ok(key));
        }
    }

    #[test]
    fn malformed_keys_are_refused_by_rule() {
        let good = LinkageKey([7; 16]).to_string();
        assert_eq!("".parse::<LinkageKey>(), Err(LinkageKeyError::Length { symbols: 0 }));
        assert_eq!(good[1..].parse::<LinkageKey>(), Err(LinkageKeyError::Length { symbols: 26 }));
        assert_eq!(format!("{good}0").parse::<LinkageKey>(), Err(LinkageKeyError::Length { symbols: 28 }));
        assert_eq!(format!("U{}", &good[1..]).parse::<LinkageKey>(), Err(LinkageKeyError::Symbol { position: 1 }));
        assert_eq!(format!("{}é", &good[..26]).parse::<LinkageKey>(), Err(LinkageKeyError::Symbol { position: 27 }));
        assert_eq!("80000000000000000000000000U".parse::<LinkageKey>(), Err(LinkageKeyError::TooLarge));
    }

    #[test]
    fn keys_of_two_projects_are_unlinkable() {
        // The same people in two projects: no key in common, and no bit of one key foretells the same bit of the other.
        let (first, second) = (secret(1), secret(2));
        let mut agreeing_bits = [0u32; 128];
        for record in 0u32..4096 {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&record.to_le_bytes());
            let (database, anchor) = ("ndb".parse().unwrap(), RecordRef(bytes));
            let (a, b) = (first.linkage_key(&database, &anchor), second.linkage_key(&database, &anchor));
            assert_ne!(a, b);
            let same = !(u128::from_be_bytes(a.0) ^ u128::from_be_bytes(b.0));
            for (bit, count) in agreeing_bits.iter_mut().enumerate() {
                *count += (same >> bit & 1) as u32;
            }
        }
        // 2048 expected, standard deviation 32; six of them either way.
        assert!(agreeing_bits.iter().all(|count| (1856..=2240).contains(count)));
    }

    #[test]
    fn a_key_is_stable_on_repetition_and_frozen() {
        assert_eq!(key(&secret(7), "ndb", 9), key(&secret(7), "ndb", 9));
        // Worked out with the Python package blake3, an independent implementation.
        assert_eq!(key(&secret(7), "ndb", 9).to_string(), "192E002FQ9M8MTBZGMASY54ANX4");
    }

    #[test]
    fn a_key_depends_on_the_database_and_on_the_record() {
        assert_ne!(key(&secret(7), "ndb", 9), key(&secret(7), "dpc", 9));
        assert_ne!(key(&secret(7), "ndb", 9), key(&secret(7), "ndb", 8));
    }

    #[test]
    fn debug_shows_neither_secret_nor_key() {
        assert_eq!(format!("{:?} {:?}", secret(1), key(&secret(1), "ndb", 1)), "ProjectSecret(..) LinkageKey(..)");
    }

    proptest! {
        #[test]
        fn every_key_reads_back(bytes: [u8; 16]) {
            let key = LinkageKey(bytes);
            prop_assert_eq!(key.to_string().parse::<LinkageKey>(), Ok(key));
        }

        #[test]
        fn every_single_wrong_symbol_is_caught(bytes: [u8; 16], position in 1usize..26, symbol in 0usize..32) {
            let written = LinkageKey(bytes).to_string();
            let mut wrong = written.clone().into_bytes();
            prop_assume!(wrong[position] != SYMBOLS[symbol]);
            wrong[position] = SYMBOLS[symbol];
            prop_assert_eq!(String::from_utf8(wrong).unwrap().parse::<LinkageKey>(), Err(LinkageKeyError::Check));
        }

        #[test]
        fn every_swap_of_neighbours_is_caught(bytes: [u8; 16], position in 1usize..25) {
            let mut swapped = LinkageKey(bytes).to_string().into_bytes();
            prop_assume!(swapped[position] != swapped[position + 1]);
            swapped.swap(position, position + 1);
            prop_assert_eq!(String::from_utf8(swapped).unwrap().parse::<LinkageKey>(), Err(LinkageKeyError::Check));
        }
    }
}
