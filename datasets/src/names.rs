//! Names in proportion to how often they occur: tables for the frequent ones, plausible combinations for the rest.
//!
//! Family names: the 2,000 most frequent with their bearers (`data/surnames.tsv`), and a tail put together from parts, for
//! Japan has more than 100,000 kinds of which most have few bearers. Given names: lists with the birth years in which each
//! was frequent, and combinations of characters that have their fashions too.

mod foreign;
mod given;

use std::collections::HashSet;

use crate::population::Sex;
use crate::random::{Random, Weighted};
use crate::rates::PopulationModel;
use crate::table::{number, rows};
use foreign::Foreign;
use given::GivenNames;

/// A family or a given name, as the register has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name {
    /// In kanji, or as registered otherwise; foreign residents without kanji have Latin letters here.
    pub kanji: Option<String>,
    /// Reading in full-width katakana; of foreign residents a usual one, for no register holds any. Several given names
    /// have a space between them.
    pub kana: String,
}

/// The number of people among whom the table counts bearers.
const POPULATION_THOUSANDS: f64 = 125_000.0;
/// Share of the names outside the table that have three characters. Chosen, so that the rarest names are as many as published.
const THREE_CHARACTERS: f64 = 0.3;
/// What names of three characters begin with.
const PREFIXES: [(&str, &str, f64); 14] = [
    ("小", "コ", 10.0),
    ("大", "オオ", 10.0),
    ("上", "カミ", 5.0),
    ("下", "シモ", 4.0),
    ("東", "ヒガシ", 5.0),
    ("西", "ニシ", 5.0),
    ("南", "ミナミ", 3.0),
    ("北", "キタ", 4.0),
    ("中", "ナカ", 4.0),
    ("新", "シン", 3.0),
    ("奥", "オク", 2.0),
    ("前", "マエ", 2.0),
    ("三", "ミ", 3.0),
    ("宇", "ウ", 2.0),
];

/// Characters with a form that registers hold and many systems lack or replace.
pub(crate) const VARIANTS: [(char, char); 16] = [
    ('高', '髙'),
    ('崎', '﨑'),
    ('浜', '濵'),
    ('辺', '邊'),
    ('斎', '齋'),
    ('斉', '齊'),
    ('沢', '澤'),
    ('島', '嶋'),
    ('桜', '櫻'),
    ('広', '廣'),
    ('真', '眞'),
    ('恵', '惠'),
    ('徳', '德'),
    ('瀬', '瀨'),
    ('富', '冨'),
    ('吉', '𠮷'),
];

pub(crate) struct Names {
    families: Families,
    given: [GivenNames; 2],
    foreign: Foreign,
}

struct Families {
    frequent: (Vec<Family>, Weighted),
    frequent_share: f64,
    rare: (Vec<Family>, Weighted),
    prefixes: Weighted,
}

/// A family name, and the form with a variant character where there is one.
struct Family {
    kanji: String,
    variant: Option<String>,
    kana: String,
}

impl Names {
    pub(crate) fn load() -> Self {
        Self {
            families: Families::load(),
            given: [
                GivenNames::load("male", include_str!("../data/given_male.tsv")),
                GivenNames::load("female", include_str!("../data/given_female.tsv")),
            ],
            foreign: Foreign::load(),
        }
    }

    /// A family name; a share of the names that could be registered with a variant character are.
    pub(crate) fn family(&self, random: &mut Random, model: &PopulationModel) -> Name {
        self.families.draw(random, model)
    }

    pub(crate) fn given(&self, random: &mut Random, sex: Sex, birth_year: u16, model: &PopulationModel) -> Name {
        let (kanji, kana) = self.given[sex as usize].draw(random, birth_year);
        let variant = variant(&kanji);
        let registered = random.chance(variant.as_deref().map_or(0.0, |variant| registered_share(variant, model)));
        let variant = variant.filter(|_| registered);
        Name { kanji: Some(variant.unwrap_or(kanji)), kana }
    }

