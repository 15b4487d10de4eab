//! Given names by sex and birth year.

use crate::random::{Random, Weighted};
use crate::table::{number, rows};

/// Share of people whose given name stands in the table. Chosen so that the chance that two people of one sex and birth
/// year share a reading is near the 0.003 to 0.008 from which the national collision figures follow; a test checks it.
const FREQUENT_SHARE: f64 = 0.26;
const FIRST_YEAR: u16 = 1910;
const LAST_YEAR: u16 = 2026;

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
pub(super) struct GivenNames {
    frequent: ByYear,
    first: ByYear,
    last: ByYear,
}

struct ByYear {
    parts: Vec<Part>,
    years: Vec<Weighted>,
}

impl GivenNames {
    pub(super) fn load(sex: &str, frequent: &'static str) -> Self {
        let cohort =
            |peak, spread, weight| Cohort { peak: number(peak), spread: number(spread), weight: number(weight) };
        let parts: Vec<[&str; 7]> =
            rows(include_str!("../../data/given_parts.tsv")).filter(|row: &[&str; 7]| row[0] == sex).collect();
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

    /// A name in kanji and its reading.
    pub(super) fn draw(&self, random: &mut Random, birth_year: u16) -> (String, String) {
        if random.chance(FREQUENT_SHARE) {
            let part = self.frequent.draw(random, birth_year);
            return (part.kanji.to_owned(), part.kana.to_owned());
        }
        loop {
            let (a, b) = (self.first.draw(random, birth_year), self.last.draw(random, birth_year));
            if a.kanji != b.kanji && !a.kana.ends_with(b.kana) {
                return ([a.kanji, b.kanji].concat(), [a.kana, b.kana].concat());
            }
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
