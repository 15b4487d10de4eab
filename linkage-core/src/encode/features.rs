//! From a normalised value to the set of messages that are hashed.
//!
//! A message starts with one byte that says what it is, so that no two features of a field share a message
//! (docs/spec/encoding.md, §3).

use crate::normalise::WILDCARD;
use crate::schema::Features;

/// A q-gram that counts wherever it stands.
const TAG_QGRAM: u8 = 0x01;
/// A q-gram at its place.
const TAG_POSITIONAL: u8 = 0x02;
/// Year, month and day of a date, and the date as a whole.
const TAG_YEAR: u8 = 0x10;
const TAG_MONTH: u8 = 0x11;
const TAG_DAY: u8 = 0x12;
const TAG_DATE: u8 = 0x13;

/// What stands for the outside of a text: no byte of UTF-8, so that no text can imitate it.
const PAD: u8 = 0xff;

/// One message: at most 21 bytes (tag, place, four characters), then zeros.
///
/// Kept as little-endian numbers, because messages are made and looked up far more often than they are hashed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Message {
    low: u128,
    high: u64,
    len: u8,
}

/// Up to four bytes to append to a message, the first one lowest.
#[derive(Clone, Copy)]
pub(super) struct Part {
    bytes: u32,
    len: u8,
}

impl Part {
    /// A character that cannot be read.
    const UNREADABLE: Self = Self { bytes: 0, len: 0 };
    const PAD: Self = Self { bytes: PAD as u32, len: 1 };

    /// The UTF-8 of a character.
    #[inline]
    fn of_char(c: char) -> Self {
        if c.is_ascii() {
            return Self { bytes: c.into(), len: 1 };
        }
        if c == WILDCARD {
            return Self::UNREADABLE;
        }
        let mut bytes = [0; 4];
        c.encode_utf8(&mut bytes);
        Self { bytes: u32::from_le_bytes(bytes), len: c.len_utf8() as u8 }
    }

    fn of_bytes(text: &[u8]) -> Self {
        Self { bytes: text.iter().rev().fold(0, |bytes, byte| bytes << 8 | u32::from(*byte)), len: text.len() as u8 }
    }
}

impl Message {
    /// The tagged message, with the place where the tag asks for one.
    #[inline]
    fn new(tag: u8, place: Option<u32>, parts: &[Part]) -> Self {
        let mut message = Self { low: tag.into(), high: 0, len: 1 };
        if let Some(place) = place {
            message.push(Part { bytes: place, len: 4 });
        }
        parts.iter().for_each(|part| message.push(*part));
        message
    }

    /// The same as [`Message::new`] with one part at its place.
    #[inline]
    fn placed(tag: u8, place: u32, part: Part) -> Self {
        let low = u128::from(u64::from(tag) | u64::from(place) << 8) | u128::from(part.bytes) << 40;
        Self { low, high: 0, len: 5 + part.len }
    }

    /// A plain character at its place, as single ones are hashed.
    pub(super) fn letter(place: usize, byte: u8) -> Self {
        Self::placed(TAG_POSITIONAL, place as u32, Part { bytes: byte.into(), len: 1 })
    }

    /// The same as [`Message::new`] with two parts and no place.
    #[inline]
    fn pair(tag: u8, first: Part, second: Part) -> Self {
        let start = u64::from(tag) | u64::from(first.bytes) << 8;
        let low = u128::from(start) | u128::from(second.bytes) << (8 + 8 * u32::from(first.len));
        Self { low, high: 0, len: 1 + first.len + second.len }
    }

    #[inline]
    fn push(&mut self, part: Part) {
        let at = u32::from(self.len) * 8;
        if let Some(at) = at.checked_sub(128) {
            self.high |= u64::from(part.bytes) << at;
        } else {
            self.low |= u128::from(part.bytes) << at;
            if at > 96 {
                self.high |= u64::from(part.bytes) >> (128 - at);
            }
        }
        self.len += part.len;
    }

    /// Passes the bytes to hash.
    pub(super) fn with_bytes<T>(&self, hash: impl FnOnce(&[u8]) -> T) -> T {
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(&self.low.to_le_bytes());
        bytes[16..].copy_from_slice(&self.high.to_le_bytes());
        hash(&bytes[..usize::from(self.len)])
    }

