//! What a database knows of a person: how old its knowledge is, and what went wrong on the way.

use crate::date::Date;
use crate::faults::Faults;
use crate::insurance::Insurance;
use crate::mistakes::{misdated, misread, mistyped, respelled};
use crate::names::{Name, VARIANTS, outside_jis};
use crate::notation::large;
use crate::output::Encoding;
use crate::population::{Person, Sex};
use crate::random::Random;
use crate::rates::ErrorModel;

/// How a database looks at people.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) errors: &'a ErrorModel,
    /// The reading may be left out.
    pub(crate) kana_is_optional: bool,
    /// Only JIS X 0208 can be written; a name beyond becomes kana or has ●.
    pub(crate) limited_characters: bool,
    /// Small kana are written large.
    pub(crate) large_kana: bool,
}

/// What a database knows of a person, before it is written down in the database's own way.
#[derive(Debug, Clone)]
pub(crate) struct Observation {
    /// A missing reading is empty.
    pub(crate) family: Name,
    pub(crate) given: Name,
    /// The name in common use beside these; formats without a place for it leave it out.
    pub(crate) alias: Option<[Name; 2]>,
    pub(crate) birth: Option<Date>,
    pub(crate) sex: Option<Sex>,
    pub(crate) prefecture: u8,
    /// Empty when missing.
    pub(crate) postal_code: String,
    pub(crate) insurance: Option<Insurance>,
    pub(crate) faults: Faults,
}

