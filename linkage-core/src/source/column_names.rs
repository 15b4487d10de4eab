//! The names that columns have, from the reviewed table `data/column_names.tsv`.

use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

const TABLE: &str = include_str!("../../data/column_names.tsv");

/// What a column can hold, and the folded names that say so.
pub(super) struct Role {
    pub(super) name: &'static str,
    names: Vec<String>,
}

pub(super) static ROLES: LazyLock<Vec<Role>> = LazyLock::new(|| {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    let roles = lines.filter_map(|line| line.split_once('\t'));
    roles.map(|(name, names)| Role { name, names: names.split('|').map(fold).collect() }).collect()
});

/// How well the name of a column fits a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// It says something else, or nothing.
    None,
    /// It contains a known name.
    Contains,
    /// It is a known name.
    Is,
}

impl Role {
    /// The role of this name.
    pub(super) fn of(name: &str) -> Option<&'static Self> {
        ROLES.iter().find(|role| role.name == name)
    }

    pub(super) fn fit(&self, column: &str) -> Fit {
        let column = fold(column);
        if self.names.contains(&column) {
            return Fit::Is;
        }
        // A short name such as 名 or id occurs in many others.
        let contains = |name: &&String| name.chars().count() >= 3 && column.contains(name.as_str());
        if self.names.iter().any(|name| contains(&name)) { Fit::Contains } else { Fit::None }
    }
}

/// A name as the table is compared: width, case, spaces and signs do not count.
pub(super) fn fold(name: &str) -> String {
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
