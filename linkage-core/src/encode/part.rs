//! Parts of values: what blocking keys and salts take (docs/spec/encoding.md, §6.2).

use std::borrow::Cow;

use crate::harden::Take;
use crate::normalise::WILDCARD;

/// Characters of a phonetic part.
const PHONETIC_CHARS: usize = 4;

/// The part of a normalised value; `None` when there is none, or a character of it cannot be read.
pub(super) fn take(take: Take, value: &str) -> Option<Cow<'_, str>> {
    let part = match take {
        Take::Whole => Cow::Borrowed(value),
        Take::Prefix(count) => {
            let end = value.char_indices().nth(count).map_or(value.len(), |(at, _)| at);
            Cow::Borrowed(&value[..end])
        }
        Take::Year if value.len() == 8 && value.bytes().all(|b| b.is_ascii_digit()) => Cow::Borrowed(&value[..4]),
        Take::Year => return None,
        Take::Phonetic => Cow::Owned(phonetic(value)),
    };
    (!part.is_empty() && !part.contains(WILDCARD)).then_some(part)
}

/// The first morae of a name without what sources and ears confuse: sound marks and long vowels.
///
/// Normalised kana have no small letters any more. A vowel that lengthens the one before it goes (オオノ and オノ, ユウコ
/// and ユコ, ケイコ and ケーコ), and voiced sounds become plain ones (ナカシマ and ナカジマ).
fn phonetic(value: &str) -> String {
    let mut out = String::new();
    let (mut last_row, mut count) = (None, 0);
    for c in value.chars() {
        let plain = unvoiced(c);
        let lengthens = matches!(
            (c, last_row),
            ('ー', _)
                | ('ア', Some('ア'))
                | ('イ', Some('イ' | 'エ'))
                | ('ウ', Some('ウ' | 'オ'))
                | ('エ', Some('エ'))
                | ('オ', Some('オ'))
        );
        if lengthens {
            continue;
        }
        if count == PHONETIC_CHARS {
            break;
        }
        out.push(plain);
        last_row = vowel(plain);
        count += 1;
    }
    out
}

/// The syllable without its voiced or half-voiced mark.
fn unvoiced(c: char) -> char {
    const VOICED: &str = "ガギグゲゴザジズゼゾダヂヅデドバビブベボパピプペポ";
    const PLAIN: &str = "カキクケコサシスセソタチツテトハヒフヘホハヒフヘホ";
    VOICED.chars().zip(PLAIN.chars()).find(|(voiced, _)| *voiced == c).map_or(c, |(_, plain)| plain)
}

/// The vowel that a plain syllable ends in.
fn vowel(c: char) -> Option<char> {
    const ROWS: [(char, &str); 5] = [
        ('ア', "アカサタナハマヤラワ"),
        ('イ', "イキシチニヒミリ"),
        ('ウ', "ウクスツヌフムユル"),
        ('エ', "エケセテネヘメレ"),
        ('オ', "オコソトノホモヨロ"),
    ];
    ROWS.iter().find(|(_, row)| row.contains(c)).map(|(vowel, _)| *vowel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_sound_alike_have_one_phonetic_part() {
        for (names, expected) in [
            (&["ワタナベ", "ワタナへ", "ワタナペ"][..2], "ワタナヘ"),
            (&["オオノ", "オノ", "オーノ"], "オノ"),
            (&["ユウコ", "ユーコ", "ユコ", "ユウゴ"], "ユコ"),
            (&["ケイコ", "ケーコ", "ゲイコ"], "ケコ"),
            (&["ナカジマ", "ナカシマ"], "ナカシマ"),
            (&["ハセガワ", "ハセカワ"], "ハセカワ"),
            (&["サトウ", "サトー", "サドウ", "サト"], "サト"),
            (&["カワイイ", "カワイ"], "カワイ"),
            (&["アオオ"], "アオ"),
        ] {
            for name in names {
                let name = name.replace('へ', "ヘ");
                assert_eq!(take(Take::Phonetic, &name).unwrap(), expected, "{name}");
            }
        }
        assert_eq!(take(Take::Phonetic, "シンノスケタロウ").unwrap(), "シンノス");
        assert_eq!(take(Take::Phonetic, "ワ\u{fffd}ナベ"), None);
        assert_eq!(take(Take::Phonetic, "ワタナベ\u{fffd}").unwrap(), "ワタナヘ");
    }

    #[test]
    fn prefixes_and_years_are_cut_at_characters() {
        for (how, value, expected) in [
            (Take::Whole, "渡辺", Some("渡辺")),
            (Take::Prefix(1), "渡辺", Some("渡")),
            (Take::Prefix(3), "渡辺", Some("渡辺")),
            (Take::Prefix(3), "1000001", Some("100")),
            (Take::Year, "19480405", Some("1948")),
            (Take::Year, "1948", None),
            (Take::Year, "", None),
            (Take::Whole, "", None),
            (Take::Whole, "渡\u{fffd}", None),
            (Take::Prefix(1), "渡\u{fffd}", Some("渡")),
        ] {
            assert_eq!(take(how, value).as_deref(), expected, "{how} of {value:?}");
        }
    }
}
