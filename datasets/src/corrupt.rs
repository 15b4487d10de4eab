//! What goes wrong between a person and a record: typing, old information, missing values, poor character sets.

use serde::{Deserialize, Serialize};

use crate::date::Date;
use crate::error::DatasetError;
use crate::insurance::Insurance;
use crate::names::{Name, VARIANTS};
use crate::population::{Person, REFERENCE_DATE, Sex};
use crate::random::{Random, Weighted};

/// Rates of errors, each from 0 to 1. The defaults are the design values of `japan-formats.md` §5; those that are counted
/// facts say so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ErrorModel {
    /// A reading has a typing error: 40 % voicing mark, 30 % one character, 20 % long vowel, 10 % two swapped.
    pub kana_typo: f64,
    /// A database in which the reading is optional lacks it.
    pub kana_missing: f64,
    /// A birth date is wrong: 50 % day, 20 % month, 20 % year by one, 5 % era, 5 % first of January.
    pub birth_date_error: f64,
    /// The sex is wrong.
    pub sex_error: f64,
    /// The postal code is missing.
    pub postal_code_missing: f64,
    /// The insurance number is missing.
    pub insurance_missing: f64,
    /// A database of limited characters cannot hold a name's variant form and writes the reading or ● instead.
    pub jis_fallback: f64,
    /// A clerk writes the ordinary form of a character where the register has a variant.
    pub ordinary_form: f64,
    /// Changes of family name per year among those who took a partner's name at the usual age of marriage
    /// (counted: about 4.5 % of women aged 25 to 34).
    pub name_change_per_year: f64,
    /// Moves to another municipality per year (counted: 4.2 %).
    pub move_per_year: f64,
    /// Changes of the insurance number per year (counted: about 11 %).
    pub insurer_change_per_year: f64,
}

impl Default for ErrorModel {
    fn default() -> Self {
        Self {
            kana_typo: 0.01,
            kana_missing: 0.10,
            birth_date_error: 0.003,
            sex_error: 0.001,
            postal_code_missing: 0.03,
            insurance_missing: 0.05,
            jis_fallback: 1.0,
            ordinary_form: 0.4,
            name_change_per_year: 0.045,
            move_per_year: 0.042,
            insurer_change_per_year: 0.11,
        }
    }
}

impl ErrorModel {
    /// A world without errors and changes: only notation differs between databases.
    #[must_use]
    pub fn none() -> Self {
        Self {
            kana_typo: 0.0,
            kana_missing: 0.0,
            birth_date_error: 0.0,
            sex_error: 0.0,
            postal_code_missing: 0.0,
            insurance_missing: 0.0,
            jis_fallback: 0.0,
            ordinary_form: 0.0,
            name_change_per_year: 0.0,
            move_per_year: 0.0,
            insurer_change_per_year: 0.0,
        }
    }

    /// Checks that every rate is one.
    ///
    /// # Errors
    /// [`DatasetError::Rate`] names the first number outside 0 to 1.
    pub fn check(&self) -> Result<(), DatasetError> {
        let rates = [
            ("kana_typo", self.kana_typo),
            ("kana_missing", self.kana_missing),
            ("birth_date_error", self.birth_date_error),
            ("sex_error", self.sex_error),
            ("postal_code_missing", self.postal_code_missing),
            ("insurance_missing", self.insurance_missing),
            ("jis_fallback", self.jis_fallback),
            ("ordinary_form", self.ordinary_form),
            ("name_change_per_year", self.name_change_per_year),
            ("move_per_year", self.move_per_year),
            ("insurer_change_per_year", self.insurer_change_per_year),
        ];
        match rates.into_iter().find(|(_, rate)| !(0.0..=1.0).contains(rate)) {
            Some((name, _)) => Err(DatasetError::Rate { name }),
            None => Ok(()),
        }
    }

    /// What a database knows of a person whose record was last brought up to date `years_old` years ago.
    pub(crate) fn observe(&self, random: &mut Random, person: &Person, years_old: f64) -> Observation {
        let [name, moved, insurer] = person.former.quantiles;
        let before = |rate: f64, quantile: f64| rate > 0.0 && -(1.0 - quantile).ln() / rate < years_old;
        let age = person.birth.age_on(REFERENCE_DATE);
        // People change their name when they marry: at the full rate around thirty, seldom before and after.
        let name_rate = self.name_change_per_year
            * match age {
                22..28 => 0.7,
                28..36 => 1.0,
                36..46 => 0.3,
                _ => 0.04,
            };
        let name = if before(name_rate, name) { &person.former.family } else { &person.family };
        let mut seen = Observation {
            family: name.clone(),
            given: person.given.clone(),
            birth: person.birth,
            sex: person.sex,
            postal_code: person.postal_code.clone(),
            insurance: Some(person.insurance.clone()),
        };
        if before(self.move_per_year, moved) {
            seen.postal_code.clone_from(&person.former.postal_code);
        }
        if before(self.insurer_change_per_year, insurer) {
            seen.insurance = Some(person.former.insurance.clone());
        }
        self.mistake(random, &mut seen);
        seen
    }

    fn mistake(&self, random: &mut Random, seen: &mut Observation) {
        if random.chance(self.kana_typo) {
            let name = if random.chance(0.5) { &mut seen.family } else { &mut seen.given };
            name.kana = misread(random, &name.kana);
        }
        if random.chance(self.birth_date_error) {
            seen.birth = misdated(random, seen.birth);
        }
        if random.chance(self.sex_error) {
            seen.sex = if seen.sex == Sex::Male { Sex::Female } else { Sex::Male };
        }
        if random.chance(self.postal_code_missing) {
            seen.postal_code.clear();
        }
        if random.chance(self.insurance_missing) {
            seen.insurance = None;
        }
    }
}

