//! What normalisation did to a value, by class of change: for the report to a custodian, beside the quick path.
//!
//! [`changes`] looks at a value a second time rather than count while it is normalised, so that encoding pays nothing.

use unicode_normalization::UnicodeNormalization;

use super::text::{self, SEMI_VOICED_MARK, VOICED_MARK};
use super::{WILDCARD, kana, kanji, latin, normalise, numbers, variants};
use crate::schema::FieldKind;

/// A class of change. Each counts characters, but for those that say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Change {
    /// Full-width letters and digits made narrow, half-width kana made wide.
    Width,
    /// Other characters that Unicode regards as another form of some: ①, ㈱, 神 of the IBM rows.
    Compatibility,
    /// Variation selectors, joiners and control characters, dropped.
    Invisible,
    /// A sound mark (゛, ゜) that stood apart from its kana.
    SoundMark,
    /// Hiragana made katakana.
    Hiragana,
    /// Small kana made large.
    SmallKana,
    /// Kana of the same sound: ヲ, ヰ, ヱ, ヂ, ヅ, ヴ.
    KanaSpelling,
    /// Marks and vowels that only lengthen the vowel before them, dropped where a field does without.
    Lengthening,
    /// Voiced and semi-voiced sounds made plain where a field does without.
    Voicing,
    /// Iteration marks (々, ヽ, ヾ) written out.
    Iteration,
    /// Kanji replaced by the one that stands for their variants.
    Variant,
    /// Characters that cannot be read (●, 〓, 外字), made wildcards.
    Unreadable,
    /// Spaces, dropped.
    Space,
    /// Punctuation, dropped.
    Punctuation,
    /// Letters and signs in a name of kanji, dropped.
    Sign,
    /// Small letters made capital.
    Case,
    /// Letters that lost their diacritics.
    Diacritic,
    /// Generation suffixes, dropped; counts words.
    Suffix,
    /// Spaces and hyphens between the groups of a number, dropped.
    Separator,
    /// Zeros on the left of a number added or taken away, or the points table out of a facility code; counts values.
    Padding,
    /// Dates written in another form than YYYYMMDD; counts values.
    DateForm,
    /// A sex written in another way than by its code; counts values.
    Code,
}

impl Change {
    /// Every class, in the order of declaration.
    pub const ALL: [Self; 22] = [
        Self::Width,
        Self::Compatibility,
        Self::Invisible,
        Self::SoundMark,
        Self::Hiragana,
        Self::SmallKana,
        Self::KanaSpelling,
        Self::Lengthening,
        Self::Voicing,
        Self::Iteration,
        Self::Variant,
        Self::Unreadable,
        Self::Space,
        Self::Punctuation,
        Self::Sign,
        Self::Case,
        Self::Diacritic,
        Self::Suffix,
        Self::Separator,
        Self::Padding,
        Self::DateForm,
        Self::Code,
    ];

    /// The stable name of the class, in kebab-case.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Width => "width",
            Self::Compatibility => "compatibility",
            Self::Invisible => "invisible",
            Self::SoundMark => "sound-mark",
            Self::Hiragana => "hiragana",
            Self::SmallKana => "small-kana",
            Self::KanaSpelling => "kana-spelling",
            Self::Lengthening => "lengthening",
            Self::Voicing => "voicing",
            Self::Iteration => "iteration-mark",
            Self::Variant => "variant-kanji",
            Self::Unreadable => "unreadable",
            Self::Space => "space",
            Self::Punctuation => "punctuation",
            Self::Sign => "sign",
            Self::Case => "case",
            Self::Diacritic => "diacritic",
            Self::Suffix => "suffix",
            Self::Separator => "separator",
            Self::Padding => "padding",
            Self::DateForm => "date-form",
            Self::Code => "code",
        }
    }

    /// What was done, in words.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Width => "half or full width made alike",
            Self::Compatibility => "a compatibility character replaced",
            Self::Invisible => "an invisible character dropped",
            Self::SoundMark => "a sound mark that stood apart",
            Self::Hiragana => "hiragana to katakana",
            Self::SmallKana => "small kana to large",
            Self::KanaSpelling => "kana of one sound made one (ヲ, ヂ, ヅ, ヴ, …)",
            Self::Lengthening => "a mark or vowel that only lengthens dropped (ー, オオ, オウ)",
            Self::Voicing => "a voiced sound made plain (ガ to カ, パ to ハ)",
            Self::Iteration => "an iteration mark written out (々, ヽ)",
            Self::Variant => "a variant of a kanji replaced (髙, 﨑, …)",
            Self::Unreadable => "a character that cannot be read (●, 〓, 外字) made a wildcard",
            Self::Space => "a space dropped",
            Self::Punctuation => "punctuation dropped",
            Self::Sign => "a letter or sign in a kanji name dropped",
            Self::Case => "small letter to capital",
            Self::Diacritic => "a diacritic taken off",
            Self::Suffix => "a generation suffix dropped (words)",
            Self::Separator => "a separator within a number dropped",
            Self::Padding => "a number brought to its usual length (values)",
            Self::DateForm => "a date written anew (values)",
            Self::Code => "a sex put as its code (values)",
        }
    }
}

