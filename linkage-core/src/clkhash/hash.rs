//! clkhash's hash functions: keys by HKDF, positions by keyed BLAKE2b or by double hashing.

use blake2::Blake2bMac512;
use blake2::digest::FixedOutput as _;
use hmac::{Hmac, Mac};
use md5::Md5;
use serde::Deserialize;
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use zeroize::Zeroizing;

use super::error::ClkhashError;
use super::schema::Kdf;

/// Which hash draws positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlakeOrDouble {
    /// Keyed BLAKE2b: 32 positions per call, each independent.
    Blake,
    /// HMAC-SHA1 + i · HMAC-MD5 (Schnell 2011).
    Double {
        /// Whether a second hash that is a multiple of the length is drawn again.
        prevent_singularity: bool,
    },
}

/// How many positions each text of a value draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum Strategy {
    /// The same number for every text.
    #[serde(rename = "bitsPerToken")]
    PerText(usize),
    /// A number that the texts of a value share; the first ones get what is left over.
    #[serde(rename = "bitsPerFeature")]
    PerFeature(usize),
}

/// The two keys of one column.
pub(super) type Keys = [Zeroizing<Vec<u8>>; 2];

impl Strategy {
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let (Self::PerText(bits) | Self::PerFeature(bits)) = self;
        if (1..=65_536).contains(bits) { Ok(()) } else { Err("the strategy's bits must be from 1 to 65536") }
    }

    /// How many positions the text at `index` of `texts` draws.
    pub(super) fn positions(&self, index: usize, texts: usize) -> usize {
        match *self {
            Self::PerText(bits) => bits,
            Self::PerFeature(bits) => bits / texts + usize::from(index < bits % texts),
        }
    }
}

/// Derives two keys per column, ignored ones included.
pub(super) fn keys(secret: &[u8], kdf: &Kdf, columns: usize) -> Result<Vec<Keys>, ClkhashError> {
    let bytes = 2 * columns * kdf.key_bytes;
    let mut all = Zeroizing::new(vec![0; bytes]);
    let salt = kdf.salt.as_deref();
    let derived = if kdf.sha512 {
        hkdf::Hkdf::<Sha512>::new(salt, secret).expand(&kdf.info, &mut all)
    } else {
        hkdf::Hkdf::<Sha256>::new(salt, secret).expand(&kdf.info, &mut all)
    };
    derived.map_err(|_| ClkhashError::KeyLength { bytes })?;
    let mut keys = all.chunks_exact(kdf.key_bytes).map(|key| Zeroizing::new(key.to_vec()));
    let mut next = || keys.next().expect("two keys per column were derived");
    Ok((0..columns).map(|_| [next(), next()]).collect())
}

impl BlakeOrDouble {
    /// Sets `count` positions of a text in a filter of `bits` bits.
    pub(super) fn set(self, text: &[u8], keys: &Keys, count: usize, bits: usize, filter: &mut [u8]) {
        // Bit 0 is the highest of byte 0: the order of Python's bitarray.
        let mut set = |position: usize| filter[position / 8] |= 0x80 >> (position % 8);
        match self {
            Self::Blake => {
                for block in 0..count.div_ceil(32) {
                    let shorts = blake2b(&keys[0], block, text);
                    let left = count - block * 32;
                    shorts.chunks_exact(2).take(left).for_each(|short| {
                        set(usize::from(u16::from_le_bytes([short[0], short[1]])) % bits);
                    });
                }
            }
            Self::Double { prevent_singularity } => {
                let first = remainder(&hmac_sha1(&keys[0], text), bits);
                let mut step = remainder(&hmac_md5(&keys[1], &[text]), bits);
                if prevent_singularity {
                    for counter in 0u8..128 {
                        if step != 0 {
                            break;
                        }
                        step = remainder(&hmac_md5(&keys[1], &[text, &[counter]]), bits);
                    }
                }
                (0..count).for_each(|i| set((first + i * step) % bits));
            }
        }
    }
}

fn blake2b(key: &[u8], block: usize, text: &[u8]) -> [u8; 64] {
    let salt = block.to_string();
    let mac = Blake2bMac512::new_with_salt_and_personal(key, salt.as_bytes(), &[]);
    let mut mac = mac.expect("the key has 1 to 64 bytes, and the number of a block is shorter than a salt");
    Mac::update(&mut mac, text);
    mac.finalize_fixed().into()
}

fn hmac_sha1(key: &[u8], text: &[u8]) -> [u8; 20] {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes a key of any length");
    Mac::update(&mut mac, text);
    mac.finalize().into_bytes().into()
}

fn hmac_md5(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let mut mac = Hmac::<Md5>::new_from_slice(key).expect("HMAC takes a key of any length");
    parts.iter().for_each(|part| Mac::update(&mut mac, part));
    mac.finalize().into_bytes().into()
}

/// The remainder of a big-endian number.
fn remainder(number: &[u8], modulus: usize) -> usize {
    number.iter().fold(0, |rest, byte| (rest * 256 + usize::from(*byte)) % modulus)
}