    /// The whole message and a number, for a quick table look-up.
    #[inline]
    pub(super) fn key(&self, number: u16) -> [u64; 3] {
        let high = self.high | u64::from(number) << 40 | u64::from(self.len) << 56;
        [self.low as u64, (self.low >> 64) as u64, high]
    }
}

/// Makes the sets of features of values, to compare values without any key.
#[derive(Default)]
pub(crate) struct FeatureSets {
    parts: Vec<Part>,
    messages: Vec<Message>,
}

impl FeatureSets {
    /// The different features of a value, each as a number that no other feature of the field has, rising.
    pub(crate) fn of(&mut self, features: Features, value: &str) -> Vec<[u64; 3]> {
        self.messages.clear();
        messages(features, value, &mut self.parts, &mut self.messages);
        let mut set: Vec<[u64; 3]> = self.messages.iter().map(|message| message.key(0)).collect();
        set.sort_unstable();
        set.dedup();
        set
    }
}

/// Appends the messages of a value in the order of the text; equal ones may come more than once.
pub(super) fn messages(features: Features, value: &str, parts: &mut Vec<Part>, out: &mut Vec<Message>) {
    match features {
        Features::QGrams { q, pad, positional } => qgrams(value, q, pad, positional, parts, out),
        Features::Calendar => {
            qgrams(value, 1, false, true, parts, out);
            calendar(value, out);
        }
    }
}

fn qgrams(value: &str, q: usize, pad: bool, positional: bool, parts: &mut Vec<Part>, out: &mut Vec<Message>) {
    if value.is_empty() {
        return;
    }
    match (q, pad, positional) {
        (1, _, true) => return letters(value, out),
        (2, true, false) => return bigrams(value, out),
        _ => {}
    }
    let pads = if pad { q - 1 } else { 0 };
    parts.clear();
    parts.extend(std::iter::repeat_n(Part::PAD, pads));
    parts.extend(value.chars().map(Part::of_char));
    parts.extend(std::iter::repeat_n(Part::PAD, pads));
    let tag = if positional { TAG_POSITIONAL } else { TAG_QGRAM };
    // A text shorter than q is its own only q-gram.
    for (place, qgram) in (0..).zip(parts.windows(q.min(parts.len()))) {
        if qgram.iter().all(|part| part.len > 0) {
            out.push(Message::new(tag, positional.then_some(place), qgram));
        }
    }
}

/// What [`qgrams`] makes of single characters at their places, as numbers and dates are hashed.
fn letters(value: &str, out: &mut Vec<Message>) {
    for (place, part) in (0..).zip(value.chars().map(Part::of_char)) {
        if part.len > 0 {
            out.push(Message::placed(TAG_POSITIONAL, place, part));
        }
    }
}

/// What [`qgrams`] makes of padded pairs of characters, as names are hashed.
fn bigrams(value: &str, out: &mut Vec<Message>) {
    let mut before = Part::PAD;
    for part in value.chars().map(Part::of_char).chain([Part::PAD]) {
        if before.len > 0 && part.len > 0 {
            out.push(Message::pair(TAG_QGRAM, before, part));
        }
        before = part;
    }
}

