//! Names whose words stand in any order: of foreign residents, who have several given names and whose systems disagree on
//! what comes first.

use super::latin::SUFFIXES;
use super::{Outcome, Rule, WILDCARD, kana, latin, text};

/// A name in the alphabet: its words in upper case, in the order of their letters.
pub(super) fn normalise_latin(raw: &str, out: &mut String) -> Result<Outcome, Rule> {
    sorted(raw, out, latin::normalise, &SUFFIXES)
}

/// A name in kana: its words of form A, in the order of their syllables.
pub(super) fn normalise_kana(raw: &str, out: &mut String) -> Result<Outcome, Rule> {
    sorted(raw, out, kana::normalise, &[])
}

/// Normalises word by word. Without separators between them the sorted words are one word, so that a canonical text stays
/// as it is, and a source without spaces differs in few q-grams from one with them.
fn sorted(
    raw: &str,
    out: &mut String,
    normalise: fn(&str, &mut String) -> Result<Outcome, Rule>,
    suffixes: &[&str],
) -> Result<Outcome, Rule> {
    let mut folded = String::with_capacity(raw.len());
    text::for_each(raw, |c| folded.push(c));
    let (mut words, mut readable) = (Vec::new(), false);
    for part in folded.split(is_between_words) {
        let mut word = String::new();
        match normalise(part, &mut word) {
            Ok(Outcome::Missing) => {}
            // What cannot be read is a word all the same, as long as another one can be.
            Err(Rule::Unreadable) => words.push(WILDCARD.to_string()),
            Ok(_) => {
                readable = true;
                if words.is_empty() || !suffixes.contains(&word.as_str()) {
                    words.push(word);
                }
            }
            Err(rule) => return Err(rule),
        }
    }
    words.sort_unstable();
    out.extend(words);
    match (readable, out.is_empty()) {
        (true, _) => Ok(Outcome::Value),
        (false, true) => Ok(Outcome::Missing),
        (false, false) => Err(Rule::Unreadable),
    }
}

/// Spaces and what stands for them: ・ between the words of a foreign name, a hyphen within a double one. An apostrophe
/// belongs to its word.
fn is_between_words(c: char) -> bool {
    text::is_space(c) || (text::is_name_punctuation(c) && !matches!(c, '\'' | 'ʼ' | '’' | '‘' | '`'))
}
