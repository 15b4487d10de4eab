//! Names: which script they are in, where they are split, and which of several of them count.

use super::NameNote;
use super::person::{Column, Person, Value};

/// The columns of a name in kanji: whole, family, given.
pub(super) const KANJI: [Column; 3] = [Column::NameKanji, Column::FamilyKanji, Column::GivenKanji];
pub(super) const KANA: [Column; 3] = [Column::NameKana, Column::FamilyKana, Column::GivenKana];
pub(super) const LATIN: [Column; 3] = [Column::NameLatin, Column::FamilyLatin, Column::GivenLatin];

/// The names of one person that a format lists one by one, each with how much it counts. The first of the highest rank
/// in a script wins; rank 0 is none.
#[derive(Default)]
pub(super) struct Names {
    pub(super) legal: Scripts,
    /// A name in common use beside the legal one: 通称 of a foreign resident.
    pub(super) common: Scripts,
    former: Vec<Value>,
}

/// One name in the scripts in which it is written.
#[derive(Default)]
pub(super) struct Scripts {
    ideographic: (u8, Value),
    syllabic: (u8, Value),
    latin: (u8, Value),
}

/// A name that is no longer borne.
pub(super) enum Former {
    /// A family name.
    Family(Value),
    /// A whole name: its family name counts where it can be told.
    Whole(Value),
}

impl Scripts {
    /// Adds a name in kanji, or in whatever the format calls that.
    pub(super) fn ideographic(&mut self, rank: u8, name: Value) {
        keep(&mut self.ideographic, rank, name);
    }

    /// Adds a name in kana.
    pub(super) fn syllabic(&mut self, rank: u8, name: Value) {
        keep(&mut self.syllabic, rank, name);
    }

    /// Adds a name in the alphabet.
    pub(super) fn latin(&mut self, rank: u8, name: Value) {
        keep(&mut self.latin, rank, name);
    }

    /// Adds a name of which the format does not say what it is written in.
    pub(super) fn by_script(&mut self, rank: u8, name: Value) {
        if is_kana(&name.text) {
            self.syllabic(rank, name);
        } else if is_latin(&name.text) {
            self.latin(rank, name);
        } else {
            self.ideographic(rank, name);
        }
    }

    fn is_in_kanji_or_kana(&self) -> bool {
        self.ideographic.0 > 0 || self.syllabic.0 > 0
    }
}

impl Names {
    /// Adds a name from before a marriage or another change.
    pub(super) fn former(&mut self, name: Former) {
        match name {
            Former::Family(name) => self.former.push(name),
            Former::Whole(name) => {
                let (family, given) = split(&name.text);
                if !given.is_empty() {
                    self.former.push(Value { text: family.to_owned(), damaged: name.damaged });
                }
            }
        }
    }
}

fn keep(slot: &mut (u8, Value), rank: u8, name: Value) {
    if rank > slot.0 && !name.text.trim().is_empty() {
        *slot = (rank, name);
    }
}

impl Person {
    /// Sets the names from a list of them.
    ///
    /// A name in common use stands for the legal one in the scripts that this lacks, but never beside it: where the legal
    /// name is in the alphabet and also in kanji or kana, they are two names, and no column takes parts of both.
    pub(super) fn set_all_names(&mut self, names: &Names) {
        let Names { legal, common, former } = names;
        let apart = legal.latin.0 > 0 && legal.is_in_kanji_or_kana();
        let of = |script: fn(&Scripts) -> &(u8, Value)| match script(legal).0 {
            0 if !apart => &script(common).1,
            _ => &script(legal).1,
        };
        self.set_names(of(|name| &name.ideographic), of(|name| &name.syllabic));
        let latin = of(|name| &name.latin);
        if !latin.text.is_empty() {
            self.set_latin(latin);
        }
        for name in [&common.syllabic.1, &common.ideographic.1] {
            let column = if is_kana(&name.text) { Column::AliasKana } else { Column::AliasKanji };
            if self.get(column).is_empty() && !is_latin(&name.text) {
                self.set(column, name.text.trim(), name.damaged);
            }
        }
        for name in former {
            let kana = is_kana(&name.text);
            let column = if kana { Column::FormerFamilyKana } else { Column::FormerFamilyKanji };
            if self.get(column).is_empty() && !is_latin(&name.text) {
                self.set(column, name.text.trim(), name.damaged);
            }
        }
    }

