//! The vectors of the specification, and the properties that hold for every value.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

const KINDS: [(&str, FieldKind); 17] = [
    ("kana", FieldKind::Kana),
    ("kana-unlengthened", FieldKind::KanaUnlengthened),
    ("kana-unvoiced", FieldKind::KanaUnvoiced),
    ("kana-sorted", FieldKind::KanaSorted),
    ("kanji", FieldKind::Kanji),
    ("latin", FieldKind::Latin),
    ("latin-sorted", FieldKind::LatinSorted),
    ("date", FieldKind::Date),
    ("sex", FieldKind::Sex),
    ("postal-code", FieldKind::PostalCode),
    ("insurer-number", FieldKind::InsurerNumber),
    ("insured-symbol", FieldKind::InsuredSymbol),
    ("insured-number", FieldKind::InsuredNumber),
    ("insured-branch", FieldKind::InsuredBranch),
    ("digits", FieldKind::Digits),
    ("facility-code", FieldKind::FacilityCode),
    ("chart-number", FieldKind::ChartNumber),
];

/// `\u{…}` to the character that it names.
fn unescape(text: &str) -> String {
    let mut parts = text.split("\\u{");
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let (code, rest) = part.split_once('}').unwrap();
        out.push(char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap());
        out.push_str(rest);
    }
    out
}

/// What a vector says: the canonical text if any, and the rule if any.
fn outcome(kind: FieldKind, raw: &str) -> (Option<String>, Option<Rule>) {
    let mut out = String::new();
    match normalise_into(kind, raw, &mut out) {
        Ok(Outcome::Missing) => (None, None),
        Ok(Outcome::Value) => (Some(out), None),
        Ok(Outcome::Flagged(rule)) => (Some(out), Some(rule)),
        Err(rule) => (None, Some(rule)),
    }
}

#[test]
fn every_vector_of_the_specification_holds() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/vectors/normalise");
    let (mut checked, mut broken) = (0, Vec::new());
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let columns: Vec<&str> = line.split('\t').collect();
            let [kind, input, expected, rule] = columns[..] else { panic!("{}: {line}", path.display()) };
            let kind = KINDS.iter().find(|(name, _)| *name == kind).expect(kind).1;
            let expected = (expected != "-").then(|| unescape(expected));
            let (found, found_rule) = outcome(kind, &unescape(input));
            if (found.as_ref(), found_rule.map_or("-", Rule::code)) != (expected.as_ref(), rule) {
                broken.push(format!("{line}\n    found {found:?} {found_rule:?}"));
            }
            checked += 1;
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(checked > 300, "only {checked} vectors were found");
}

#[test]
fn a_value_that_is_too_long_is_refused_and_leaves_nothing_behind() {
    let mut out = "before".to_owned();
    let raw = "ア".repeat(MAX_VALUE_BYTES);
    assert_eq!(normalise_into(FieldKind::Kana, &raw, &mut out), Err(Rule::TooLong));
    assert_eq!(out, "");
}

#[test]
fn a_broken_rule_leaves_no_part_of_the_value_in_the_buffer() {
    let mut out = String::new();
    for (kind, raw) in [(FieldKind::Kana, "サトウ1"), (FieldKind::Digits, "12x"), (FieldKind::Date, "19830231")] {
        assert!(normalise_into(kind, raw, &mut out).is_err());
        assert_eq!(out, "");
    }
}

#[test]
fn the_codes_of_the_rules_are_distinct_and_listed() {
    let mut codes: Vec<_> = Rule::ALL.iter().map(|rule| rule.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), Rule::ALL.len());
}

/// Text as it might stand in a file: the scripts of names, digits, marks, and now and then anything at all.
fn raw_text() -> impl Strategy<Value = String> {
    let alphabet: Vec<char> = ('ぁ'..='ゖ')
        .chain('ァ'..='ヿ')
        .chain('ｦ'..='ﾟ')
        .chain('!'..='~')
        .chain('！'..='～')
        .chain(
            "佐藤髙﨑邊々〻ゝゞ゛゜\u{3099}\u{309A}\u{FE00}\u{E0100}\u{3000} ●〓\u{E000}\u{FFFD}𠮷葛㍼昭和年月日元éßŁ"
                .chars(),
        )
        .collect();
    prop_oneof![
        4 => prop::collection::vec(select(alphabet), 0..12).prop_map(String::from_iter),
        1 => any::<String>(),
        1 => "[MTSHRmtshr]?[0-9]{1,4}[-/.年]?[0-9]{0,2}[-/.月]?[0-9]{0,2}日?",
    ]
}