/// How often each class of change was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes {
    counts: [u64; Change::ALL.len()],
}

impl Changes {
    /// How often a change was made.
    pub fn count(&self, change: Change) -> u64 {
        self.counts[change as usize]
    }

    /// Whether nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|&count| count == 0)
    }

    /// Adds the changes of another value.
    pub fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
    }

    /// Counts, per class, one for a value that has any.
    pub fn add_values(&mut self, value: &Self) {
        self.counts.iter_mut().zip(&value.counts).for_each(|(count, more)| *count += u64::from(*more > 0));
    }

    fn one(&mut self, change: Change) {
        self.counts[change as usize] += 1;
    }

    fn one_if(&mut self, made: bool, change: Change) {
        if made {
            self.one(change);
        }
    }
}

/// What [`super::normalise`] does to a value that it accepts. A value that it refuses or finds missing has no changes:
/// a [`super::Rule`] or its absence says all about it.
pub fn changes(kind: FieldKind, raw: &str) -> Changes {
    let mut changes = Changes::default();
    // A value that is canonical already is the usual case of a sex or a date.
    let Ok(Some(canonical)) = normalise(kind, raw) else { return changes };
    if canonical == raw {
        return changes;
    }
    raw.chars().for_each(|c| common(c, &mut changes));
    match kind {
        FieldKind::Kana | FieldKind::KanaSorted => text::for_each(raw, |c| in_kana(c, &mut changes)),
        FieldKind::KanaUnlengthened | FieldKind::KanaUnvoiced => {
            text::for_each(raw, |c| in_kana(c, &mut changes));
            in_form(kind, raw, &canonical, &mut changes);
        }
        FieldKind::Kanji => text::for_each(raw, |c| in_kanji(c, &mut changes)),
        FieldKind::Latin | FieldKind::LatinSorted => in_latin(raw, &mut changes),
        FieldKind::Date => in_whole(raw, &canonical, Change::DateForm, &mut changes),
        FieldKind::Sex => in_whole(raw, &canonical, Change::Code, &mut changes),
        FieldKind::InsuredSymbol | FieldKind::InsuredNumber => in_symbol(raw, &mut changes),
        FieldKind::ChartNumber => {
            in_symbol(raw, &mut changes);
            changes.one_if(folded(raw).trim().starts_with('0'), Change::Padding);
        }
        _ => in_number(raw, &canonical, &mut changes),
    }
    changes
}

/// Steps 2 to 4, character by character as they stood in the source.
fn common(c: char, changes: &mut Changes) {
    match c {
        // The ideographic space is dropped as the space that it is.
        ' '..='~' | '\u{3000}' => {}
        _ if text::is_stripped(c) => changes.one(Change::Invisible),
        '\u{FF01}'..='\u{FF5E}' | '\u{FF61}'..='\u{FF9F}' => changes.one(Change::Width),
        '\u{3099}'..='\u{309C}' => changes.one(Change::SoundMark),
        _ if text::is_space(c) => {}
        _ => changes.one_if(text::before_nfkc(c) != c || [c].into_iter().nfkc().ne([c]), Change::Compatibility),
    }
}

/// The value after steps 2 to 5.
fn folded(raw: &str) -> String {
    let mut folded = String::with_capacity(raw.len());
    text::for_each(raw, |c| folded.push(c));
    folded
}

/// A value that is taken as a whole: the spaces around it, and whether the rest was written anew.
fn in_whole(raw: &str, canonical: &str, change: Change, changes: &mut Changes) {
    let folded = folded(raw);
    let value = folded.trim();
    changes.counts[Change::Space as usize] += (folded.chars().count() - value.chars().count()) as u64;
    changes.one_if(value != canonical, change);
}