    /// Sets the names from a column that may hold kanji, kana or the alphabet, and from one that should hold kana.
    ///
    /// A facility that lacks one character of a name writes all of it in kana, and many a foreign resident has a name in
    /// the alphabet alone: so the script decides, not the column. A name without a space cannot be split: it stands whole
    /// in the column of the family name. Of several given names all are given names.
    pub(super) fn set_names(&mut self, name: &Value, kana: &Value) {
        let name_is_kana = is_kana(&name.text);
        if is_latin(&name.text) {
            self.note(NameNote::MovedToLatin);
            self.set_latin(name);
        } else if name_is_kana {
            self.note(NameNote::MovedToKana);
        } else {
            self.set_parts(KANJI, name);
        }
        if is_latin(&kana.text) {
            self.note(NameNote::MovedToLatin);
            if self.get(Column::NameLatin).is_empty() {
                self.set_latin(kana);
            }
        } else if !kana.text.trim().is_empty() {
            self.set_parts(KANA, kana);
            if name_is_kana && !split(&name.text).1.is_empty() && split(&kana.text).1.is_empty() {
                self.set_parts(KANA, name);
                self.set(Column::NameKana, kana.text.trim(), kana.damaged);
            }
            return;
        }
        if name_is_kana {
            self.set_parts(KANA, name);
        }
    }

    fn set_latin(&mut self, name: &Value) {
        self.set_parts(LATIN, name);
    }

    fn set_parts(&mut self, [whole, family, given]: [Column; 3], name: &Value) {
        let (first, rest) = split(&name.text);
        self.set(whole, name.text.trim(), name.damaged);
        self.set(family, first.trim_end_matches([',', '，']), name.damaged);
        self.set(given, rest, name.damaged);
    }
}

/// Splits a name at its first space of any width; the second part is empty when there is none.
pub(super) fn split(name: &str) -> (&str, &str) {
    let name = name.trim();
    match name.split_once(char::is_whitespace) {
        Some((family, given)) => (family, given.trim()),
        None => (name, ""),
    }
}

/// Whether a name is written in the alphabet alone, of any width.
pub(super) fn is_latin(name: &str) -> bool {
    let mut letters = false;
    for c in name.chars() {
        match c {
            'A'..='Z' | 'a'..='z' | 'Ａ'..='Ｚ' | 'ａ'..='ｚ' | '\u{C0}'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}' => {
                letters = true
            }
            '・' | '･' | '.' | ',' | '，' | '．' | '\'' | '’' | '-' | '－' | '‐' | '\u{FFFD}' | '●' => {}
            _ if c.is_whitespace() => {}
            _ => return false,
        }
    }
    letters
}