/// What a database knows of a person, before it is written down in the database's own way.
#[derive(Debug, Clone)]
pub(crate) struct Observation {
    pub(crate) family: Name,
    pub(crate) given: Name,
    pub(crate) birth: Date,
    pub(crate) sex: Sex,
    pub(crate) postal_code: String,
    pub(crate) insurance: Option<Insurance>,
}

/// Writes every variant form in its ordinary one.
pub(crate) fn ordinary(kanji: &str) -> String {
    kanji.chars().map(|c| VARIANTS.iter().find(|(_, variant)| *variant == c).map_or(c, |(plain, _)| *plain)).collect()
}

/// The characters of our variants that JIS X 0208 does not have.
pub(crate) fn outside_jis(c: char) -> bool {
    matches!(c, '髙' | '﨑' | '濵' | '德' | '瀨' | '𠮷')
}

const VOICED: [(char, char); 20] = [
    ('カ', 'ガ'),
    ('キ', 'ギ'),
    ('ク', 'グ'),
    ('ケ', 'ゲ'),
    ('コ', 'ゴ'),
    ('サ', 'ザ'),
    ('シ', 'ジ'),
    ('ス', 'ズ'),
    ('セ', 'ゼ'),
    ('ソ', 'ゾ'),
    ('タ', 'ダ'),
    ('チ', 'ヂ'),
    ('ツ', 'ヅ'),
    ('テ', 'デ'),
    ('ト', 'ド'),
    ('ハ', 'バ'),
    ('ヒ', 'ビ'),
    ('フ', 'ブ'),
    ('ヘ', 'ベ'),
    ('ホ', 'ボ'),
];

fn misread(random: &mut Random, kana: &str) -> String {
    let mut text: Vec<char> = kana.chars().collect();
    let position = random.below(text.len() as u64) as usize;
    match Weighted::new([40.0, 30.0, 20.0, 10.0]).draw(random) {
        0 => {
            let flipped = text.iter().enumerate().find_map(|(at, c)| {
                VOICED.iter().find_map(|&(plain, voiced)| match *c {
                    c if c == plain => Some((at, voiced)),
                    c if c == voiced => Some((at, plain)),
                    _ => None,
                })
            });
            if let Some((at, c)) = flipped {
                text[at] = c;
            }
        }
        1 => text[position] = VOICED[random.below(VOICED.len() as u64) as usize].0,
        2 => match text.iter().position(|c| matches!(c, 'ウ' | 'ー')) {
            Some(at) if text.len() > 2 => drop(text.remove(at)),
            _ => text.insert(position + 1, 'ウ'),
        },
        _ if text.len() > 1 => {
            let at = position.min(text.len() - 2);
            text.swap(at, at + 1);
        }
        _ => {}
    }
    text.into_iter().collect()
}

fn misdated(random: &mut Random, birth: Date) -> Date {
    loop {
        let mut date = birth;
        match Weighted::new([50.0, 20.0, 20.0, 5.0, 5.0]).draw(random) {
            0 => date.day = random.between(1, 31) as u8,
            1 => date.month = random.between(1, 12) as u8,
            2 => date.year = if random.chance(0.5) { date.year + 1 } else { date.year - 1 },
            // The right year of the wrong era: Shōwa for Heisei, or the other way round.
            3 => date.year = if date.year >= 1989 { date.year - 63 } else { date.year + 63 },
            _ => (date.month, date.day) = (1, 1),
        }
        if date.is_valid() && date <= REFERENCE_DATE && (date != birth || (birth.month, birth.day) == (1, 1)) {
            return date;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::Population;

    #[test]
    fn a_world_without_errors_is_observed_as_it_is() {
        let random = &mut Random::new(1, "test", 0);
        for person in &Population::new(1, 2000) {
            let seen = ErrorModel::none().observe(random, &person, 10.0);
            assert_eq!(
                (seen.family, seen.birth, seen.insurance),
                (person.family, person.birth, Some(person.insurance))
            );
        }
    }

    #[test]
    fn about_eleven_percent_change_their_insurer_in_a_year() {
        let (random, model) =
            (&mut Random::new(1, "test", 0), ErrorModel { insurance_missing: 0.0, ..ErrorModel::default() });
        let population = Population::new(1, 20_000);
        let changed = population
            .iter()
            .filter(|p| model.observe(random, p, 1.0).insurance.as_ref() != Some(&p.insurance))
            .count();
        assert!((1900..2400).contains(&changed), "{changed} of 20000");
    }

    #[test]
    fn women_around_thirty_change_their_names() {
        let (random, model) = (&mut Random::new(1, "test", 0), ErrorModel::default());
        let (mut changed, mut all) = (0, 0);
        for person in &Population::new(1, 200_000) {
            if person.sex == Sex::Female && (28..36).contains(&person.birth.age_on(REFERENCE_DATE)) {
                all += 1;
                changed += usize::from(model.observe(random, &person, 1.0).family != person.family);
            }
        }
        let share = changed as f64 / f64::from(all);
        assert!((0.015..0.06).contains(&share), "{share} per year");
    }

    #[test]
    fn wrong_dates_are_still_dates() {
        let random = &mut Random::new(1, "test", 0);
        for person in &Population::new(1, 5000) {
            assert!(misdated(random, person.birth).is_valid());
        }
    }

    #[test]
    fn a_number_that_is_no_rate_is_refused_by_name() {
        let model = ErrorModel { kana_typo: 1.5, ..ErrorModel::default() };
        assert!(matches!(model.check(), Err(DatasetError::Rate { name: "kana_typo" })));
        assert!(ErrorModel { sex_error: f64::NAN, ..ErrorModel::default() }.check().is_err());
    }
}