fn in_kana(c: char, changes: &mut Changes) {
    let wide = kana::katakana(c);
    changes.one_if(wide != c, Change::Hiragana);
    match wide {
        WILDCARD => changes.one(Change::Unreadable),
        'ヽ' | 'ヾ' => changes.one(Change::Iteration),
        'ヰ' | 'ヱ' | 'ヲ' | 'ヂ' | 'ヅ' | 'ヴ' | 'ヷ' | 'ヸ' | 'ヹ' | 'ヺ' => {
            changes.one(Change::KanaSpelling)
        }
        // They have been counted where they stood in the source.
        VOICED_MARK | SEMI_VOICED_MARK => {}
        _ if kana::syllable(wide) != wide => changes.one(Change::SmallKana),
        _ if text::is_space(wide) => changes.one(Change::Space),
        _ if text::is_name_punctuation(wide) => changes.one(Change::Punctuation),
        _ => {}
    }
}

/// What forms B and C of a reading leave out of form A.
fn in_form(kind: FieldKind, raw: &str, canonical: &str, changes: &mut Changes) {
    // Whatever one of the forms accepts form A accepts, as they are made of it.
    let Ok(Some(whole)) = normalise(FieldKind::Kana, raw) else { return };
    let shorter = whole.chars().count() - canonical.chars().count();
    let plainer = whole.chars().zip(canonical.chars()).filter(|(a, c)| a != c).count();
    let (change, characters) = match kind {
        FieldKind::KanaUnlengthened => (Change::Lengthening, shorter),
        _ => (Change::Voicing, plainer),
    };
    changes.counts[change as usize] += characters as u64;
}

fn in_kanji(c: char, changes: &mut Changes) {
    let representative = variants::representative(c);
    match c {
        '々' | '〻' => changes.one(Change::Iteration),
        _ if kanji::is_kanji(representative) => changes.one_if(representative != c, Change::Variant),
        WILDCARD => changes.one(Change::Unreadable),
        '\u{3041}'..='\u{3098}' | '\u{309D}'..='\u{30FA}' | 'ー'..='ヿ' | '\u{31F0}'..='\u{31FF}' => {
            in_kana(c, changes);
        }
        _ if kana::is_dropped(c) => in_kana(c, changes),
        _ => changes.one(Change::Sign),
    }
}

fn in_latin(raw: &str, changes: &mut Changes) {
    let (mut word, mut words) = (String::new(), 0);
    let mut end = |word: &mut String, changes: &mut Changes| {
        if !word.is_empty() {
            changes.one_if(words > 0 && latin::SUFFIXES.contains(&&**word), Change::Suffix);
            words += 1;
            word.clear();
        }
    };
    text::for_each(raw, |c| match c {
        'A'..='Z' | '0'..='9' => word.push(c),
        'a'..='z' => {
            changes.one(Change::Case);
            word.push(c.to_ascii_uppercase());
        }
        WILDCARD => {
            changes.one(Change::Unreadable);
            word.push(c);
        }
        _ if text::is_space(c) => {
            changes.one(Change::Space);
            end(&mut word, changes);
        }
        ',' => {
            changes.one(Change::Punctuation);
            end(&mut word, changes);
        }
        _ if c.is_ascii() || text::is_name_punctuation(c) => changes.one(Change::Punctuation),
        _ => {
            changes.one_if(c.is_lowercase(), Change::Case);
            changes.one(Change::Diacritic);
            latin::fold_letter(c, &mut word);
        }
    });
    end(&mut word, changes);
}

fn in_symbol(raw: &str, changes: &mut Changes) {
    // の goes only between two others.
    let (mut begun, mut held_back) = (false, false);
    text::for_each(raw, |c| match c {
        _ if text::is_space(c) || numbers::is_separator(c) || matches!(c, '・' | '/') => {
            changes.one(Change::Separator)
        }
        'の' | 'ノ' => {
            changes.one_if(c == 'の', Change::Hiragana);
            changes.one_if(held_back, Change::Separator);
            held_back = begun;
            begun = true;
        }
        _ => {
            changes.one_if(std::mem::take(&mut held_back), Change::Separator);
            changes.one_if(kana::katakana(c) != c, Change::Hiragana);
            changes.one_if(c.is_ascii_lowercase(), Change::Case);
            begun = true;
        }
    });
}