impl View<'_> {
    /// What is known of a person whose record was last brought up to date on `day`. `another` is somebody else.
    pub(crate) fn observe(&self, random: &mut Random, person: &Person, another: &Person, day: Date) -> Observation {
        let state = person.on(day);
        let mut seen = Observation {
            family: state.family.clone(),
            given: person.given.clone(),
            alias: person.alias.clone(),
            birth: Some(person.birth),
            sex: Some(person.sex),
            prefecture: state.place.prefecture,
            postal_code: state.place.postal_code.clone(),
            insurance: Some(state.insurance.clone()),
            faults: Faults::default(),
        };
        let old = [
            (state.family != &person.family, Faults::OLD_NAME),
            (state.place != &person.place, Faults::OLD_PLACE),
            (state.insurance != &person.insurance, Faults::OLD_INSURANCE),
        ];
        old.into_iter().filter(|(old, _)| *old).for_each(|(_, fault)| seen.faults.add(fault));
        // Only where there is such a name is anything drawn, so that all others are seen as they are without any.
        if person.alias.is_some() && random.chance(self.errors.alias_instead_of_name) {
            seen.bear_alias();
        }
        self.mistake_names(random, &mut seen, person, another);
        self.mistake_the_rest(random, &mut seen);
        seen
    }

    fn mistake_names(&self, random: &mut Random, seen: &mut Observation, person: &Person, another: &Person) {
        let errors = self.errors;
        // Chances are drawn whether or not they matter, so that one rate does not move what another one hits.
        let [typo, missing, of_another, swapped] =
            [errors.kana_typo, errors.kana_missing, errors.kana_of_another, errors.names_swapped]
                .map(|rate| random.chance(rate));
        let which = random.chance(0.5);
        let typing = &mut random.fork();
        let writing = &mut random.fork();
        if person.foreign {
            let own = &mut random.fork();
            if !seen.faults.has(Faults::ALIAS) {
                self.mistake_foreign(own, seen);
            }
        }
        let Observation { family, given, faults, .. } = seen;
        let one = if which { &mut *family } else { &mut *given };
        let other = if which { &another.family.kana } else { &another.given.kana };
        // Two people may have one reading, and then nothing is wrong.
        if of_another && *other != one.kana {
            one.kana.clone_from(other);
            faults.add(Faults::KANA_OF_ANOTHER);
        }
        let has_small = |name: &Name| name.kana.chars().any(|c| large(c) != c);
        if self.large_kana && (has_small(family) || has_small(given)) {
            for name in [&mut *family, &mut *given] {
                name.kana = name.kana.chars().map(large).collect();
            }
            faults.add(Faults::SMALL_KANA);
        }
        let one = if which { &mut *family } else { &mut *given };
        if typo {
            // Some names have no character that could be misread in the way that was drawn.
            let wrong = misread(typing, &one.kana, errors.typos());
            if wrong != one.kana {
                one.kana = wrong;
                faults.add(Faults::KANA_TYPO);
            }
        }
        if swapped {
            std::mem::swap(family, given);
            // A foreign resident's names may have stood the other way round already.
            faults.toggle(Faults::NAMES_SWAPPED);
        }
        self.write_kanji(writing, family, given, faults);
        if missing && self.kana_is_optional {
            family.kana.clear();
            given.kana.clear();
            faults.stand_for(Faults::KANA_MISSING, &Faults::OF_KANA);
        }
    }

    fn mistake_foreign(&self, random: &mut Random, seen: &mut Observation) {
        let errors = self.errors;
        let [dropped, varies, missing, order] = [
            errors.foreign_given_dropped,
            errors.foreign_kana_varies,
            errors.foreign_kana_missing,
            errors.foreign_order,
        ]
        .map(|rate| random.chance(rate));
        let Observation { family, given, faults, .. } = seen;
        if dropped && let Some((first, _)) = given.kana.split_once(' ') {
            given.kana = first.to_owned();
            given.kanji = given.kanji.take().map(|name| name.split(' ').next().unwrap_or_default().to_owned());
            faults.add(Faults::GIVEN_DROPPED);
        }
        if varies {
            let name = if random.chance(0.5) { &mut *family } else { &mut *given };
            name.kana = respelled(random, &name.kana);
            faults.add(Faults::FOREIGN_KANA);
        }
        if order {
            std::mem::swap(family, given);
            faults.add(Faults::NAMES_SWAPPED);
        }
        if missing && self.kana_is_optional {
            family.kana.clear();
            given.kana.clear();
            faults.stand_for(Faults::KANA_MISSING, &Faults::OF_KANA);
        }
    }

    fn write_kanji(&self, random: &mut Random, family: &mut Name, given: &mut Name, faults: &mut Faults) {
        let errors = self.errors;
        for name in [&mut *family, &mut *given] {
            let by_clerk = random.chance(errors.ordinary_form);
            if let Some(kanji) = name.kanji.as_mut().filter(|kanji| by_clerk && kanji.chars().any(is_variant)) {
                *kanji = ordinary(kanji);
                faults.add(Faults::ORDINARY_FORM);
            }
        }
        let (falls_back, mark) = (random.chance(errors.jis_fallback), random.chance(errors.jis_mark));
        let beyond = |name: &Name| name.kanji.as_deref().is_some_and(|kanji| kanji.chars().any(outside_jis));
        if !self.limited_characters || !(beyond(family) || beyond(given)) {
            return;
        }
        for name in [family, given] {
            name.kanji = name.kanji.take().map(|kanji| match (falls_back, mark) {
                (false, _) => ordinary(&kanji),
                (true, true) => kanji.chars().map(|c| if outside_jis(c) { '●' } else { c }).collect(),
                // The whole name, so also the part that could be written.
                (true, false) => name.kana.clone(),
            });
        }
        match (falls_back, mark) {
            (false, _) => faults.add(Faults::ORDINARY_FORM),
            (true, true) => faults.add(Faults::JIS_FALLBACK),
            (true, false) => faults.stand_for(Faults::JIS_FALLBACK, &[Faults::ORDINARY_FORM]),
        }
    }

    fn mistake_the_rest(&self, random: &mut Random, seen: &mut Observation) {
        let errors = self.errors;
        let [birth, no_birth, sex, no_sex, no_postal_code] = [
            errors.birth_date_error,
            errors.birth_date_missing,
            errors.sex_error,
            errors.sex_missing,
            errors.postal_code_missing,
        ]
        .map(|rate| random.chance(rate));
        let [no_insurance, no_branch, typo] =
            [errors.insurance_missing, errors.branch_missing, errors.number_typo].map(|rate| random.chance(rate));
        let (dating, typing) = (&mut random.fork(), &mut random.fork());
        if birth {
            let right = seen.birth;
            seen.birth = right.map(|birth| misdated(dating, birth, errors.dates()));
            if seen.birth != right {
                seen.faults.add(Faults::BIRTH_DATE);
            }
        }
        if no_birth {
            seen.birth = None;
            seen.faults.stand_for(Faults::BIRTH_DATE_MISSING, &[Faults::BIRTH_DATE]);
        }
        if sex {
            seen.sex = seen.sex.map(|sex| if sex == Sex::Male { Sex::Female } else { Sex::Male });
            seen.faults.add(Faults::SEX);
        }
        if no_sex {
            seen.sex = None;
            seen.faults.stand_for(Faults::SEX_MISSING, &[Faults::SEX]);
        }
        if no_postal_code {
            seen.postal_code.clear();
            seen.faults.stand_for(Faults::POSTAL_CODE_MISSING, &[Faults::OLD_PLACE]);
        }
        if let Some(insurance) = &mut seen.insurance {
            if typo {
                insurance.number = mistyped(typing, &insurance.number);
                seen.faults.add(Faults::NUMBER_TYPO);
            }
            if no_branch && !insurance.branch.is_empty() {
                insurance.branch.clear();
                seen.faults.add(Faults::INSURANCE_MISSING);
            }
        }
        if no_insurance {
            seen.lose_insurance();
        }
    }
}

impl Observation {
    /// Puts the name in common use in place of the legal one.
    fn bear_alias(&mut self) {
        if let Some(alias) = self.alias.take() {
            [self.family, self.given] = alias;
            self.faults.stand_for(Faults::ALIAS, &[Faults::OLD_NAME]);
        }
    }

    /// Whether a character of the name will be a 〓 in this encoding.
    pub(crate) fn is_beyond(&self, encoding: Encoding) -> bool {
        let names = [&self.family, &self.given].into_iter().filter_map(|name| name.kanji.as_deref());
        names.flat_map(str::chars).any(|c| encoding.lacks(c))
    }

    /// Leaves the insurance out.
    pub(crate) fn lose_insurance(&mut self) {
        self.insurance = None;
        self.faults.stand_for(Faults::INSURANCE_MISSING, &[Faults::OLD_INSURANCE, Faults::NUMBER_TYPO]);
    }
}

/// Writes every variant form in its ordinary one.
fn ordinary(kanji: &str) -> String {
    kanji.chars().map(|c| VARIANTS.iter().find(|(_, variant)| *variant == c).map_or(c, |(plain, _)| *plain)).collect()
}

fn is_variant(c: char) -> bool {
    VARIANTS.iter().any(|(_, variant)| *variant == c)
}

#[cfg(test)]
mod tests;
