use super::*;
use crate::population::{Population, REFERENCE_DATE};

fn view(errors: &ErrorModel) -> View<'_> {
    View { errors, kana_is_optional: true, limited_characters: true, large_kana: false }
}

#[test]
fn a_world_without_errors_is_observed_as_it_is() {
    let random = &mut Random::new(1, "test", 0);
    let errors = ErrorModel::none();
    let view = View { limited_characters: false, ..view(&errors) };
    for person in &Population::new(1, 2000) {
        let seen = view.observe(random, &person, &person, REFERENCE_DATE);
        assert_eq!(
            (seen.family, seen.birth, seen.insurance),
            (person.family, Some(person.birth), Some(person.insurance))
        );
        assert_eq!(seen.faults, Faults::default());
    }
}

#[test]
fn every_rate_is_met_and_told() {
    let population: Vec<Person> = Population::new(2, 20_000).iter().collect();
    for (rate, fault, among) in [
        ("kana_typo", Faults::KANA_TYPO, 1.0),
        ("kana_missing", Faults::KANA_MISSING, 1.0),
        ("kana_of_another", Faults::KANA_OF_ANOTHER, 1.0),
        ("names_swapped", Faults::NAMES_SWAPPED, 1.0),
        ("birth_date_error", Faults::BIRTH_DATE, 1.0),
        ("birth_date_missing", Faults::BIRTH_DATE_MISSING, 1.0),
        ("sex_error", Faults::SEX, 1.0),
        ("sex_missing", Faults::SEX_MISSING, 1.0),
        ("postal_code_missing", Faults::POSTAL_CODE_MISSING, 1.0),
        ("insurance_missing", Faults::INSURANCE_MISSING, 1.0),
        ("number_typo", Faults::NUMBER_TYPO, 1.0),
        ("foreign_kana_varies", Faults::FOREIGN_KANA, 0.032),
        ("foreign_kana_missing", Faults::KANA_MISSING, 0.032),
    ] {
        let mut errors = ErrorModel { typo_character: 1.0, date_day: 1.0, ..ErrorModel::none() };
        assert!(errors.set(rate, 0.5));
        let random = &mut Random::new(1, "test", 0);
        let (view, another) = (view(&errors), &population[0]);
        let seen = population.iter().filter(|p| view.observe(random, p, another, REFERENCE_DATE).faults.has(fault));
        let share = seen.count() as f64 / population.len() as f64;
        assert!((share / among - 0.5).abs() < 0.1, "{rate}: {share}");
    }
}

#[test]
fn a_name_that_cannot_be_written_is_given_up_as_a_whole() {
    let errors = ErrorModel { jis_fallback: 1.0, ..ErrorModel::none() };
    let (mut kana, mut people) = (0, 0);
    for person in &Population::new(3, 20_000) {
        people += 1;
        let seen = view(&errors).observe(&mut Random::new(1, "test", 0), &person, &person, REFERENCE_DATE);
        if seen.faults.has(Faults::JIS_FALLBACK) {
            kana += 1;
            assert_eq!(seen.family.kanji.as_ref(), Some(&person.family.kana));
            assert_eq!(seen.given.kanji.as_ref(), Some(&person.given.kana));
        } else {
            assert_eq!(seen.family, person.family);
        }
    }
    // Design: 2 to 4 % of people.
    let share = f64::from(kana) / f64::from(people);
    assert!((0.02..0.04).contains(&share), "{share}");
}
