//! Single mistakes: what a typing hand, an old form or a foreign name does to one value.

use crate::date::Date;
use crate::population::REFERENCE_DATE;
use crate::random::{Random, Weighted};
const VOICED: [(char, char); 20] = [
    ('カ', 'ガ'),
    ('キ', 'ギ'),
    ('ク', 'グ'),
    ('ケ', 'ゲ'),
    ('コ', 'ゴ'),
    ('サ', 'ザ'),
    ('シ', 'ジ'),
    ('ス', 'ズ'),
    ('セ', 'ゼ'),
    ('ソ', 'ゾ'),
    ('タ', 'ダ'),
    ('チ', 'ヂ'),
    ('ツ', 'ヅ'),
    ('テ', 'デ'),
    ('ト', 'ド'),
    ('ハ', 'バ'),
    ('ヒ', 'ビ'),
    ('フ', 'ブ'),
    ('ヘ', 'ベ'),
    ('ホ', 'ボ'),
];

/// A reading with one typing error of a kind drawn by weight: voicing, character, long vowel, order. As it was where the
/// error does not apply to it.
pub(crate) fn misread(random: &mut Random, kana: &str, kinds: [f64; 4]) -> String {
    let mut text: Vec<char> = kana.chars().collect();
    if text.is_empty() {
        return String::new();
    }
    let position = random.below(text.len() as u64) as usize;
    match Weighted::new(kinds).draw(random) {
        0 => {
            if let Some((at, c)) = text.iter().enumerate().find_map(|(at, &c)| Some((at, other_voicing(c)?))) {
                text[at] = c;
            }
        }
        1 => text[position] = random.pick(&VOICED).0,
        2 => match text.iter().position(|c| matches!(c, 'ウ' | 'ー')) {
            Some(at) if text.len() > 2 => drop(text.remove(at)),
            _ => text.insert(position + 1, 'ウ'),
        },
        _ if text.len() > 1 => {
            let at = position.min(text.len() - 2);
            text.swap(at, at + 1);
        }
        _ => {}
    }
    text.into_iter().collect()
}

/// The kana with a voicing mark more or less.
pub(crate) fn other_voicing(c: char) -> Option<char> {
    VOICED.iter().find_map(|&(plain, voiced)| match c {
        c if c == plain => Some(voiced),
        c if c == voiced => Some(plain),
        _ => None,
    })
}

/// A wrong birth date, which is a date nevertheless, by the weights of day, month, year, era and first of January. As it was
/// where no kind has a weight.
pub(crate) fn misdated(random: &mut Random, birth: Date, kinds: [f64; 5]) -> Date {
    let kinds = Weighted::new(kinds);
    if kinds.total() == 0.0 {
        return birth;
    }
    // Some errors cannot happen to some dates, for example a day to a day; a model may leave no others.
    for _ in 0..64 {
        let mut date = birth;
        match kinds.draw(random) {
            0 => date.day = random.between(1, 31) as u8,
            1 => date.month = random.between(1, 12) as u8,
            2 => date.year = if random.chance(0.5) { date.year + 1 } else { date.year.saturating_sub(1) },
            // The right year of the wrong era: Shōwa for Heisei, or the other way round.
            3 => date.year = if date.year >= 1989 { date.year - 63 } else { date.year + 63 },
            _ => (date.month, date.day) = (1, 1),
        }
        if date.is_valid() && date <= REFERENCE_DATE.max(birth) && date != birth {
            return date;
        }
    }
    birth
}

/// Digits with one of them wrong, or two neighbours swapped.
pub(crate) fn mistyped(random: &mut Random, digits: &str) -> String {
    let mut text: Vec<char> = digits.chars().collect();
    let places: Vec<usize> = (0..text.len()).filter(|&at| text[at].is_ascii_digit()).collect();
    if places.is_empty() {
        return digits.to_owned();
    }
    let at = *random.pick(&places);
    if at > 0 && text[at - 1].is_ascii_digit() && text[at - 1] != text[at] && random.chance(0.3) {
        text.swap(at - 1, at);
    } else {
        let digit = text[at].to_digit(10).unwrap_or(0);
        text[at] = char::from(b'0' + ((digit + random.between(1, 9)) % 10) as u8);
    }
    text.into_iter().collect()
}

/// A foreign name as another clerk would spell it: there is no official reading.
pub(crate) fn respelled(random: &mut Random, kana: &str) -> String {
    const WAYS: [(&str, &str); 16] = [
        ("ヴァ", "バ"),
        ("ヴ", "ブ"),
        ("ティ", "チ"),
        ("ディ", "デイ"),
        ("フェ", "ヘ"),
        ("フォ", "ホ"),
        ("ジェ", "ゼ"),
        ("ウィ", "ウイ"),
        ("トゥ", "ト"),
        ("ドゥ", "ド"),
        ("ズオ", "ドゥオ"),
        ("イエ", "エ"),
        ("ー", ""),
        ("ッ", ""),
        ("オウ", "オー"),
        ("ュウ", "ュー"),
    ];
    let fitting: Vec<&(&str, &str)> = WAYS.iter().filter(|(from, _)| kana.contains(from)).collect();
    match fitting.is_empty() {
        false => {
            let (from, to) = random.pick(&fitting);
            kana.replacen(from, to, 1)
        }
        // The vowel of the last syllable is heard long.
        true => format!("{kana}ー"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::Population;
    use crate::rates::ErrorModel;

    #[test]
    fn wrong_dates_are_still_dates() {
        let random = &mut Random::new(1, "test", 0);
        for person in &Population::new(1, 5000) {
            let wrong = misdated(random, person.birth, ErrorModel::default().dates());
            assert!(wrong.is_valid() && wrong != person.birth);
        }
    }

    #[test]
    fn a_model_of_impossible_errors_leaves_the_date_as_it_is() {
        let errors = ErrorModel { date_first_of_january: 1.0, ..ErrorModel::none() };
        let birth = Date::new(1990, 1, 1);
        for errors in [errors, ErrorModel::none()] {
            assert_eq!(misdated(&mut Random::new(1, "test", 0), birth, errors.dates()), birth);
        }
    }

    #[test]
    fn mistyped_digits_differ_in_one_place_or_two() {
        let random = &mut Random::new(1, "test", 0);
        for _ in 0..500 {
            let typed = mistyped(random, "国12-3450");
            let different = typed.chars().zip("国12-3450".chars()).filter(|(a, b)| a != b).count();
            assert!((1..=2).contains(&different) && typed.starts_with('国'), "{typed}");
        }
        assert_eq!(mistyped(random, "国"), "国");
    }

    #[test]
    fn foreign_names_are_spelled_in_several_ways() {
        let random = &mut Random::new(1, "test", 0);
        let ways: std::collections::HashSet<String> = (0..100).map(|_| respelled(random, "ヴァン ドゥック")).collect();
        assert!(ways.len() >= 3 && !ways.contains("ヴァン ドゥック"), "{ways:?}");
        assert_eq!(respelled(random, "ラム"), "ラムー");
    }
}
