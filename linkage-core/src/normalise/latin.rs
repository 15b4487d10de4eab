//! Step 9: names, streets and places in Latin letters.

use unicode_normalization::char::{decompose_canonical, is_combining_mark};

use super::{Outcome, Rule, WILDCARD, text};

/// Generation suffixes: they come and go between sources.
pub(super) const SUFFIXES: [&str; 5] = ["JR", "SR", "II", "III", "IV"];

pub(super) fn normalise(raw: &str, out: &mut String) -> Result<Outcome, Rule> {
    // One word of plain letters and digits, as most are.
    if !raw.is_empty() && raw.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        out.push_str(raw);
        out.make_ascii_uppercase();
        return Ok(Outcome::Value);
    }
    let mut word = 0;
    let (mut readable, mut foreign) = (false, false);
    text::for_each(raw, |c| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' => {
            readable = true;
            out.push(c.to_ascii_uppercase());
        }
        ' ' | ',' => end_word(&mut word, out),
        ' '..='~' => {}
        WILDCARD => out.push(c),
        _ if text::is_space(c) => end_word(&mut word, out),
        _ if text::is_name_punctuation(c) || is_combining_mark(c) => {}
        _ if fold_letter(c, out) => readable = true,
        _ => foreign = true,
    });
    end_word(&mut word, out);
    match (foreign, readable, out.is_empty()) {
        (true, ..) => Err(Rule::NotLatin),
        (false, true, _) => Ok(Outcome::Value),
        (false, false, true) => Ok(Outcome::Missing),
        (false, false, false) => Err(Rule::Unreadable),
    }
}

/// Ends the word that began at `start`, and drops it again when it is a suffix and not all there is.
fn end_word(start: &mut usize, out: &mut String) {
    if *start > 0 && SUFFIXES.contains(&&out[*start..]) {
        out.truncate(*start);
    }
    *start = out.len();
}

/// Appends a letter without its diacritics, in upper case; false when it is no Latin letter.
pub(super) fn fold_letter(c: char, out: &mut String) -> bool {
    let before = out.len();
    let mut latin = true;
    for upper in c.to_uppercase() {
        decompose_canonical(upper, |part| match part {
            'A'..='Z' => out.push(part),
            'Æ' | 'Ǽ' => out.push_str("AE"),
            'Œ' => out.push_str("OE"),
            'Ø' => out.push('O'),
            'Ł' => out.push('L'),
            'Đ' | 'Ð' => out.push('D'),
            'Þ' => out.push_str("TH"),
            'ẞ' => out.push_str("SS"),
            'Ħ' => out.push('H'),
            _ if is_combining_mark(part) => {}
            _ => latin = false,
        });
    }
    if !latin {
        out.truncate(before);
    }
    latin
}
