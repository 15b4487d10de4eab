//! Steps 6 to 8 for names in kana.

use super::text::{self, SEMI_VOICED_MARK, VOICED_MARK};
use super::{Outcome, Rule, WILDCARD};

pub(super) fn normalise(raw: &str, out: &mut String) -> Result<Outcome, Rule> {
    let mut fold = Fold::default();
    let mut foreign = false;
    text::for_each(raw, |c| {
        if c == WILDCARD {
            fold.push_other(c, out);
        } else if !fold.push(c, out) && !is_dropped(c) {
            foreign = true;
        }
    });
    if foreign {
        Err(Rule::NotKana)
    } else if out.chars().all(|c| c == 'ー') {
        Ok(Outcome::Missing)
    } else if out.chars().all(|c| c == WILDCARD) {
        Err(Rule::Unreadable)
    } else {
        Ok(Outcome::Value)
    }
}

/// Form B: without ー, and without the vowel that only lengthens the one before it (オウ オオ, エイ エエ, ウウ), because one
/// source writes ユウコ and オオタ where another has ユーコ and オータ, and a third ユコ and オタ.
pub(super) fn normalise_unlengthened(raw: &str, out: &mut String) -> Result<Outcome, Rule> {
    let outcome = normalise(raw, out)?;
    let mut vowel = None;
    out.retain(|c| {
        let lengthens = match vowel {
            Some('オ') => matches!(c, 'ウ' | 'オ'),
            Some('エ') => matches!(c, 'イ' | 'エ'),
            Some(_) => c == 'ウ',
            None => false,
        };
        let kept = c != 'ー' && !lengthens;
        if kept {
            vowel = vowel_of(c);
        }
        kept
    });
    if out.chars().all(|c| c == WILDCARD) && outcome == Outcome::Value { Err(Rule::Unreadable) } else { Ok(outcome) }
}

/// Form C: without the marks of voiced sounds (ガ and カ, パ and ハ are one), which get lost in half-width kana and on forms.
pub(super) fn normalise_unvoiced(raw: &str, out: &mut String) -> Result<Outcome, Rule> {
    let outcome = normalise(raw, out)?;
    *out = out.chars().map(unvoiced).collect();
    Ok(outcome)
}

/// The vowel of a folded syllable, where it is one that others lengthen.
fn vowel_of(c: char) -> Option<char> {
    const O: &str = "オコソトノホモヨロゴゾドボポ";
    const E: &str = "エケセテネヘメレゲゼデベペ";
    const U: &str = "ウクスツヌフムユルグズブプ";
    [('オ', O), ('エ', E), ('ウ', U)].into_iter().find(|(_, row)| row.contains(c)).map(|(vowel, _)| vowel)
}

/// A folded syllable without its voiced or semi-voiced mark.
fn unvoiced(c: char) -> char {
    let steps_back = match c {
        'ガ' | 'ギ' | 'グ' | 'ゲ' | 'ゴ' | 'ザ' | 'ジ' | 'ズ' | 'ゼ' | 'ゾ' | 'ダ' | 'デ' | 'ド' => 1,
        'バ' | 'ビ' | 'ブ' | 'ベ' | 'ボ' => 1,
        'パ' | 'ピ' | 'プ' | 'ペ' | 'ポ' => 2,
        _ => 0,
    };
    char::from_u32(u32::from(c) - steps_back).unwrap_or(c)
}

/// What names lose: spaces, punctuation, and sound marks that belong to no kana.
pub(super) fn is_dropped(c: char) -> bool {
    text::is_space(c) || text::is_name_punctuation(c) || c == VOICED_MARK || c == SEMI_VOICED_MARK
}

/// Folds kana into the 70-odd syllables in which sources agree; remembers what iteration marks repeat.
#[derive(Default)]
pub(super) struct Fold {
    last: Option<char>,
    after_vu: bool,
}

