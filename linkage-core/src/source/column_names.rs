//! The names that columns have, from the reviewed table `data/column_names.tsv`, and whether a first row is made of them.

use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

const TABLE: &str = include_str!("../../data/column_names.tsv");

/// What a column can hold, and the folded names that say so.
#[derive(Debug)]
pub struct Role {
    /// The name of the role: of the field of a shipped schema that it fills, where there is one.
    pub name: &'static str,
    names: Vec<String>,
}

static ROLES: LazyLock<Vec<Role>> = LazyLock::new(|| {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    let roles = lines.filter_map(|line| line.split_once('\t'));
    roles.map(|(name, names)| Role { name, names: names.split('|').map(fold).collect() }).collect()
});

/// How well the name of a column fits a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It says something else, or nothing.
    None,
    /// It contains a known name.
    Contains,
    /// It is a known name.
    Is,
}

impl Role {
    /// Every role of the table.
    pub fn all() -> &'static [Self] {
        &ROLES
    }

    /// The role of this name.
    pub fn of(name: &str) -> Option<&'static Self> {
        ROLES.iter().find(|role| role.name == name)
    }

    /// How well the name of a column fits the role.
    pub fn fit(&self, column: &str) -> Fit {
        let column = fold(column);
        if self.names.contains(&column) {
            return Fit::Is;
        }
        // A short name such as 名 or id occurs in many others.
        let contains = |name: &&String| name.chars().count() >= 3 && column.contains(name.as_str());
        if self.names.iter().any(|name| contains(&name)) { Fit::Contains } else { Fit::None }
    }
}

/// Whether a first row names columns. Only then may it be shown; when in doubt it is somebody's data.
///
/// `wanted` says which names are known besides those of the table: the ones that a caller looks for. Every cell must look
/// like a name, and known ones must be among them. One that no person is called, such as 生年月日 or birth_date, is enough;
/// else it takes two of which one has kanji, or three: somebody may be called メイ, Kana or Street.
pub fn is_header(names: &[String], wanted: impl Fn(&str) -> bool) -> bool {
    let like_a_name = |name: &String| {
        let digits = name.chars().filter(|c| c.is_numeric()).count();
        digits < 4 && name.chars().count() <= 40 && !name.chars().any(char::is_control)
    };
    if !names.iter().all(like_a_name) {
        return false;
    }
    let known = || {
        let is_known = |name: &&String| wanted(name) || ROLES.iter().any(|role| role.fit(name) == Fit::Is);
        names.iter().filter(is_known)
    };
    let nobodys = |name: &String| name.contains('_') || (name.chars().count() >= 3 && !name.chars().any(is_letter));
    let has_kanji = |name: &String| name.chars().any(|c| matches!(c, '\u{4E00}'..='\u{9FFF}'));
    known().any(nobodys) || known().count() >= if known().any(has_kanji) { 2 } else { 3 }
}

/// A Latin letter or kana: what names of persons and short names of columns are both written in.
fn is_letter(c: char) -> bool {
    c.is_alphabetic() && !matches!(c, '\u{4E00}'..='\u{9FFF}' | '々' | 'ー')
}

/// A name as the table is compared: width, case, spaces and signs do not count.
fn fold(name: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, 'ー' | '〒');
    name.nfkc().flat_map(char::to_lowercase).filter(kept).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_role_has_names_and_no_name_twice() {
        assert!(ROLES.len() > 20);
        for role in ROLES.iter() {
            let distinct: HashSet<&String> = role.names.iter().collect();
            assert!(distinct.len() == role.names.len() && !role.names.contains(&String::new()), "{}", role.name);
        }
    }

    #[test]
    fn a_first_row_is_a_header_when_it_is_proved_to_be_one() {
        let is =
            |row: &str| is_header(&row.split(',').map(str::to_owned).collect::<Vec<_>>(), |name| name == "Rufname");
        for header in [
            "id,name,dob",
            "患者ID,フリガナ,病棟",
            "x,生年月日",
            "birth_date",
            "姓,名",
            "Rufname,sex,dob",
            "見出し,郵便番号,備考",
        ] {
            assert!(is(header), "{header}");
        }
        for data in [
            "サトウ,ハナコ,佐藤,花子,女",
            "セイ,メイ,清,芽依,女",
            "Sei,Kana,F",
            "Street,Anna,F",
            "Dobson,Essex,12 Main Street",
            "x,y",
            "",
            "Rufname,12,F",
            "id,19830304",
            "id,１９８３０３０４,sex",
            "生年月日,a\tb",
            "氏名,この列には患者の氏名を記載するものとし、姓と名の間に全角の空白を一つ置くものとする。必須",
        ] {
            assert!(!is(data), "{data}");
        }
    }

    #[test]
    fn names_are_found_in_any_width_case_and_punctuation() {
        for (role, column, fit) in [
            ("birth_date", "生年月日", Fit::Is),
            ("birth_date", "Date of Birth", Fit::Is),
            ("birth_date", "ＤＯＢ", Fit::Is),
            ("birth_date", "本人の生年月日（西暦）", Fit::Contains),
            ("name_kana", "氏名(ｶﾅ)", Fit::Is),
            ("name_kana", "ﾌﾘｶﾞﾅ", Fit::Is),
            ("record_id", "患者ＩＤ", Fit::Is),
            ("insured_number", "番号", Fit::Is),
            ("insured_number", "電話番号", Fit::None),
            ("sex", "身長", Fit::None),
        ] {
            assert_eq!(Role::of(role).unwrap().fit(column), fit, "{column}");
        }
    }
}
