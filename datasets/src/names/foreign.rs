//! Names of foreign residents. The residence card has them in Latin letters; from countries that use kanji those may stand
//! beside. The reading is nobody's official one.

use super::Name;
use crate::population::Sex;
use crate::random::{Random, Weighted};
use crate::table::{number, rows};

/// Shares after the resident statistics at the end of 2024; "xx" stands for all other countries.
const GROUPS: [(&str, f64); 4] = [("cn", 0.25), ("kr", 0.11), ("vn", 0.17), ("xx", 0.47)];
/// How many of the group "xx" have a second given name.
const SECOND_GIVEN_NAME: f64 = 0.4;

pub(super) struct Foreign {
    groups: Weighted,
    /// Of each group: family names, male and female given names.
    names: Vec<[(Vec<Form>, Weighted); 3]>,
}

struct Form {
    kanji: Option<&'static str>,
    latin: &'static str,
    kana: &'static str,
}

impl Foreign {
    pub(super) fn load() -> Self {
        let table: Vec<[&str; 6]> = rows(include_str!("../../data/foreign.tsv")).collect();
        let part = |group: &str, position: &str| {
            let chosen: Vec<_> = table.iter().filter(|row| row[0] == group && row[1] == position).collect();
            let forms = chosen
                .iter()
                .map(|row| Form { kanji: Some(row[2]).filter(|kanji| *kanji != "-"), latin: row[3], kana: row[4] })
                .collect();
            (forms, Weighted::new(chosen.iter().map(|row| number(row[5]))))
        };
        Self {
            groups: Weighted::new(GROUPS.map(|(_, share)| share)),
            names: GROUPS.iter().map(|(group, _)| ["family", "male", "female"].map(|name| part(group, name))).collect(),
        }
    }

    pub(super) fn group(&self, random: &mut Random) -> usize {
        self.groups.draw(random)
    }

    pub(super) fn family(&self, random: &mut Random, group: usize, in_kanji: bool) -> Name {
        self.draw(random, group, 0).name(in_kanji)
    }

    pub(super) fn given(&self, random: &mut Random, group: usize, sex: Sex, in_kanji: bool) -> Name {
        let position = 1 + sex as usize;
        let first = self.draw(random, group, position);
        let mut name = first.name(in_kanji);
        if GROUPS[group].0 == "xx" && random.chance(SECOND_GIVEN_NAME) {
            let second = self.draw(random, group, position);
            if second.latin != first.latin {
                name = Name {
                    kanji: Some(format!("{} {}", first.latin, second.latin)),
                    kana: format!("{} {}", first.kana, second.kana),
                };
            }
        }
        name
    }

    fn draw(&self, random: &mut Random, group: usize, position: usize) -> &Form {
        let (forms, weights) = &self.names[group][position];
        &forms[weights.draw(random)]
    }
}

impl Form {
    fn name(&self, in_kanji: bool) -> Name {
        let registered = self.kanji.filter(|_| in_kanji).unwrap_or(self.latin);
        Name { kanji: Some(registered.to_owned()), kana: self.kana.to_owned() }
    }
}
