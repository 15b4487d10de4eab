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

/// One message: at most 21 bytes (tag, place, four characters), zeros, and its length in the last byte.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Message {
    bytes: [u8; 24],
}

impl Message {
    const EMPTY: Self = Self { bytes: [0; 24] };

    /// The tagged message, with the place where the tag asks for one.
    fn new(tag: u8, place: Option<u32>, parts: &[&[u8]]) -> Self {
        let mut message = Self::EMPTY;
        message.push(&[tag]);
        if let Some(place) = place {
            message.push(&place.to_le_bytes());
        }
        for part in parts {
            message.push(part);
        }
        message
    }

    #[inline]
    fn push(&mut self, part: &[u8]) {
        let len = self.len();
        self.bytes[len..len + part.len()].copy_from_slice(part);
        self.bytes[23] += part.len() as u8;
    }

    fn len(&self) -> usize {
        usize::from(self.bytes[23])
    }

    /// The bytes to hash.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len()]
    }

    /// The whole message as three words, for a quick table look-up.
    pub(super) fn as_words(&self) -> [u64; 3] {
        let (words, _) = self.bytes.as_chunks::<8>();
        [u64::from_le_bytes(words[0]), u64::from_le_bytes(words[1]), u64::from_le_bytes(words[2])]
    }
}

/// Appends the messages of a value in the order of the text; equal ones may come more than once.
pub(super) fn messages(features: Features, value: &str, chars: &mut Vec<char>, out: &mut Vec<Message>) {
    chars.clear();
    chars.extend(value.chars());
    match features {
        Features::QGrams { q, pad, positional } => qgrams(chars, q, pad, positional, out),
        Features::Calendar => {
            qgrams(chars, 1, false, true, out);
            calendar(value, out);
        }
    }
}

fn qgrams(chars: &[char], q: usize, pad: bool, positional: bool, out: &mut Vec<Message>) {
    if chars.is_empty() {
        return;
    }
    let pads = if pad { q - 1 } else { 0 };
    // A text shorter than q is its own only q-gram.
    let q = q.min(chars.len() + 2 * pads);
    for start in 0..=chars.len() + 2 * pads - q {
        let place = positional.then_some(start as u32);
        let mut message = Message::new(if positional { TAG_POSITIONAL } else { TAG_QGRAM }, place, &[]);
        let mut readable = true;
        for index in start..start + q {
            match index.checked_sub(pads).and_then(|index| chars.get(index)) {
                Some(&WILDCARD) => readable = false,
                Some(c) => message.push(c.encode_utf8(&mut [0; 4]).as_bytes()),
                None => message.push(&[PAD]),
            }
        }
        if readable {
            out.push(message);
        }
    }
}

/// The parts of a date of eight digits; any other text has none.
fn calendar(value: &str, out: &mut Vec<Message>) {
    let digits = value.as_bytes();
    if digits.len() != 8 || !digits.iter().all(u8::is_ascii_digit) {
        return;
    }
    let (year, month, day) = (&digits[..4], &digits[4..6], &digits[6..]);
    out.push(Message::new(TAG_YEAR, None, &[year]));
    out.push(Message::new(TAG_MONTH, None, &[month]));
    out.push(Message::new(TAG_DAY, None, &[day]));
    out.push(Message::new(TAG_DATE, None, &[year, month, day]));
    // Two records of which one has day and month swapped then share both whole dates. A day above 12 is no month.
    if day <= b"12".as_slice() {
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
            let tag = m.as_bytes()[0];
            let (place, rest) = if tag == TAG_POSITIONAL {
                (format!("{}:", u32::from_le_bytes(m.as_bytes()[1..5].try_into().unwrap())), &m.as_bytes()[5..])
            } else {
                (String::new(), &m.as_bytes()[1..])
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
        assert_eq!(out[0].as_bytes().len(), 21);
    }
}
