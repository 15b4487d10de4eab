//! Damage: every cut, flip and appendix is found, wherever it is, and nothing panics.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// The ends of a file of this length, place by place: there the seal, the header and the trailer are.
fn ends(length: usize) -> impl Iterator<Item = usize> {
    (0..length).filter(move |i| *i < 400 || length - i < 200)
}

/// A file of 5,000 rows in five batches.
static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| sealed(&rows(5000), 1000).0);

fn check_cut(place: usize) {
    let error = read(&FILE[..place]).unwrap_err();
    let fitting = matches!(error, TokenFileError::Truncated | TokenFileError::Damaged | TokenFileError::NotSealed);
    assert!(fitting, "{place}: {error:?}");
}

fn check_flip(place: usize, bit: usize) {
    let mut damaged = FILE.clone();
    damaged[place] ^= 1 << bit;
    assert!(read(&damaged).is_err(), "bit {bit} of {place}");
}

#[test]
fn a_cut_file_is_never_read_as_whole() {
    ends(FILE.len()).for_each(check_cut);
}

#[test]
fn a_flipped_bit_is_found_at_both_ends() {
    ends(FILE.len()).for_each(|place| check_flip(place, place % 8));
}

#[test]
fn bytes_put_in_left_out_or_appended_are_found() {
    let (file, _) = sealed(&rows(300), 100);
    for place in ends(file.len()).step_by(3) {
        let mut longer = file.clone();
        longer.insert(place, longer[place]);
        assert!(read(&longer).is_err(), "in: {place}");
        let mut shorter = file.clone();
        shorter.remove(place);
        assert!(read(&shorter).is_err(), "out: {place}");
    }
    for appendix in [&[0][..], &[0; 16], &[0; 100_000], &file] {
        let error = read(&[&file, appendix].concat()).unwrap_err();
        assert!(matches!(error, TokenFileError::Damaged), "{error:?}");
    }
}

/// A valid payload, to be broken inside its seal.
fn payload() -> Vec<u8> {
    let (file, _) = sealed(&rows(40), 20);
    let identity = unit();
    let identity: &dyn age::Identity = &identity;
    let mut out = Vec::new();
    let mut reader = age::Decryptor::new(&file[..]).unwrap().decrypt(std::iter::once(identity)).unwrap();
    std::io::Read::read_to_end(&mut reader, &mut out).unwrap();
    out
}

#[test]
fn a_cut_or_flip_that_an_insider_has_sealed_again_is_found_by_the_hash() {
    let payload = payload();
    let recipient = unit().to_public();
    for place in (0..payload.len()).filter(|place| *place < 700 || payload.len() - place < 200) {
        let cut = read(&seal(&payload[..place], &recipient)).unwrap_err();
        assert!(matches!(cut, TokenFileError::Truncated), "{place}: {cut:?}");
        let mut flipped = payload.clone();
        flipped[place] ^= 1 << (place % 8);
        assert!(read(&seal(&flipped, &recipient)).is_err(), "{place}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn a_cut_or_a_flipped_bit_is_found_wherever_it_is(place in any::<Index>(), bit in 0_usize..8) {
        check_cut(place.index(FILE.len()));
        check_flip(place.index(FILE.len()), bit);
    }

    #[test]
    fn bytes_put_in_or_left_out_are_found_wherever_it_is(place in any::<Index>(), piece in prop::collection::vec(any::<u8>(), 1..40)) {
        let place = place.index(FILE.len() - piece.len());
        let longer = [&FILE[..place], &piece, &FILE[place..]].concat();
        prop_assert!(read(&longer).is_err());
        let shorter = [&FILE[..place], &FILE[place + piece.len()..]].concat();
        prop_assert!(read(&shorter).is_err());
    }

    #[test]
    fn a_cut_or_flip_inside_the_seal_is_found_wherever_it_is(place in any::<Index>(), bit in 0_usize..8) {
        let (mut payload, recipient) = (payload(), unit().to_public());
        let place = place.index(payload.len());
        let cut = read(&seal(&payload[..place], &recipient)).unwrap_err();
        prop_assert!(matches!(cut, TokenFileError::Truncated), "{}: {:?}", place, cut);
        payload[place] ^= 1 << bit;
        prop_assert!(read(&seal(&payload, &recipient)).is_err());
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), keep in 0usize..1000) {
        prop_assert!(read(&bytes).is_err());
        prop_assert!(read(&seal(&bytes, &unit().to_public())).is_err());
        // A good beginning lets the noise get further.
        let payload = payload();
        let mixed = [&payload[..keep.min(payload.len())], &bytes].concat();
        let _ = read(&seal(&mixed, &unit().to_public()));
    }

    #[test]
    fn random_words_in_a_good_payload_never_panic(place in 0usize..3000, word in any::<[u8; 4]>(), size in 1usize..=4) {
        // Flips of whole words reach lengths and offsets of the Arrow messages.
        let mut payload = payload();
        let place = place % (payload.len() - 4);
        payload[place..place + size].copy_from_slice(&word[..size]);
        let _ = read(&seal(&payload, &unit().to_public()));
    }
}
