//! What a keyboard, a scanner and an ear do to one value.

use crate::date::Date;
use crate::mistakes::{misdated, mistyped};
use crate::random::{Random, Weighted};
use crate::rates::CorruptModel;

const KEYS: [&str; 4] = ["1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"];

/// One key hit wrong: beside the right one, too many, too few, or two in the wrong order.
pub(super) fn keyboard(random: &mut Random, text: &str) -> String {
    let mut text: Vec<char> = text.chars().collect();
    let places: Vec<usize> = (0..text.len()).filter(|&at| text[at].is_ascii_alphanumeric()).collect();
    if places.is_empty() {
        return text.into_iter().collect();
    }
    let at = *random.pick(&places);
    match Weighted::new([50.0, 15.0, 20.0, 15.0]).draw(random) {
        0 => text[at] = neighbour(random, text[at]),
        1 => text.insert(at, text[at]),
        2 if text.len() > 1 => drop(text.remove(at)),
        _ if at > 0 => text.swap(at - 1, at),
        _ => text[at] = neighbour(random, text[at]),
    }
    text.into_iter().collect()
}

fn neighbour(random: &mut Random, key: char) -> char {
    let lower = key.to_ascii_lowercase();
    let found = KEYS.iter().enumerate().find_map(|(row, keys)| Some((row, keys.find(lower)?)));
    let Some((row, column)) = found else { return key };
    let mut near = Vec::new();
    for (other, keys) in KEYS.iter().enumerate().filter(|(other, _)| other.abs_diff(row) <= 1) {
        // Rows are set off, so above and below two keys touch.
        let columns = if other == row { [column.wrapping_sub(1), column + 1] } else { [column, column + 1] };
        near.extend(columns.iter().filter_map(|&at| keys.chars().nth(at)));
    }
    let hit = if near.is_empty() { lower } else { *random.pick(&near) };
    if key.is_ascii_uppercase() { hit.to_ascii_uppercase() } else { hit }
}

/// Texts that look alike, in both directions.
const ALIKE: [(&str, &str); 40] = [
    ("l", "1"),
    ("I", "1"),
    ("O", "0"),
    ("o", "0"),
    ("S", "5"),
    ("B", "8"),
    ("Z", "2"),
    ("rn", "m"),
    ("cl", "d"),
    ("vv", "w"),
    ("e", "c"),
    ("3", "8"),
    ("1", "7"),
    ("5", "6"),
    ("ソ", "ン"),
    ("シ", "ツ"),
    ("ク", "ワ"),
    ("ウ", "ワ"),
    ("ユ", "コ"),
    ("チ", "テ"),
    ("ル", "レ"),
    ("ス", "ヌ"),
    ("バ", "パ"),
    ("ビ", "ピ"),
    ("ブ", "プ"),
    ("ナ", "メ"),
    ("カ", "力"),
    ("ロ", "口"),
    ("ニ", "二"),
    ("タ", "夕"),
    ("末", "未"),
    ("土", "士"),
    ("大", "太"),
    ("千", "干"),
    ("間", "問"),
    ("待", "侍"),
    ("綱", "網"),
    ("田", "由"),
    ("石", "右"),
    ("木", "本"),
];

/// One character taken for another that looks alike.
pub(super) fn ocr(random: &mut Random, text: &str) -> String {
    replace(random, text, &ALIKE)
}

/// Spellings of the same sound, in both directions.
const SAME_SOUND: [(&str, &str); 38] = [
    ("ph", "f"),
    ("ck", "k"),
    ("c", "k"),
    ("ee", "ea"),
    ("ie", "y"),
    ("s", "z"),
    ("mac", "mc"),
    ("th", "t"),
    ("sch", "sh"),
    ("ei", "ai"),
    ("ou", "o"),
    ("oo", "o"),
    ("shi", "si"),
    ("chi", "ti"),
    ("tsu", "tu"),
    ("fu", "hu"),
    ("ji", "zi"),
    ("sha", "sya"),
    ("nn", "n"),
    ("ll", "l"),
    ("オウ", "オオ"),
    ("コウ", "コー"),
    ("ショウ", "ショー"),
    ("ユウ", "ユー"),
    ("ュウ", "ュー"),
    ("エイ", "エー"),
    ("ケイ", "ケー"),
    ("ヅ", "ズ"),
    ("ヂ", "ジ"),
    ("ヲ", "オ"),
    ("ヴ", "ブ"),
    ("ジョウ", "ジョー"),
    ("ンイ", "ニ"),
    ("サキ", "ザキ"),
    ("シマ", "ジマ"),
    ("カワ", "ガワ"),
    ("サワ", "ザワ"),
    ("ハラ", "バラ"),
];

/// Another spelling of the same sound.
pub(super) fn phonetic(random: &mut Random, text: &str) -> String {
    replace(random, text, &SAME_SOUND)
}

