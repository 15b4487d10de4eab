//! Steps 2 to 5, common to every kind: the characters of a raw value, folded as far as all kinds agree.

use unicode_normalization::UnicodeNormalization;

use super::WILDCARD;

/// A combining voiced sound mark that NFKC could not compose with the kana before it.
pub(super) const VOICED_MARK: char = '\u{3099}';
/// A combining semi-voiced sound mark that NFKC could not compose with the kana before it.
pub(super) const SEMI_VOICED_MARK: char = '\u{309A}';

/// Passes the folded characters of `raw` to `each`.
///
/// Nearly all real values are made of characters that NFKC leaves alone or maps one to one (ASCII, full-width ASCII,
/// kana, unified kanji); only the rest pays for the general algorithm.
pub(super) fn for_each(raw: &str, mut each: impl FnMut(char)) {
    if raw.is_ascii() {
        for byte in raw.bytes().filter(|byte| !byte.is_ascii_control()) {
            each(wildcard(char::from(byte)));
        }
    } else if raw.chars().all(is_plain) {
        for c in raw.chars() {
            each(wildcard(narrow(c)));
        }
    } else {
        for c in raw.chars().filter(|&c| !is_stripped(c)).map(before_nfkc).nfkc() {
            each(wildcard(c));
        }
    }
}

/// Whether NFKC needs no look at the neighbours of `c`, and `narrow` does all that it would do.
///
/// Kana followed by a combining mark is not plain as a string: the mark itself is not in this set.
fn is_plain(c: char) -> bool {
    matches!(c,
        ' '..='~' | '\u{3000}' | '々' | '\u{3041}'..='\u{3096}' | '\u{309D}' | '\u{30A1}'..='\u{30FD}'
        | '\u{4E00}'..='\u{9FFF}' | '\u{FF01}'..='\u{FF5E}')
}

/// Full-width ASCII and the ideographic space, as NFKC maps them.
fn narrow(c: char) -> char {
    match c {
        '\u{3000}' => ' ',
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        _ => c,
    }
}

/// Characters without meaning of their own: variation selectors, joiners, direction marks, controls.
///
/// They go before NFKC and before the variant classes: 葛 with a selector must meet the table as 葛.
pub(super) fn is_stripped(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}' | '\u{00AD}')
}

/// What must be replaced before NFKC, which would turn the spacing sound marks into a space and a combining mark.
pub(super) fn before_nfkc(c: char) -> char {
    match c {
        '\u{301C}' => '\u{FF5E}',
        '\u{2212}' => '\u{FF0D}',
        '\u{309B}' => VOICED_MARK,
        '\u{309C}' => SEMI_VOICED_MARK,
        _ => c,
    }
}

/// Marks that people and converters write for a character they do not have.
fn wildcard(c: char) -> char {
    match c {
        '?' | '*' | '〇' | '〓' | '★' | '☆' | '\u{25A0}'..='\u{25FF}' | '\u{E000}'..='\u{F8FF}' | '\u{F0000}'.. => {
            WILDCARD
        }
        _ => c,
    }
}

/// Whether `c` is a space of any width.
pub(super) fn is_space(c: char) -> bool {
    c == ' ' || (!c.is_ascii() && c.is_whitespace())
}

/// The punctuation that step 8 removes from names. The long vowel mark ー is not among it.
pub(super) fn is_name_punctuation(c: char) -> bool {
    matches!(
        c,
        '・' | '･' | '·' | '•' | '.' | ',' | '、' | '。' | '\'' | 'ʼ' | '’' | '‘' | '`' | '-' | '=' | '゠' | '\u{2010}'
            ..='\u{2015}' | '\u{2500}'
    )
}