/// The parts of a date of eight digits; any other text has none.
fn calendar(value: &str, out: &mut Vec<Message>) {
    let digits = value.as_bytes();
    if digits.len() != 8 || !digits.iter().all(u8::is_ascii_digit) {
        return;
    }
    // A day above 12 is no month.
    let swaps = &digits[6..] <= b"12".as_slice();
    let [year, month, day] = [&digits[..4], &digits[4..6], &digits[6..]].map(Part::of_bytes);
    out.push(Message::new(TAG_YEAR, None, &[year]));
    out.push(Message::new(TAG_MONTH, None, &[month]));
    out.push(Message::new(TAG_DAY, None, &[day]));
    out.push(Message::new(TAG_DATE, None, &[year, month, day]));
    // Two records of which one has day and month swapped then share both whole dates.
    if swaps {
        out.push(Message::new(TAG_DATE, None, &[year, day, month]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(features: Features, value: &str) -> Vec<String> {
        let mut out = Vec::new();
        messages(features, value, &mut Vec::new(), &mut out);
        let text = |m: &Message| {
            let bytes = m.with_bytes(<[u8]>::to_vec);
            let tag = bytes[0];
            let (place, rest) = if tag == TAG_POSITIONAL {
                (format!("{}:", u32::from_le_bytes(bytes[1..5].try_into().unwrap())), &bytes[5..])
            } else {
                (String::new(), &bytes[1..])
            };
            let rest: String = rest
                .chunk_by(|a, b| *a != PAD && *b != PAD)
                .map(|part| std::str::from_utf8(part).unwrap_or("_"))
                .collect();
            format!("{tag:02x} {place}{rest}")
        };
        out.iter().map(text).collect()
    }

    #[test]
    fn q_grams_follow_q_padding_and_place() {
        let q = |q, pad, positional| Features::QGrams { q, pad, positional };
        let cases: [(Features, &str, &[&str]); 12] = [
            (q(2, true, false), "アイ", &["01 _ア", "01 アイ", "01 イ_"]),
            (q(2, true, false), "A", &["01 _A", "01 A_"]),
            (q(2, false, false), "A", &["01 A"]),
            (q(2, false, true), "ABA", &["02 0:AB", "02 1:BA"]),
            (q(3, true, false), "A", &["01 __A", "01 _A_", "01 A__"]),
            (q(1, false, true), "110", &["02 0:1", "02 1:1", "02 2:0"]),
            (q(1, false, false), "11", &["01 1", "01 1"]),
            (q(4, false, false), "𠮷𠮷𠮷𠮷", &["01 𠮷𠮷𠮷𠮷"]),
            (q(2, true, false), "", &[]),
            (q(2, true, false), "山\u{fffd}子", &["01 _山", "01 子_"]),
            (q(1, false, false), "\u{fffd}", &[]),
            (q(2, false, false), "\u{fffd}A\u{fffd}", &[]),
        ];
        for (features, value, expected) in cases {
            assert_eq!(all(features, value), expected, "{features:?} {value:?}");
        }
    }

    #[test]
    fn the_quick_ways_give_the_same_messages() {
        assert!(Message::letter(9, b'Z') == Message::new(TAG_POSITIONAL, Some(9), &[Part::of_char('Z')]));
        let text = "Aé日𠮷Z\u{fffd}9ア";
        let part = |c: char| Part::of_char(c);
        for first in text.chars().map(part).chain([Part::PAD]) {
            assert!(
                Message::placed(TAG_POSITIONAL, 70_000, first) == Message::new(TAG_POSITIONAL, Some(70_000), &[first])
            );
            for second in text.chars().map(part).chain([Part::PAD]) {
                assert!(Message::pair(TAG_QGRAM, first, second) == Message::new(TAG_QGRAM, None, &[first, second]));
            }
        }
    }

    #[test]
    fn dates_give_digits_by_place_parts_the_whole_and_the_swapped_whole() {
        let digits = |value: &str| value.chars().enumerate().map(|(i, c)| format!("02 {i}:{c}")).collect::<Vec<_>>();
        for (value, parts) in [
            ("19480405", vec!["10 1948", "11 04", "12 05", "13 19480405", "13 19480504"]),
            ("19481231", vec!["10 1948", "11 12", "12 31", "13 19481231"]),
            ("20000912", vec!["10 2000", "11 09", "12 12", "13 20000912", "13 20001209"]),
            ("1948", vec![]),
            ("1948-4-5", vec![]),
        ] {
            let expected: Vec<String> = digits(value).into_iter().chain(parts.into_iter().map(String::from)).collect();
            assert_eq!(all(Features::Calendar, value), expected);
        }
    }

    #[test]
    fn the_longest_message_fits() {
        let features = Features::QGrams { q: 4, pad: false, positional: true };
        let mut out = Vec::new();
        messages(features, "𠮷𠮷𠮷𠮷", &mut Vec::new(), &mut out);
        assert_eq!(out[0].with_bytes(<[u8]>::len), 21);
    }
}