impl Fold {
    /// Appends the folded form of `c`, when it is kana or an iteration mark; otherwise leaves all as it is.
    pub(super) fn push(&mut self, c: char, out: &mut String) -> bool {
        let c = katakana(c);
        let folded = match c {
            // ヴァ is written バ, ヴア, ヴァ or ブァ for the same name; ヴ alone is ブ.
            'ァ' | 'ア' | 'ィ' | 'イ' | 'ェ' | 'エ' | 'ォ' | 'オ' if self.after_vu => {
                out.pop();
                match c {
                    'ァ' | 'ア' => 'バ',
                    'ィ' | 'イ' => 'ビ',
                    'ェ' | 'エ' => 'ベ',
                    _ => 'ボ',
                }
            }
            // A mark without anything to repeat is noise.
            'ヽ' => match self.last {
                Some(last) => last,
                None => return true,
            },
            'ヾ' => match self.last {
                Some(last) => syllable(voiced(last)),
                None => return true,
            },
            '\u{30A1}'..='\u{30FA}' | 'ー' | '\u{31F0}'..='\u{31FF}' => syllable(c),
            _ => return false,
        };
        self.after_vu = c == 'ヴ';
        out.push(folded);
        self.last = Some(folded);
        true
    }

    /// Appends a character that is not kana, but that an iteration mark after it repeats.
    pub(super) fn push_other(&mut self, c: char, out: &mut String) {
        out.push(c);
        self.last = Some(c);
        self.after_vu = false;
    }

    /// What an iteration mark would repeat now.
    pub(super) fn last(&self) -> Option<char> {
        self.last
    }
}

/// Hiragana to katakana; both sets of へ, べ, ぺ and り become one.
pub(super) fn katakana(c: char) -> char {
    match c {
        '\u{3041}'..='\u{3096}' | '\u{309D}' | '\u{309E}' => char::from_u32(u32::from(c) + 0x60).unwrap_or(c),
        _ => c,
    }
}

/// The syllable that all sources would write: large kana, one spelling per sound.
pub(super) fn syllable(c: char) -> char {
    match c {
        'ァ' => 'ア',
        'ィ' | 'ヰ' => 'イ',
        'ゥ' => 'ウ',
        'ェ' | 'ヱ' => 'エ',
        'ォ' | 'ヲ' => 'オ',
        'ヵ' => 'カ',
        'ヶ' => 'ケ',
        'ㇰ' => 'ク',
        'ㇱ' => 'シ',
        'ㇲ' => 'ス',
        'ッ' => 'ツ',
        'ㇳ' => 'ト',
        'ㇴ' => 'ヌ',
        'ㇵ' => 'ハ',
        'ㇶ' => 'ヒ',
        'ㇷ' => 'フ',
        'ㇸ' => 'ヘ',
        'ㇹ' => 'ホ',
        'ㇺ' => 'ム',
        'ャ' => 'ヤ',
        'ュ' => 'ユ',
        'ョ' => 'ヨ',
        'ㇻ' => 'ラ',
        'ㇼ' => 'リ',
        'ㇽ' => 'ル',
        'ㇾ' => 'レ',
        'ㇿ' => 'ロ',
        'ヮ' => 'ワ',
        'ヂ' => 'ジ',
        'ヅ' => 'ズ',
        'ヴ' => 'ブ',
        'ヷ' => 'バ',
        'ヸ' => 'ビ',
        'ヹ' => 'ベ',
        'ヺ' => 'ボ',
        _ => c,
    }
}

/// The voiced form of a syllable, for ヾ; a syllable without one is repeated as it is.
fn voiced(c: char) -> char {
    match c {
        'カ' | 'キ' | 'ク' | 'ケ' | 'コ' | 'サ' | 'シ' | 'ス' | 'セ' | 'ソ' | 'タ' | 'チ' | 'ツ' | 'テ' | 'ト'
        | 'ハ' | 'ヒ' | 'フ' | 'ヘ' | 'ホ' => char::from_u32(u32::from(c) + 1).unwrap_or(c),
        'ウ' => 'ヴ',
        _ => c,
    }
}
