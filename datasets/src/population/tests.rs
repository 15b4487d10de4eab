use std::collections::HashMap;

use super::*;
use crate::insurance::check_digit;

const PEOPLE: u64 = 200_000;

fn age(person: &Person) -> u16 {
    person.birth.age_on(REFERENCE_DATE)
}

#[test]
fn the_same_seed_gives_the_same_people_and_a_smaller_population_is_a_prefix() {
    let large: Vec<Person> = Population::new(7, 3000).iter().collect();
    let small: Vec<Person> = Population::new(7, 1000).iter().collect();
    assert_eq!(large[..1000], small);
    let other: Vec<Person> = Population::new(8, 1000).iter().collect();
    assert_ne!(small, other);
}

#[test]
fn the_age_structure_is_that_of_japan() {
    // Shares of 0–14, 15–39, 40–64, 65–74 and 75+ (japan-formats.md §5: 11.5, 24.5, 34.3, 13.0, 16.7 %).
    let mut bands = [0u64; 5];
    for person in &Population::new(1, PEOPLE) {
        bands[match age(&person) {
            0..15 => 0,
            15..40 => 1,
            40..65 => 2,
            65..75 => 3,
            _ => 4,
        }] += 1;
    }
    let shares = bands.map(|n| 100.0 * n as f64 / PEOPLE as f64);
    for (share, expected) in shares.iter().zip([11.5, 24.5, 34.3, 13.0, 16.7]) {
        assert!((share - expected).abs() < 2.5, "{shares:.1?}");
    }
}

#[test]
fn family_names_are_as_frequent_as_published() {
    let mut kanji: HashMap<String, u64> = HashMap::new();
    let mut kana: HashMap<String, u64> = HashMap::new();
    let mut native = 0;
    for person in Population::new(2, PEOPLE).iter().filter(|p| !p.foreign) {
        native += 1;
        *kanji.entry(person.family.kanji.unwrap_or_default()).or_default() += 1;
        *kana.entry(person.family.kana).or_default() += 1;
    }
    let share = |name: &str| 100.0 * kanji[name] as f64 / native as f64;
    assert!((1.2..1.8).contains(&share("佐藤")), "佐藤 {}", share("佐藤"));
    let squares: f64 = kana.values().map(|&n| (n as f64 / native as f64).powi(2)).sum();
    // Published: 0.00218 over readings.
    assert!((0.0017..0.0028).contains(&squares), "{squares}");
    assert!(kanji.len() > 3000, "{} kinds", kanji.len());
}

#[test]
fn people_collide_on_reading_birth_date_and_sex_as_often_as_in_japan() {
    // Among people of one sex and birth year, count pairs of equal readings; scale to the ~124 million people of Japan.
    let mut cells: HashMap<(u16, Sex), HashMap<(String, String), u64>> = HashMap::new();
    for person in &Population::new(3, PEOPLE) {
        let cell = cells.entry((person.birth.year, person.sex)).or_default();
        *cell.entry((person.family.kana, person.given.kana)).or_default() += 1;
    }
    let (mut equal, mut expected_share) = (0.0, 0.0);
    for names in cells.values() {
        let n: u64 = names.values().sum();
        let pairs: u64 = names.values().map(|k| k * (k - 1)).sum();
        if n < 100 {
            continue;
        }
        let same_name = pairs as f64 / (n * (n - 1)) as f64;
        let one_birth_date = n as f64 / PEOPLE as f64 * 124.0e6 / 365.25;
        equal += pairs as f64;
        expected_share += n as f64 / PEOPLE as f64 * (1.0 - (-same_name * one_birth_date).exp());
    }
    assert!(equal > 500.0, "too few collisions to judge by: {equal}");
    // Published estimates run from 1.2 to 3.3 %.
    assert!((0.01..0.033).contains(&expected_share), "{expected_share}");
}

#[test]
fn households_share_family_name_postal_code_and_card() {
    let people: Vec<Person> = Population::new(4, 20_000).iter().collect();
    let (mut shared, mut numbers) = (0, 0);
    for household in people.chunk_by(|a, b| a.household == b.household) {
        for person in household {
            assert_eq!((&person.family, &person.postal_code), (&household[0].family, &household[0].postal_code));
            if person.number != household[0].number && age(person).max(age(&household[0])) < 75 {
                shared += u32::from(person.insurance.number == household[0].insurance.number);
                numbers += 1;
                assert_ne!(person.insurance, household[0].insurance);
            }
        }
    }
    assert!(shared == numbers && numbers > 3000, "{shared} of {numbers}");
}

#[test]
fn there_are_twins_foreign_residents_and_valid_check_digits() {
    let people: Vec<Person> = Population::new(5, 50_000).iter().collect();
    let twins = people
        .chunk_by(|a, b| a.household == b.household)
        .filter(|h| h.iter().enumerate().any(|(i, a)| h[..i].iter().any(|b| a.birth == b.birth)))
        .count();
    assert!((50..400).contains(&twins), "{twins} pairs of twins");
    let foreign = people.iter().filter(|p| p.foreign).count();
    assert!((900..2400).contains(&foreign), "{foreign} foreign residents");
    for person in &people {
        assert!(person.birth.is_valid() && person.birth <= REFERENCE_DATE);
        assert_eq!(person.postal_code.len(), 7);
        for card in [&person.insurance, &person.former.insurance] {
            let (digits, check) = card.insurer_number.split_at(card.insurer_number.len() - 1);
            assert_eq!(check_digit(digits).to_string(), check);
        }
    }
}