    /// The index of a group of foreign residents, for the two calls below.
    pub(crate) fn foreign_group(&self, random: &mut Random) -> usize {
        self.foreign.group(random)
    }

    pub(crate) fn foreign_family(&self, random: &mut Random, group: usize, in_kanji: bool) -> Name {
        self.foreign.family(random, group, in_kanji)
    }

    pub(crate) fn foreign_given(&self, random: &mut Random, group: usize, sex: Sex, in_kanji: bool) -> Name {
        self.foreign.given(random, group, sex, in_kanji)
    }
}

impl Families {
    fn load() -> Self {
        let table: Vec<[&str; 3]> = rows(include_str!("../data/surnames.tsv")).collect();
        let listed: HashSet<&str> = table.iter().map(|row| row[0]).collect();
        // A variant that the table counts as a name of its own (渡邊) must not be counted twice.
        let family = |kanji: String, kana: String| {
            let variant = variant(&kanji).filter(|variant| !listed.contains(variant.as_str()));
            Family { variant, kanji, kana }
        };
        let counts = Weighted::new(table.iter().map(|row| number(row[2])));
        let parts: Vec<[&str; 4]> = rows(include_str!("../data/surname_parts.tsv")).collect();
        let position = |wanted: &'static str| parts.iter().filter(move |row| row[0] == wanted);
        let mut rare = Vec::new();
        let mut weights = Vec::new();
        for a in position("first") {
            for b in position("last").filter(|b| b[1] != a[1]) {
                let kanji = format!("{}{}", a[1], b[1]);
                if !listed.contains(kanji.as_str()) {
                    rare.push(family(kanji, format!("{}{}", a[2], b[2])));
                    weights.push(number(a[3]) * number(b[3]));
                }
            }
        }
        Self {
            frequent_share: counts.total() / POPULATION_THOUSANDS,
            frequent: (table.iter().map(|row| family(row[0].to_owned(), row[1].to_owned())).collect(), counts),
            rare: (rare, Weighted::new(weights)),
            prefixes: Weighted::new(PREFIXES.map(|(.., weight)| weight)),
        }
    }

    fn draw(&self, random: &mut Random, model: &PopulationModel) -> Name {
        let frequent = random.chance(self.frequent_share);
        let (names, weights) = if frequent { &self.frequent } else { &self.rare };
        let family = &names[weights.draw(random)];
        if !frequent && random.chance(THREE_CHARACTERS) {
            let (kanji, kana, _) = PREFIXES[self.prefixes.draw(random)];
            return Name { kanji: Some(format!("{kanji}{}", family.kanji)), kana: format!("{kana}{}", family.kana) };
        }
        let variant = family.variant.as_ref();
        let variant = variant.filter(|variant| random.chance(registered_share(variant, model)));
        Name { kanji: Some(variant.unwrap_or(&family.kanji).clone()), kana: family.kana.clone() }
    }
}

/// The share of the names with this variant form that are registered with it.
fn registered_share(variant: &str, model: &PopulationModel) -> f64 {
    if variant.contains(outside_jis) { model.variant_share_beyond_jis } else { model.variant_share }
}

/// The characters of our variants that JIS X 0208 does not have.
pub(crate) fn outside_jis(c: char) -> bool {
    matches!(c, '髙' | '﨑' | '濵' | '德' | '瀨' | '𠮷')
}

