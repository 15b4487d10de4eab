//! Names in proportion to how often they occur: tables for the frequent ones, plausible combinations for the rest.

use crate::population::Sex;
use crate::random::{Random, Weighted};
use crate::table::{number, rows};

/// A family or a given name, as the register has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name {
    /// In kanji (or as registered otherwise); none for most foreign residents.
    pub kanji: Option<String>,
    /// Reading in full-width katakana.
    pub kana: String,
}

/// Share of people whose family name stands in the table is what the table's counts add up to, of 125 million.
const POPULATION_THOUSANDS: f64 = 125_000.0;
/// Share of people whose given name stands in the table. Chosen so that the chance that two people of one sex and birth
/// year share a reading is near the 0.003 to 0.008 from which the national collision figures follow; a test checks it.
const FREQUENT_GIVEN_SHARE: f64 = 0.26;
/// Share of households with the older or variant form of a character that has one.
const VARIANT_SHARE: f64 = 0.06;
const FIRST_YEAR: u16 = 1910;
const LAST_YEAR: u16 = 2026;

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
    frequent_families: (Vec<Part>, Weighted),
    frequent_family_share: f64,
    family_parts: [(Vec<Part>, Weighted); 2],
    given: [GivenNames; 2],
    foreign: Foreign,
}

struct Part {
    kanji: &'static str,
    kana: &'static str,
}

struct Cohort {
    peak: f64,
    spread: f64,
    weight: f64,
}

/// Names of one sex, with the weights of every birth year worked out beforehand.
struct GivenNames {
    frequent: ByYear,
    first: ByYear,
    last: ByYear,
}

struct ByYear {
    parts: Vec<Part>,
    years: Vec<Weighted>,
}

struct Foreign {
    groups: Weighted,
    names: Vec<[(Vec<Name>, Weighted); 2]>,
}

impl Names {
    pub(crate) fn load() -> Self {
        let frequent: Vec<[&str; 3]> = rows(include_str!("../data/surnames.tsv")).collect();
        let weights = Weighted::new(frequent.iter().map(|row| number(row[2])));
        let parts: Vec<[&str; 4]> = rows(include_str!("../data/surname_parts.tsv")).collect();
        let position = |wanted: &str| {
            let chosen: Vec<_> = parts.iter().filter(|row| row[0] == wanted).collect();
            let weights = Weighted::new(chosen.iter().map(|row| number(row[3])));
            (chosen.iter().map(|row| Part { kanji: row[1], kana: row[2] }).collect(), weights)
        };
        Self {
            frequent_family_share: weights.total() / POPULATION_THOUSANDS,
            frequent_families: (frequent.iter().map(|row| Part { kanji: row[0], kana: row[1] }).collect(), weights),
            family_parts: [position("first"), position("last")],
            given: [
                GivenNames::load("male", include_str!("../data/given_male.tsv")),
                GivenNames::load("female", include_str!("../data/given_female.tsv")),
            ],
            foreign: Foreign::load(),
        }
    }

    pub(crate) fn family(&self, random: &mut Random) -> Name {
        if random.chance(self.frequent_family_share) {
            let (names, weights) = &self.frequent_families;
            let part = &names[weights.draw(random)];
            return registered(random, part.kanji.to_owned(), part.kana.to_owned());
        }
        let [(first, first_weights), (last, last_weights)] = &self.family_parts;
        loop {
            let (a, b) = (&first[first_weights.draw(random)], &last[last_weights.draw(random)]);
            if a.kanji != b.kanji {
                return registered(random, format!("{}{}", a.kanji, b.kanji), format!("{}{}", a.kana, b.kana));
            }
        }
    }

    pub(crate) fn given(&self, random: &mut Random, sex: Sex, birth_year: u16) -> Name {
        let names = &self.given[sex as usize];
        if random.chance(FREQUENT_GIVEN_SHARE) {
            let part = names.frequent.draw(random, birth_year);
            return registered(random, part.kanji.to_owned(), part.kana.to_owned());
        }
        loop {
            let (a, b) = (names.first.draw(random, birth_year), names.last.draw(random, birth_year));
            if a.kanji != b.kanji && !a.kana.ends_with(b.kana) {
                return registered(random, format!("{}{}", a.kanji, b.kanji), format!("{}{}", a.kana, b.kana));
            }
        }
    }

    /// The index of a group of foreign residents, for the two calls below.
    pub(crate) fn foreign_group(&self, random: &mut Random) -> usize {
        self.foreign.groups.draw(random)
    }

