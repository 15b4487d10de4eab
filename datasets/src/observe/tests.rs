use super::*;
use crate::population::{Population, REFERENCE_DATE};
use crate::rates::PopulationModel;

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

fn beyond_jis(person: &Person) -> bool {
    [&person.family, &person.given].iter().any(|n| n.kanji.as_deref().is_some_and(|k| k.chars().any(outside_jis)))
}

fn variant_within_jis(person: &Person) -> bool {
    let has_variant = |name: &Name| name.kanji.as_deref().is_some_and(|kanji| kanji.chars().any(is_variant));
    !beyond_jis(person) && (has_variant(&person.family) || has_variant(&person.given))
}

#[test]
fn every_rate_is_met_and_told() {
    let population: Vec<Person> = Population::new(2, 20_000).iter().collect();
    type Among = fn(&Person) -> bool;
    let (all, foreign): (Among, Among) = (|_| true, |person| person.foreign);
    let several: Among = |person| person.foreign && person.given.kana.contains(' ');
    let branch: Among = |person| !person.insurance.branch.is_empty();
    for (rate, fault, among) in [
        ("kana_typo", Faults::KANA_TYPO, all),
        ("kana_missing", Faults::KANA_MISSING, all),
        ("kana_of_another", Faults::KANA_OF_ANOTHER, all),
        ("names_swapped", Faults::NAMES_SWAPPED, all),
        ("jis_fallback", Faults::JIS_FALLBACK, beyond_jis),
        ("ordinary_form", Faults::ORDINARY_FORM, variant_within_jis),
        ("birth_date_error", Faults::BIRTH_DATE, all),
        ("birth_date_missing", Faults::BIRTH_DATE_MISSING, all),
        ("sex_error", Faults::SEX, all),
        ("sex_missing", Faults::SEX_MISSING, all),
        ("postal_code_missing", Faults::POSTAL_CODE_MISSING, all),
        ("insurance_missing", Faults::INSURANCE_MISSING, all),
        ("branch_missing", Faults::INSURANCE_MISSING, branch),
        ("number_typo", Faults::NUMBER_TYPO, all),
        ("foreign_kana_varies", Faults::FOREIGN_KANA, foreign),
        ("foreign_kana_missing", Faults::KANA_MISSING, foreign),
        ("foreign_given_dropped", Faults::GIVEN_DROPPED, several),
        ("foreign_order", Faults::NAMES_SWAPPED, foreign),
    ] {
        let mut errors = ErrorModel { typo_character: 1.0, date_day: 1.0, ..ErrorModel::none() };
        assert!(errors.set(rate, 0.5));
        let random = &mut Random::new(1, "test", 0);
        let (view, another) = (view(&errors), &population[0]);
        let (mut hit, mut of) = (0, 0);
        for person in &population {
            let faults = view.observe(random, person, another, REFERENCE_DATE).faults;
            // A name beyond the facility's characters cannot stay what it is, whatever the rates.
            let others = faults.without(&[fault, Faults::ORDINARY_FORM]);
            assert!(others == Faults::default(), "{rate}: {}", others.names());
            assert!(among(person) || !faults.has(fault) || fault == Faults::ORDINARY_FORM, "{rate}");
            of += u32::from(among(person));
            hit += u32::from(among(person) && faults.has(fault));
        }
        let share = f64::from(hit) / f64::from(of);
        assert!(of > 150 && (share - 0.5).abs() < 0.1, "{rate}: {share} of {of}");
    }
}

#[test]
fn a_facility_that_gives_a_name_up_marks_it_as_often_as_the_model_says() {
    let errors = ErrorModel { jis_fallback: 1.0, jis_mark: 0.25, ..ErrorModel::none() };
    let random = &mut Random::new(1, "test", 0);
    let (mut marked, mut of) = (0, 0);
    for person in Population::new(2, 40_000).iter().filter(beyond_jis) {
        let seen = view(&errors).observe(random, &person, &person, REFERENCE_DATE);
        assert!(seen.faults.has(Faults::JIS_FALLBACK));
        let written = [seen.family.kanji.unwrap_or_default(), seen.given.kanji.unwrap_or_default()].concat();
        of += 1;
        marked += u32::from(written.contains('●'));
    }
    let share = f64::from(marked) / f64::from(of);
    assert!(of > 500 && (share - 0.25).abs() < 0.06, "{share} of {of}");
}

#[test]
fn small_kana_written_large_are_told_wherever_there_are_any() {
    let errors = ErrorModel::none();
    let view = View { large_kana: true, limited_characters: false, ..view(&errors) };
    let mut small = 0;
    for person in &Population::new(2, 5000) {
        let seen = view.observe(&mut Random::new(1, "test", 0), &person, &person, REFERENCE_DATE);
        let differs = (&seen.family.kana, &seen.given.kana) != (&person.family.kana, &person.given.kana);
        assert_eq!(differs, seen.faults.has(Faults::SMALL_KANA));
        small += u32::from(differs);
    }
    assert!(small > 200, "{small}");
}

