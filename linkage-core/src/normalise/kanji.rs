//! Steps 6, 7, 8 and 10 for names in kanji.

use super::kana::{self, Fold};
use super::{Outcome, Rule, WILDCARD, text, variants};

pub(super) fn normalise(raw: &str, out: &mut String) -> Result<Outcome, Rule> {
    let mut fold = Fold::default();
    let (mut kanji, mut other) = (0_u32, false);
    text::for_each(raw, |c| match c {
        '々' | '〻' => {
            if let Some(last) = fold.last() {
                fold.push_other(last, out);
            }
        }
        WILDCARD => fold.push_other(c, out),
        _ => {
            let representative = variants::representative(c);
            if is_kanji(representative) {
                kanji += 1;
                fold.push_other(representative, out);
            } else if fold.push(c, out) || !kana::is_dropped(c) {
                // Kana stays beside kanji (美さ子 is not 美子); letters and signs go, as the kana column does without them.
                other = true;
            }
        }
    });
    match (kanji > 0, other, out.is_empty()) {
        _ if out == "不明" => Ok(Outcome::Missing),
        (true, ..) => Ok(Outcome::Value),
        // A facility that lacks one character replaces the whole name by kana: that says nothing about the kanji.
        (false, true, _) => Err(Rule::NoKanji),
        (false, false, true) => Ok(Outcome::Missing),
        (false, false, false) => Err(Rule::Unreadable),
    }
}

pub(super) fn is_kanji(c: char) -> bool {
    matches!(c,
        '\u{4E00}'..='\u{9FFF}' | '\u{3400}'..='\u{4DBF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{323AF}')
}