    pub(crate) fn foreign_family(&self, random: &mut Random, group: usize) -> Name {
        let (names, weights) = &self.foreign.names[group][0];
        names[weights.draw(random)].clone()
    }

    pub(crate) fn foreign_given(&self, random: &mut Random, group: usize) -> Name {
        let (names, weights) = &self.foreign.names[group][1];
        names[weights.draw(random)].clone()
    }
}

/// The name as the register has it: now and then with a variant form of a character.
fn registered(random: &mut Random, mut kanji: String, kana: String) -> Name {
    if random.chance(VARIANT_SHARE)
        && let Some((plain, variant)) = VARIANTS.iter().find(|(plain, _)| kanji.contains(*plain))
    {
        kanji = kanji.replace(*plain, &variant.to_string());
    }
    Name { kanji: Some(kanji), kana }
}

impl GivenNames {
    fn load(sex: &str, frequent: &'static str) -> Self {
        let cohort =
            |peak, spread, weight| Cohort { peak: number(peak), spread: number(spread), weight: number(weight) };
        let parts: Vec<[&str; 7]> =
            rows(include_str!("../data/given_parts.tsv")).filter(|row: &[&str; 7]| row[0] == sex).collect();
        let position = |wanted: &str| {
            ByYear::new(
                parts
                    .iter()
                    .filter(|row| row[1] == wanted)
                    .map(|row| (Part { kanji: row[2], kana: row[3] }, cohort(row[4], row[5], row[6]))),
            )
        };
        Self {
            frequent: ByYear::new(
                rows(frequent)
                    .map(|[kanji, kana, peak, spread, weight]| (Part { kanji, kana }, cohort(peak, spread, weight))),
            ),
            first: position("first"),
            last: position("last"),
        }
    }
}

impl ByYear {
    fn new(entries: impl Iterator<Item = (Part, Cohort)>) -> Self {
        let (parts, cohorts): (Vec<Part>, Vec<Cohort>) = entries.unzip();
        let years = (FIRST_YEAR..=LAST_YEAR)
            .map(|year| Weighted::new(cohorts.iter().map(|cohort| cohort.weight_in(f64::from(year)))))
            .collect();
        Self { parts, years }
    }

    fn draw(&self, random: &mut Random, year: u16) -> &Part {
        let year = year.clamp(FIRST_YEAR, LAST_YEAR) - FIRST_YEAR;
        &self.parts[self.years[usize::from(year)].draw(random)]
    }
}

impl Cohort {
    /// A bell over birth years, with a floor: no name ever dies out.
    fn weight_in(&self, year: f64) -> f64 {
        let distance = (year - self.peak) / self.spread;
        self.weight * ((-0.5 * distance * distance).exp() + 0.02)
    }
}

impl Foreign {
    fn load() -> Self {
        // Shares after the resident statistics at the end of 2024; "xx" stands for all other countries.
        const GROUPS: [(&str, f64); 4] = [("cn", 0.26), ("kr", 0.16), ("vn", 0.18), ("xx", 0.40)];
        let table: Vec<[&str; 5]> = rows(include_str!("../data/foreign.tsv")).collect();
        let part = |group: &str, position: &str| {
            let chosen: Vec<_> = table.iter().filter(|row| row[0] == group && row[1] == position).collect();
            let names = chosen
                .iter()
                .map(|row| Name { kanji: (row[2] != "-").then(|| row[2].to_owned()), kana: row[3].to_owned() })
                .collect();
            (names, Weighted::new(chosen.iter().map(|row| number(row[4]))))
        };
        Self {
            groups: Weighted::new(GROUPS.map(|(_, share)| share)),
            names: GROUPS.iter().map(|(group, _)| [part(group, "family"), part(group, "given")]).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_tables_can_be_read() {
        let names = Names::load();
        assert!(names.frequent_families.0.len() >= 200);
        assert!(names.given.iter().all(|given| given.frequent.parts.len() >= 200));
        assert!((0.3..0.6).contains(&names.frequent_family_share), "{}", names.frequent_family_share);
    }

    #[test]
    fn given_names_follow_their_cohort() {
        let names = Names::load();
        let count = |wanted: &str, year| {
            let mut random = Random::new(1, "cohort", u64::from(year));
            (0..20_000).filter(|_| names.given(&mut random, Sex::Female, year).kanji.as_deref() == Some(wanted)).count()
        };
        assert!(count("和子", 1934) > 20 * count("和子", 2010).max(1));
        assert!(count("結衣", 2009) > 20 * count("結衣", 1950).max(1));
    }
}