/// The name with a variant form of the first of its characters that has one.
fn variant(kanji: &str) -> Option<String> {
    let (plain, variant) = VARIANTS.iter().find(|(plain, _)| kanji.contains(*plain))?;
    Some(kanji.replace(*plain, variant.encode_utf8(&mut [0; 4])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_tables_can_be_read() {
        let names = Names::load();
        assert!(names.families.frequent.0.len() > 2000 && names.families.rare.0.len() > 10_000);
        assert!((0.79..0.80).contains(&names.families.frequent_share), "{}", names.families.frequent_share);
    }

    #[test]
    fn given_names_follow_their_cohort() {
        let names = Names::load();
        let count = |wanted: &str, year| {
            let mut random = Random::new(1, "cohort", u64::from(year));
            (0..20_000)
                .filter(|_| {
                    names.given(&mut random, Sex::Female, year, &PopulationModel::none()).kanji.as_deref()
                        == Some(wanted)
                })
                .count()
        };
        assert!(count("和子", 1934) > 20 * count("和子", 2010).max(1));
        assert!(count("結衣", 2009) > 20 * count("結衣", 1950).max(1));
    }

    /// Given names in kanji from the most frequent on, with their shares.
    fn by_frequency(names: &Names, sex: Sex, year: u16) -> Vec<(String, f64)> {
        const DRAWS: u32 = 60_000;
        let mut random = Random::new(2, "ranking", u64::from(year));
        let mut counts = std::collections::HashMap::<String, u32>::new();
        for _ in 0..DRAWS {
            let name = names.given(&mut random, sex, year, &PopulationModel::none());
            *counts.entry(name.kanji.unwrap_or_default()).or_default() += 1;
        }
        let mut shares: Vec<(String, f64)> =
            counts.into_iter().map(|(name, n)| (name, f64::from(n) / f64::from(DRAWS))).collect();
        shares.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        shares
    }

    #[test]
    fn given_names_are_the_fashion_of_their_birth_years() {
        use Sex::{Female, Male};
        let names = Names::load();
        // The first names of published yearly rankings (japan-formats.md §5), and the rank that each must reach here. 勇, 稔,
        // 清 and 咲良 are less frequent than published, and the hundred first names of 2011 more (.37 instead of .20).
        for (year, sex, among) in [
            (1912, Male, &[("正一", 6)][..]),
            (1912, Female, &[("千代", 2)]),
            (1927, Male, &[("昭二", 10)]),
            (1927, Female, &[("和子", 2)]),
            (1943, Male, &[("勝", 6), ("進", 10), ("勇", 16)]),
            (1946, Male, &[("和夫", 3), ("清", 20), ("稔", 22)]),
            (1957, Male, &[("誠", 3)]),
            (1960, Male, &[("誠", 3), ("浩", 3)]),
            (1968, Male, &[("誠", 2)]),
            (1978, Male, &[("誠", 9)]),
            (1979, Male, &[("大輔", 2)]),
            (1986, Male, &[("大輔", 4)]),
            (1995, Male, &[("翔太", 3), ("健太", 6), ("大輝", 10)]),
            (1995, Female, &[("美咲", 2), ("愛", 14), ("さくら", 14)]),
            (2005, Male, &[("蓮", 6)]),
            (2005, Female, &[("陽菜", 3), ("葵", 6)]),
            (2017, Male, &[("陽翔", 8), ("悠真", 14)]),
            (2017, Female, &[("結菜", 10), ("咲良", 35)]),
        ] {
            let shares = by_frequency(&names, sex, year);
            for (wanted, rank) in among {
                let found = shares.iter().position(|(name, _)| name == wanted).map(|at| at + 1);
                assert!(found.is_some_and(|found| found <= *rank), "{wanted} of {year}: {found:?}");
            }
        }
        let of_1933 = by_frequency(&names, Male, 1933);
        let one_kanji = of_1933[..8].iter().filter(|(name, _)| name.chars().count() == 1).count();
        assert!(one_kanji >= 4, "{:?}", &of_1933[..8]);
    }

    #[test]
    fn a_name_is_not_made_a_variant_that_the_table_counts_by_itself() {
        let families = Families::load();
        let variant_of = |kanji: &str| families.frequent.0.iter().find(|f| f.kanji == kanji).unwrap().variant.clone();
        assert_eq!(variant_of("高橋"), Some("髙橋".to_owned()));
        assert_eq!(variant_of("渡辺"), None);
    }
}