#[test]
fn a_name_in_common_use_stands_beside_the_legal_one_or_in_its_place_as_often_as_the_model_says() {
    let model = PopulationModel { alias_share: 0.5, foreign_share: 0.5, ..PopulationModel::default() };
    let errors = ErrorModel { alias_instead_of_name: 0.25, foreign_kana_varies: 1.0, ..ErrorModel::none() };
    let view = View { limited_characters: false, ..view(&errors) };
    let random = &mut Random::new(1, "test", 0);
    let (mut instead, mut of) = (0, 0);
    for person in &Population::with_model(2, 8000, &model) {
        // As of a day of which the family name may be another one.
        let seen = view.observe(random, &person, &person, REFERENCE_DATE.days_before(2000));
        let Some([family, given]) = &person.alias else {
            assert!(seen.alias.is_none() && !seen.faults.has(Faults::ALIAS));
            continue;
        };
        of += 1;
        if seen.faults.has(Faults::ALIAS) {
            instead += 1;
            assert_eq!((&seen.family, &seen.given, &seen.alias), (family, given, &None));
            // What goes wrong with a foreign name does not with this one.
            assert!(!seen.faults.has(Faults::OLD_NAME) && !seen.faults.has(Faults::FOREIGN_KANA));
        } else {
            assert_eq!(seen.alias, person.alias);
            assert!(seen.faults.has(Faults::FOREIGN_KANA));
        }
    }
    let share = f64::from(instead) / f64::from(of);
    assert!(of > 1000 && (share - 0.25).abs() < 0.05, "{share} of {of}");
}

/// The readings of people, right and with the typing error that the weights allow.
fn typos(errors: &ErrorModel) -> Vec<(Vec<char>, Vec<char>)> {
    let random = &mut Random::new(1, "test", 0);
    let mut found = Vec::new();
    for person in Population::new(2, 4000).iter().filter(|person| !person.foreign) {
        let seen = view(errors).observe(random, &person, &person, REFERENCE_DATE);
        for (right, wrong) in [(&person.family, &seen.family), (&person.given, &seen.given)] {
            if right.kana != wrong.kana {
                found.push((right.kana.chars().collect(), wrong.kana.chars().collect()));
            }
        }
    }
    found
}