fn in_number(raw: &str, canonical: &str, changes: &mut Changes) {
    let mut digits = 0;
    text::for_each(raw, |c| match c.is_ascii_digit() {
        true => digits += 1,
        false => changes.one(Change::Separator),
    });
    changes.one_if(digits != canonical.len(), Change::Padding);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(kind: FieldKind, raw: &str) -> Vec<(&'static str, u64)> {
        let changes = changes(kind, raw);
        Change::ALL.iter().map(|&c| (c.code(), changes.count(c))).filter(|(_, count)| *count > 0).collect()
    }

    #[test]
    fn each_change_is_counted_under_its_class() {
        use FieldKind::*;
        for (kind, raw, expected) in [
            (Kana, "サトウ", &[][..]),
            (Kana, "ｻﾄｳ　ｼｮｳｲﾁ", &[("width", 8), ("small-kana", 1), ("space", 1)]),
            (Kana, "さとう・はなこ", &[("hiragana", 6), ("punctuation", 1)]),
            (Kana, "カ゛ヅヲヽ", &[("sound-mark", 1), ("kana-spelling", 2), ("iteration-mark", 1)]),
            (Kana, "サ●ウ\u{FEFF}", &[("invisible", 1), ("unreadable", 1)]),
            (Kanji, "髙﨑　佐々木", &[("iteration-mark", 1), ("variant-kanji", 2), ("space", 1)]),
            (Kanji, "葛\u{E0101}城①〓", &[("compatibility", 1), ("invisible", 1), ("unreadable", 1), ("sign", 1)]),
            (
                Latin,
                "José O'Neill, Jr.",
                &[("space", 2), ("punctuation", 3), ("case", 8), ("diacritic", 1), ("suffix", 1)],
            ),
            (Date, "S58.3.4", &[("date-form", 1)]),
            (Date, "１９８３０３０４", &[("width", 8)]),
            (Sex, "女", &[("code", 1)]),
            (Sex, " 1", &[("space", 1)]),
            (Date, "　19830304 ", &[("space", 2)]),
            (Date, " S58.3.4", &[("space", 1), ("date-form", 1)]),
            (PostalCode, "〒100-0001", &[("separator", 2)]),
            (InsurerNumber, "138057", &[("padding", 1)]),
            (InsuredSymbol, "１２の３４", &[("width", 4), ("hiragana", 1), ("separator", 1)]),
            (KanaUnlengthened, "オオタ", &[("lengthening", 1)]),
            (KanaUnlengthened, "ゆうコー", &[("hiragana", 2), ("lengthening", 2)]),
            (KanaUnlengthened, "オタ", &[]),
            (KanaUnvoiced, "ガﾋﾟン・タ", &[("width", 2), ("voicing", 2), ("punctuation", 1)]),
            (KanaUnvoiced, "カヒン", &[]),
            (Kana, "佐藤", &[]),
            (Date, "99999999", &[]),
        ] {
            assert_eq!(found(kind, raw), expected, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn a_value_has_changes_when_and_only_when_it_comes_out_as_another(
            kind in prop::sample::select(vec![
                FieldKind::Kana, FieldKind::KanaUnlengthened, FieldKind::KanaUnvoiced, FieldKind::KanaSorted,
                FieldKind::Kanji, FieldKind::Latin, FieldKind::LatinSorted, FieldKind::Date, FieldKind::Sex,
                FieldKind::PostalCode, FieldKind::Digits, FieldKind::InsurerNumber, FieldKind::InsuredSymbol,
                FieldKind::InsuredNumber, FieldKind::InsuredBranch, FieldKind::FacilityCode, FieldKind::ChartNumber,
            ]),
            raw in "[ 　]?[サトオウガぁっヴヂヽｶﾞ゛・ー ー　佐髙﨑々美A-Ca-cÉéß,'.?●①１２0-9０の〒男女年\u{FE00}\u{3099}/-]{0,8}",
        ) {
            if let Ok(Some(canonical)) = normalise(kind, &raw) {
                prop_assert_eq!(changes(kind, &raw).is_empty(), canonical == raw, "{}: {} -> {}", format!("{kind:?}"), raw, canonical);
            } else {
                prop_assert!(changes(kind, &raw).is_empty());
            }
        }

        #[test]
        fn injected_damage_equals_reported_damage(
            plain in "[アイカキサシタチナニマミラリ]{2,8}",
            damage in prop::collection::vec((0_usize..6, 0_usize..9), 0..5),
        ) {
            let kinds = [
                ('　', Change::Space), ('・', Change::Punctuation), ('ッ', Change::SmallKana), ('●', Change::Unreadable),
                ('ｱ', Change::Width), ('あ', Change::Hiragana),
            ];
            let mut text: Vec<char> = plain.chars().collect();
            let mut expected = Changes::default();
            for (which, at) in damage {
                text.insert(at.min(text.len()), kinds[which].0);
                expected.one(kinds[which].1);
            }
            prop_assert_eq!(changes(FieldKind::Kana, &text.iter().collect::<String>()), expected);
        }
    }
}