/// Replaces one occurrence by one of the pairs that fit, either way round; letters keep to the case around them.
fn replace(random: &mut Random, text: &str, pairs: &[(&str, &str)]) -> String {
    let upper = text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase);
    let cased = |part: &str| if upper { part.to_ascii_uppercase() } else { part.to_owned() };
    let mut fitting: Vec<(usize, String, String)> = Vec::new();
    for (a, b) in pairs.iter().flat_map(|&(a, b)| [(a, b), (b, a)]) {
        let from = if text.contains(a) { a.to_owned() } else { cased(a) };
        fitting.extend(text.match_indices(&from).map(|(at, _)| (at, from.clone(), cased(b))));
    }
    if fitting.is_empty() {
        return text.to_owned();
    }
    let (at, from, to) = random.pick(&fitting);
    [&text[..*at], to, &text[at + from.len()..]].concat()
}

/// A wrong date in the form of the right one. What is no date in a known form gets a wrong digit.
pub(super) fn date(random: &mut Random, text: &str, model: &CorruptModel) -> String {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let separators: Vec<char> = text.chars().filter(|c| !c.is_ascii_digit()).collect();
    let known = digits.len() == 8 && text.len() == 8 + separators.len() && matches!(separators[..], [] | [_, _]);
    let parsed = (digits.len() == 8).then(|| format!("{}-{}-{}", &digits[..4], &digits[4..6], &digits[6..]));
    let Some(right) = parsed.filter(|_| known).and_then(|text| Date::parse(&text)) else {
        return mistyped(random, text);
    };
    let swapped = Date::new(right.year, right.day, right.month);
    let wrong = match random.chance(model.date_swap) && swapped.is_valid() && swapped != right {
        true => swapped,
        false => misdated(random, right, model.dates()),
    };
    let between = |at: usize| separators.get(at).map_or_else(String::new, char::to_string);
    format!("{:04}{}{:02}{}{:02}", wrong.year, between(0), wrong.month, between(1), wrong.day)
}

/// The other sex, in the same notation; what is none stays.
pub(super) fn sex(text: &str) -> String {
    const PAIRS: [(&str, &str); 8] = [
        ("1", "2"),
        ("１", "２"),
        ("男", "女"),
        ("男性", "女性"),
        ("M", "F"),
        ("m", "f"),
        ("male", "female"),
        ("Male", "Female"),
    ];
    let other = PAIRS.iter().flat_map(|&(a, b)| [(a, b), (b, a)]).find(|(from, _)| *from == text.trim());
    other.map_or_else(|| text.to_owned(), |(_, to)| to.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(edit: impl Fn(&mut Random, &str) -> String, text: &str) -> std::collections::BTreeSet<String> {
        let random = &mut Random::new(1, "edits", 0);
        (0..400).map(|_| edit(random, text)).collect()
    }

    #[test]
    fn each_hand_makes_its_own_mistakes() {
        let typed = outcomes(keyboard, "Smith");
        assert!(["Smoth", "Smth", "Smiith", "Smtih"].iter().all(|text| typed.contains(*text)), "{typed:?}");
        assert!(outcomes(ocr, "Burns").contains("Bums") && outcomes(ocr, "マツイ").contains("マシイ"));
        assert!(outcomes(phonetic, "Phillip").contains("Philip") && outcomes(phonetic, "SHINJI").contains("SINJI"));
        assert!(outcomes(phonetic, "ナカジマ").contains("ナカシマ"));
        assert_eq!((sex("男性"), sex("?")), ("女性".to_owned(), "?".to_owned()));
        assert_eq!(outcomes(keyboard, "山田"), ["山田".to_owned()].into());
    }

    #[test]
    fn wrong_dates_keep_their_form_and_are_dates() {
        let model = CorruptModel::default();
        let date = |random: &mut Random, text: &str| date(random, text, &model);
        for (text, length) in [("19500307", 8), ("1950-03-07", 10), ("1950/03/07", 10)] {
            let wrong = outcomes(date, text);
            assert!(wrong.len() > 20 && !wrong.contains(text));
            for wrong in wrong {
                let digits: String = wrong.chars().filter(char::is_ascii_digit).collect();
                let iso = format!("{}-{}-{}", &digits[..4], &digits[4..6], &digits[6..]);
                assert!(wrong.len() == length && Date::parse(&iso).is_some(), "{wrong}");
            }
        }
        assert!(outcomes(date, "昭和25年3月7日").iter().all(|wrong| wrong.starts_with("昭和")));
    }

    #[test]
    fn day_and_month_are_swapped_as_often_as_the_model_says() {
        let all = CorruptModel { date_swap: 1.0, ..CorruptModel::none() };
        assert_eq!(outcomes(|random, text| date(random, text, &all), "1950-03-07"), ["1950-07-03".to_owned()].into());
        // There is no month 27, and no other error is wanted.
        assert_eq!(outcomes(|random, text| date(random, text, &all), "1950-03-27"), ["1950-03-27".to_owned()].into());
        let none = CorruptModel { date_year: 1.0, ..CorruptModel::none() };
        let years = outcomes(|random, text| date(random, text, &none), "1950-03-07");
        assert_eq!(years, ["1949-03-07".to_owned(), "1951-03-07".to_owned()].into());
    }
}