#[test]
fn typing_errors_are_of_the_kinds_that_have_weights() {
    let different = |right: &[char], wrong: &[char]| -> Vec<(char, char)> {
        right.iter().copied().zip(wrong.iter().copied()).filter(|(a, b)| a != b).collect()
    };
    let sorted = |text: &[char]| {
        let mut text = text.to_vec();
        text.sort_unstable();
        text
    };
    let voicing = |right: &[char], wrong: &[char]| {
        right.len() == wrong.len()
            && matches!(different(right, wrong)[..], [(a, b)] if crate::mistakes::other_voicing(a) == Some(b))
    };
    let character = |right: &[char], wrong: &[char]| right.len() == wrong.len() && different(right, wrong).len() == 1;
    let vowel = |right: &[char], wrong: &[char]| right.len().abs_diff(wrong.len()) == 1;
    let swap = |right: &[char], wrong: &[char]| right != wrong && sorted(right) == sorted(wrong);
    type Is<'a> = &'a dyn Fn(&[char], &[char]) -> bool;
    for (weight, is) in [
        ("typo_voicing", &voicing as Is<'_>),
        ("typo_character", &character),
        ("typo_long_vowel", &vowel),
        ("typo_swap", &swap),
    ] {
        let mut errors = ErrorModel { kana_typo: 1.0, ..ErrorModel::none() };
        assert!(errors.set(weight, 1.0));
        let typos = typos(&errors);
        assert!(typos.len() > 2500 && typos.iter().all(|(right, wrong)| is(right, wrong)), "{weight}: {}", typos.len());
    }
    let errors = ErrorModel { kana_typo: 1.0, typo_long_vowel: 0.2, typo_swap: 0.6, ..ErrorModel::none() };
    let typos = typos(&errors);
    let share = typos.iter().filter(|(right, wrong)| vowel(right, wrong)).count() as f64 / typos.len() as f64;
    assert!((share - 0.25).abs() < 0.05, "{share}");
}

#[test]
fn wrong_birth_dates_are_of_the_kinds_that_have_weights() {
    type Is = fn(Date, Date) -> bool;
    let kinds: [(&str, Is); 5] = [
        ("date_day", |a, b| (a.year, a.month) == (b.year, b.month)),
        ("date_month", |a, b| (a.year, a.day) == (b.year, b.day)),
        ("date_year", |a, b| (a.month, a.day) == (b.month, b.day) && a.year.abs_diff(b.year) == 1),
        ("date_era", |a, b| (a.month, a.day) == (b.month, b.day) && a.year.abs_diff(b.year) == 63),
        ("date_first_of_january", |a, b| a.year == b.year && (b.month, b.day) == (1, 1)),
    ];
    let people: Vec<Person> = Population::new(2, 4000).iter().collect();
    let wrong = |errors: &ErrorModel| -> Vec<(Date, Date)> {
        let random = &mut Random::new(1, "test", 0);
        let births = people
            .iter()
            .map(|person| (person.birth, view(errors).observe(random, person, person, REFERENCE_DATE).birth.unwrap()));
        births.filter(|(right, seen)| right != seen).collect()
    };
    for (weight, is) in kinds {
        let mut errors = ErrorModel { birth_date_error: 1.0, ..ErrorModel::none() };
        assert!(errors.set(weight, 1.0));
        let wrong = wrong(&errors);
        // Of an era only those can be wrong who then are not born in the future.
        assert!(wrong.len() > 1500 && wrong.iter().all(|(right, seen)| is(*right, *seen)), "{weight}: {}", wrong.len());
    }
    let errors = ErrorModel { birth_date_error: 1.0, date_year: 0.2, date_first_of_january: 0.6, ..ErrorModel::none() };
    let wrong = wrong(&errors);
    let years = wrong.iter().filter(|(right, seen)| right.year != seen.year).count() as f64 / wrong.len() as f64;
    assert!((years - 0.25).abs() < 0.05, "{years}");
}

#[test]
fn a_facility_that_does_not_give_up_writes_the_ordinary_form_and_says_so() {
    let errors = ErrorModel::none();
    let mut ordinary = 0;
    for person in &Population::new(3, 20_000) {
        let seen = view(&errors).observe(&mut Random::new(1, "test", 0), &person, &person, REFERENCE_DATE);
        let same = (&seen.family, &seen.given) == (&person.family, &person.given);
        assert_eq!((same, seen.faults.has(Faults::ORDINARY_FORM)), (!beyond_jis(&person), beyond_jis(&person)));
        ordinary += u32::from(!same);
    }
    assert!(ordinary > 200, "{ordinary}");
}

#[test]
fn a_name_given_up_as_a_whole_has_no_ordinary_form() {
    let errors = ErrorModel { jis_fallback: 1.0, ordinary_form: 0.5, ..ErrorModel::none() };
    let name = |kanji: &str, kana: &str| Name { kanji: Some(kanji.to_owned()), kana: kana.to_owned() };
    let person = Population::new(1, 1).iter().next().unwrap();
    let person = Person {
        family: name("渡邊", "ワタナベ"), given: name("德子", "ノリコ"), past: Vec::new(), ..person
    };
    let random = &mut Random::new(1, "test", 0);
    let seen = (0..200).map(|_| view(&errors).observe(random, &person, &person, REFERENCE_DATE));
    let (mut given_up, mut ordinary) = (0, 0);
    for seen in seen {
        let in_kana = seen.family.kanji.as_deref() == Some("ワタナベ");
        assert_eq!(in_kana, seen.faults.has(Faults::JIS_FALLBACK));
        assert!(!(in_kana && seen.faults.has(Faults::ORDINARY_FORM)));
        given_up += u32::from(in_kana);
        ordinary += u32::from(seen.faults.has(Faults::ORDINARY_FORM));
    }
    assert!(given_up > 50 && ordinary > 50, "{given_up} {ordinary}");
}

#[test]
fn a_fault_is_told_only_where_the_record_has_it() {
    let twice = ErrorModel { foreign_order: 1.0, names_swapped: 1.0, ..ErrorModel::none() };
    let another = ErrorModel { kana_of_another: 1.0, ..ErrorModel::none() };
    let mut foreign = 0;
    for person in &Population::new(4, 5000) {
        let view = |errors| View { limited_characters: false, ..view(errors) };
        let random = &mut Random::new(1, "test", 0);
        let seen = view(&twice).observe(random, &person, &person, REFERENCE_DATE);
        // Of a foreign resident the names are swapped twice.
        assert_eq!(seen.faults.has(Faults::NAMES_SWAPPED), !person.foreign);
        assert_eq!(seen.family == person.family, person.foreign || person.family == person.given);
        foreign += u32::from(person.foreign);
        // The reading of somebody of the same name.
        let seen = view(&another).observe(random, &person, &person, REFERENCE_DATE);
        assert_eq!(seen.faults, Faults::default());
    }
    assert!(foreign > 50, "{foreign}");
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
