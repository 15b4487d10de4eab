//! The keyed hash with extended output, by profile (docs/spec/encoding.md, §§4 and 7).

use blake3::{Hasher, OutputReader};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::schema::HashingProfile;
use crate::secret::Key;

/// Bytes per block of HMAC-SHA-256.
const HMAC_BLOCK: usize = 32;

/// A key, ready to hash with.
pub(super) enum KeyedHash {
    Blake3(Box<Hasher>),
    HmacSha256(Box<Hmac<Sha256>>),
}

/// The output for one message, as long as it is asked for.
pub(super) enum Stream<'a> {
    Blake3(OutputReader),
    /// The blocks HMAC(key, BE32(1) | message), HMAC(key, BE32(2) | message), …
    HmacSha256 {
        keyed: &'a Hmac<Sha256>,
        message: &'a [u8],
        counter: u32,
    },
}

impl KeyedHash {
    pub(super) fn new(profile: HashingProfile, key: &[u8; 32]) -> Self {
        match profile {
            HashingProfile::Blake3 => Self::Blake3(Box::new(Hasher::new_keyed(key))),
            HashingProfile::HmacSha256 => Self::HmacSha256(Box::new(hmac_of(key))),
        }
    }

    /// The output for a message.
    pub(super) fn stream<'a>(&'a self, message: &'a [u8]) -> Stream<'a> {
        match self {
            Self::Blake3(keyed) => Stream::Blake3(keyed.as_ref().clone().update(message).finalize_xof()),
            Self::HmacSha256(keyed) => Stream::HmacSha256 { keyed, message, counter: 0 },
        }
    }

    /// Another key, the first 32 bytes of the output for a message.
    pub(super) fn key(&self, message: &[u8]) -> Key {
        let mut key = Key::default();
        self.stream(message).fill(&mut key[..]);
        key
    }
}

impl Drop for KeyedHash {
    fn drop(&mut self) {
        match self {
            Self::Blake3(keyed) => zeroize::Zeroize::zeroize(keyed.as_mut()),
            // The crates of this version cannot wipe the state: overwriting it is the most that can be done.
            Self::HmacSha256(keyed) => **keyed = hmac_of(&[0; 32]),
        }
    }
}

impl Stream<'_> {
    /// The next bytes of the output: a multiple of 32, but for the last of them.
    pub(super) fn fill(&mut self, out: &mut [u8]) {
        match self {
            Self::Blake3(output) => output.fill(out),
            Self::HmacSha256 { keyed, message, counter } => {
                for chunk in out.chunks_mut(HMAC_BLOCK) {
                    *counter += 1;
                    let block = keyed.clone().chain_update(counter.to_be_bytes()).chain_update(*message).finalize();
                    chunk.copy_from_slice(&block.into_bytes()[..chunk.len()]);
                }
            }
        }
    }
}

/// The first 16 bytes of the output for a message.
pub(super) fn short_hash(profile: HashingProfile, key: &Key, message: &[u8]) -> [u8; 16] {
    let mut out = [0; 16];
    match profile {
        HashingProfile::Blake3 => out.copy_from_slice(&blake3::keyed_hash(key, message).as_bytes()[..16]),
        HashingProfile::HmacSha256 => KeyedHash::new(profile, key).stream(message).fill(&mut out),
    }
    out
}

fn hmac_of(key: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hmac_is_that_of_rfc_4231() {
        // Test case 6: a key longer than a block; test case 2: the shortest.
        for (key, data, expected) in [
            (vec![0xaa; 131], &b"Test Using Larger Than Block-Size Key - Hash Key First"[..], "60e431591ee0b67f"),
            (b"Jefe".to_vec(), &b"what do ya want for nothing?"[..], "5bdcc146bf60754e"),
        ] {
            let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap().chain_update(data).finalize().into_bytes();
            assert_eq!(mac[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>(), expected);
        }
    }

    #[test]
    fn the_output_does_not_depend_on_how_it_is_read() {
        for profile in [HashingProfile::Blake3, HashingProfile::HmacSha256] {
            let hash = KeyedHash::new(profile, &[7; 32]);
            let mut whole = [0; 200];
            hash.stream(b"message").fill(&mut whole);
            let mut stream = hash.stream(b"message");
            let mut parts = [0; 200];
            let (first, rest) = parts.split_at_mut(64);
            stream.fill(first);
            stream.fill(rest);
            assert_eq!(whole, parts);
            assert_eq!(hash.key(b"message")[..], whole[..32]);
            assert_eq!(short_hash(profile, &Key::new([7; 32]), b"message"), whole[..16]);
        }
    }

    #[test]
    fn counters_stand_before_the_message() {
        let hash = KeyedHash::new(HashingProfile::HmacSha256, &[7; 32]);
        let mut blocks = [0; 64];
        hash.stream(b"ab").fill(&mut blocks);
        for (counter, block) in [(1u8, &blocks[..32]), (2, &blocks[32..])] {
            let mac = hmac_of(&[7; 32]).chain_update([0, 0, 0, counter]).chain_update(b"ab").finalize();
            assert_eq!(mac.into_bytes()[..], *block);
        }
    }
}