proptest! {
    #[test]
    fn normalising_twice_is_normalising_once(raw in raw_text(), (_, kind) in select(&KINDS[..])) {
        if let Ok(Some(once)) = normalise(kind, &raw) {
            prop_assert!(!once.is_empty());
            prop_assert_eq!(normalise(kind, &once), Ok(Some(once)));
        }
    }

    #[test]
    fn width_does_not_matter(raw in "[ -~]{0,12}", (_, kind) in select(&KINDS[..])) {
        let wide: String = raw.chars().map(|c| match c {
            ' ' => '\u{3000}',
            _ => char::from_u32(u32::from(c) + 0xFEE0).unwrap(),
        }).collect();
        prop_assert_eq!(outcome(kind, &raw), outcome(kind, &wide));
    }

    #[test]
    fn spaces_do_not_matter_in_names_and_numbers(
        parts in prop::collection::vec("[ァ-ヴa-z0-9佐藤]{0,4}", 1..4),
        space in select(&[" ", "\u{3000}", "\u{A0}", "  "][..]),
        (name, kind) in select(&KINDS[..]),
    ) {
        // Dates are groups, a space separates words for the suffix rule of Latin names and where words are put in order, and
        // marks combine over no space.
        prop_assume!(!["date", "latin", "latin-sorted", "kana-sorted"].contains(&name));
        prop_assert_eq!(outcome(kind, &parts.concat()), outcome(kind, &parts.join(space)));
    }

    #[test]
    fn the_order_of_its_words_does_not_matter_in_a_sorted_name(
        (words, moved) in prop::collection::vec("[A-Z]{1,5}", 1..5)
            .prop_flat_map(|words| (Just(words.clone()), Just(words).prop_shuffle())),
        space in select(&[" ", "\u{3000}", ", ", "-", "・"][..]),
    ) {
        // A generation suffix is one wherever it stands, but for the first word.
        prop_assume!(words.iter().all(|word| !latin::SUFFIXES.contains(&word.as_str())));
        let (words, moved) = (words.join(" "), moved.join(space));
        prop_assert_eq!(outcome(FieldKind::LatinSorted, &words), outcome(FieldKind::LatinSorted, &moved));
    }

    #[test]
    fn a_date_is_the_same_in_every_form(days in 0_u32..54_000) {
        // From 1873-01-01, when the Gregorian calendar came into use, for about 148 years.
        let (mut year, mut left) = (1873, days);
        let leap = |year: u32| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let length = |year: u32| if leap(year) { 366 } else { 365 };
        while left >= length(year) {
            left -= length(year);
            year += 1;
        }
        let months = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let mut month = 0;
        while left >= months[month] {
            left -= months[month];
            month += 1;
        }
        let (month, day) = (month as u32 + 1, left + 1);
        let canonical = format!("{year:04}{month:02}{day:02}");
        let eras = [
            (20190501, 2018, 5, "R", "令和"), (19890108, 1988, 4, "H", "平成"), (19261225, 1925, 3, "S", "昭和"),
            (19120730, 1911, 2, "T", "大正"), (18680125, 1867, 1, "M", "明治"),
        ];
        let number: u32 = canonical.parse().unwrap();
        let (_, base, code, letter, name) = *eras.iter().find(|era| number >= era.0).unwrap();
        let n = year - base;
        let mut forms = vec![
            canonical.clone(), format!("{year}-{month:02}-{day:02}"), format!("{year}/{month}/{day}"),
            format!("{year}年{month}月{day}日"), format!("{code}{n:02}{month:02}{day:02}"),
            format!("{letter}{n}.{month}.{day}"), format!("{name}{n}年{month}月{day}日"), format!("{name}{n:02}{month:02}{day:02}"),
        ];
        if n == 1 {
            forms.push(format!("{name}元年{month}月{day}日"));
        }
        for form in forms {
            prop_assert_eq!(outcome(FieldKind::Date, &form), (Some(canonical.clone()), None), "{}", form);
        }
    }

    #[test]
    fn one_wrong_digit_in_an_insurer_number_is_always_seen(number in 1_000_000_u32..9_999_999, at in 0_usize..8, change in 1_u8..10) {
        let mut text = format!("{number}0").into_bytes();
        let check = (b'0'..=b'9').find(|&digit| {
            text[7] = digit;
            insurer::check_digit_fits(std::str::from_utf8(&text).unwrap())
        });
        prop_assert!(check.is_some());
        text[7] = check.unwrap();
        text[at] = b'0' + (text[at] - b'0' + change) % 10;
        prop_assert!(!insurer::check_digit_fits(std::str::from_utf8(&text).unwrap()));
    }
}