pub(crate) use crate::normalise::is_kana;

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 9] = [
        Column::FamilyKana,
        Column::GivenKana,
        Column::NameKana,
        Column::FamilyKanji,
        Column::GivenKanji,
        Column::NameKanji,
        Column::FamilyLatin,
        Column::GivenLatin,
        Column::NameLatin,
    ];

    fn check(name: &str, kana: &str, expected: [&str; 9]) {
        let mut person = Person::default();
        person.set_names(&name.into(), &kana.into());
        assert_eq!(COLUMNS.map(|column| person.get(column).to_owned()), expected.map(str::to_owned), "{name} {kana}");
    }

    #[test]
    fn the_script_decides_where_a_name_goes_and_a_space_where_it_is_split() {
        let kanji = ["山田", "花子", "山田　花子"];
        check(
            "山田　花子",
            "ヤマダハナコ",
            ["ヤマダハナコ", "", "ヤマダハナコ", kanji[0], kanji[1], kanji[2], "", "", ""],
        );
        check(
            "山田花子",
            "ヤマダ ハナコ",
            ["ヤマダ", "ハナコ", "ヤマダ ハナコ", "山田花子", "", "山田花子", "", "", ""],
        );
        check("ヤマダ　ハナコ", "", ["ヤマダ", "ハナコ", "ヤマダ　ハナコ", "", "", "", "", "", ""]);
        check("ﾔﾏﾀﾞ ﾊﾅｺ", "ヤマダハナコ", ["ﾔﾏﾀﾞ", "ﾊﾅｺ", "ヤマダハナコ", "", "", "", "", "", ""]);
        check("", "", [""; 9]);
    }

    #[test]
    fn a_foreign_resident_has_a_name_in_the_alphabet_and_several_given_names() {
        let latin = ["NGUYEN", "THI MAI", "NGUYEN THI MAI"];
        check("NGUYEN THI MAI", "", ["", "", "", "", "", "", latin[0], latin[1], latin[2]]);
        check(
            "NGUYEN THI MAI",
            "グエン　ティ　マイ",
            ["グエン", "ティ　マイ", "グエン　ティ　マイ", "", "", "", latin[0], latin[1], latin[2]],
        );
        check(
            "ＳＭＩＴＨ，　Ｊｏｈｎ",
            "",
            ["", "", "", "", "", "", "ＳＭＩＴＨ", "Ｊｏｈｎ", "ＳＭＩＴＨ，　Ｊｏｈｎ"],
        );
        check("王　美麗", "WANG MEILI", ["", "", "", "王", "美麗", "王　美麗", "WANG", "MEILI", "WANG MEILI"]);
        check(
            "スミス　ジョン",
            "SMITH JOHN",
            ["スミス", "ジョン", "スミス　ジョン", "", "", "", "SMITH", "JOHN", "SMITH JOHN"],
        );
    }

    #[test]
    fn a_name_before_a_marriage_has_columns_of_its_own() {
        let mut names = Names::default();
        names.legal.by_script(2, "山田 花子".into());
        names.legal.by_script(2, "ヤマダ ハナコ".into());
        names.legal.by_script(1, "花ちゃん".into());
        names.former(Former::Whole("佐藤 花子".into()));
        names.former(Former::Whole("佐藤花子".into()));
        names.former(Former::Family("サトウ".into()));
        names.former(Former::Family("SATO".into()));
        let mut person = Person::default();
        person.set_all_names(&names);
        let columns = [Column::FamilyKanji, Column::FamilyKana, Column::FormerFamilyKanji, Column::FormerFamilyKana];
        assert_eq!(columns.map(|column| person.get(column).to_owned()), ["山田", "ヤマダ", "佐藤", "サトウ"]);
    }

    #[test]
    fn a_name_in_common_use_has_columns_of_its_own_and_fills_no_gap_of_another_name() {
        const NAMES: [Column; 5] =
            [Column::NameKanji, Column::NameKana, Column::NameLatin, Column::AliasKanji, Column::AliasKana];
        for (legal, common, expected) in [
            // The residence card has the alphabet alone: the common name is the only one in kanji and kana.
            (
                vec!["NGUYEN THI MAI"],
                vec!["山田 花子", "ヤマダ ハナコ"],
                ["山田 花子", "ヤマダ ハナコ", "NGUYEN THI MAI", "山田 花子", "ヤマダ ハナコ"],
            ),
            // With a reading of its own the legal name stays whole, without the kanji of the other.
            (
                vec!["NGUYEN THI MAI", "グエン ティ マイ"],
                vec!["山田 花子"],
                ["", "グエン ティ マイ", "NGUYEN THI MAI", "山田 花子", ""],
            ),
            (
                vec!["金 哲洙", "キム チョルス"],
                vec!["金田 哲男", "カネダ テツオ"],
                ["金 哲洙", "キム チョルス", "", "金田 哲男", "カネダ テツオ"],
            ),
            // A system that calls only the reading "usual".
            (vec!["山田 花子"], vec!["ヤマダ ハナコ"], ["山田 花子", "ヤマダ ハナコ", "", "", "ヤマダ ハナコ"]),
            (vec![], vec!["HANAKO"], ["", "", "HANAKO", "", ""]),
        ] {
            let mut names = Names::default();
            legal.iter().for_each(|name| names.legal.by_script(4, (*name).into()));
            common.iter().for_each(|name| names.common.by_script(3, (*name).into()));
            let mut person = Person::default();
            person.set_all_names(&names);
            assert_eq!(NAMES.map(|column| person.get(column).to_owned()), expected.map(str::to_owned), "{legal:?}");
        }
    }

    #[test]
    fn kana_and_letters_are_told_from_kanji() {
        for (text, kana, latin) in [
            ("ヤマダ　ハナコ", true, false),
            ("ﾔﾏﾀﾞ", true, false),
            ("やまだ", true, false),
            ("ヤマ●", true, false),
            ("山田", false, false),
            ("山ダ", false, false),
            ("YAMADA", false, true),
            ("Ｏ’Ｂｒｉｅｎ", false, true),
            ("MÜLLER", false, true),
            ("Ａ山", false, false),
            ("●●", false, false),
            ("", false, false),
        ] {
            assert_eq!((is_kana(text), is_latin(text)), (kana, latin), "{text}");
        }
    }
}
