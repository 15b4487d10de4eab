//! One household: who lives together, how old they are, and what they share.

use crate::date::{Date, days_in_month};
use crate::insurance;
use crate::names::{Name, Names};
use crate::place::Places;
use crate::population::{Former, Person, REFERENCE_DATE, Sex};
use crate::random::{Random, Weighted};

/// Share of households of foreign residents.
const FOREIGN_SHARE: f64 = 0.034;
/// Chance that a child is followed by a twin.
const TWIN_SHARE: f64 = 0.011;

/// Kinds of households and their shares, tuned so that the age structure comes out as Japan's (a test checks it).
const KINDS: [(Kind, f64); 5] = [
    (Kind::Single, 0.37),
    (Kind::Couple, 0.24),
    (Kind::Family, 0.23),
    (Kind::OneParent, 0.09),
    (Kind::ThreeGenerations, 0.07),
];

#[derive(Clone, Copy)]
enum Kind {
    Single,
    Couple,
    Family,
    OneParent,
    ThreeGenerations,
}

impl Kind {
    /// Ages of the head (of the parents' generation): from, to, weight.
    fn head_ages(self) -> &'static [(u32, u32, f64)] {
        match self {
            Self::Single => &[(18, 29, 18.0), (30, 44, 14.0), (45, 64, 24.0), (65, 79, 24.0), (80, 98, 20.0)],
            Self::Couple => &[(22, 34, 7.0), (35, 49, 7.0), (50, 64, 25.0), (65, 79, 42.0), (80, 95, 19.0)],
            Self::Family => &[(26, 34, 13.0), (35, 49, 49.0), (50, 64, 38.0)],
            Self::OneParent => &[(28, 39, 15.0), (40, 54, 40.0), (55, 69, 15.0), (70, 92, 30.0)],
            Self::ThreeGenerations => &[(28, 39, 25.0), (40, 55, 75.0)],
        }
    }
}

/// Somebody's place in the household, before names and papers.
struct Seat {
    sex: Sex,
    birth: Date,
    /// Married into the household, so that the family name changed then.
    took_name: bool,
}

/// The people of one household; their numbers are for the caller to set.
pub(crate) fn generate(seed: u64, number: u64, names: &Names, places: &Places) -> Vec<Person> {
    let random = &mut Random::new(seed, "household", number);
    let kind = KINDS[Weighted::new(KINDS.map(|(_, share)| share)).draw(random)].0;
    let seats = seats(random, kind);

    let foreign = random.chance(FOREIGN_SHARE).then(|| names.foreign_group(random));
    let new_family = |random: &mut Random| match foreign {
        Some(group) => names.foreign_family(random, group),
        None => names.family(random),
    };
    let family = new_family(random);
    let (place, head_age) = (places.draw(random), seats[0].birth.age_on(REFERENCE_DATE));
    let former_place = places.draw_former(random, &place);
    let card = insurance::of_household(random, place.prefecture, head_age);
    let former_card = insurance::of_household(random, former_place.prefecture, head_age.min(70));
    let moved = random.unit();

    let mut given_names: Vec<Name> = Vec::new();
    let mut people = Vec::with_capacity(seats.len());
    for (branch, seat) in seats.iter().enumerate() {
        let given = loop {
            let name = match foreign {
                Some(group) => names.foreign_given(random, group),
                None => names.given(random, seat.sex, seat.birth.year),
            };
            // Nobody gives two of a household the same name.
            if given_names.len() > 8 || given_names.iter().all(|other| other.kana != name.kana) {
                break name;
            }
        };
        given_names.push(given.clone());
        let age = seat.birth.age_on(REFERENCE_DATE);
        let former = Former {
            family: new_family(random),
            postal_code: former_place.postal_code.clone(),
            insurance: insurance::of_member(random, &former_card, former_place.prefecture, age.min(74), branch as u32),
            // A household moves and changes its insurer together; names change one by one, and seldom without marriage.
            quantiles: [if seat.took_name { random.unit() } else { 0.97 + 0.03 * random.unit() }, moved, random.unit()],
        };
        people.push(Person {
            number: 0,
            household: number,
            sex: seat.sex,
            birth: seat.birth,
            family: family.clone(),
            given,
            postal_code: place.postal_code.clone(),
            insurance: insurance::of_member(random, &card, place.prefecture, age, branch as u32),
            foreign: foreign.is_some(),
            former,
        });
    }
    people
}

fn seats(random: &mut Random, kind: Kind) -> Vec<Seat> {
    let ranges = kind.head_ages();
    let (low, high, _) = ranges[Weighted::new(ranges.iter().map(|range| range.2)).draw(random)];
    let age = random.between(low, high);
    match kind {
        // Women outlive men, so most old people who live alone are women.
        Kind::Single => vec![adult(random, age, if age >= 75 { 0.75 } else { 0.45 })],
        Kind::Couple => couple(random, age),
        Kind::Family => {
            let mut seats = couple(random, age);
            children(random, age, &mut seats);
            seats
        }
        Kind::OneParent => {
            let mut seats = vec![adult(random, age, 0.85)];
            children(random, age, &mut seats);
            seats
        }
        Kind::ThreeGenerations => {
            let mut seats = couple(random, age);
            children(random, age, &mut seats);
            let older = age + random.between(23, 34);
            seats.push(adult(random, older, 0.7));
            if random.chance(0.4) {
                let partner = older + random.between(0, 5);
                seats.push(Seat { sex: Sex::Male, birth: birth_date(random, partner.min(104)), took_name: false });
            }
            seats
        }
    }
}

fn adult(random: &mut Random, age: u32, female: f64) -> Seat {
    let sex = if random.chance(female) { Sex::Female } else { Sex::Male };
    let married = age > 24 && random.chance(0.6);
    let took_name = married && random.chance(if sex == Sex::Female { 0.95 } else { 0.05 });
    Seat { sex, birth: birth_date(random, age), took_name }
}

fn couple(random: &mut Random, husband_age: u32) -> Vec<Seat> {
    let wife_age = (husband_age + random.between(0, 3)).saturating_sub(random.between(0, 7)).max(20);
    let his_name = random.chance(0.947);
    vec![
        Seat { sex: Sex::Male, birth: birth_date(random, husband_age), took_name: !his_name },
        Seat { sex: Sex::Female, birth: birth_date(random, wife_age), took_name: his_name },
    ]
}

/// Adds the children who still live at home.
fn children(random: &mut Random, parent_age: u32, seats: &mut Vec<Seat>) {
    let at_birth = random.between(24, 35).min(parent_age);
    let mut age = parent_age - at_birth;
    let mut count = match random.unit() {
        x if x < 0.46 => 1,
        x if x < 0.88 => 2,
        _ => 3,
    };
    while count > 0 {
        count -= 1;
        // Of grown-up children about half have left, except that an old parent lives with the one who stayed.
        let stays = age < 22 || parent_age >= 70 && count == 0 || random.chance(0.45);
        if stays {
            let birth = birth_date(random, age);
            seats.push(Seat { sex: boy_or_girl(random), birth, took_name: false });
            if random.chance(TWIN_SHARE) {
                seats.push(Seat { sex: boy_or_girl(random), birth, took_name: false });
            }
        }
        match age.checked_sub(random.between(2, 4)) {
            Some(younger) => age = younger,
            None => break,
        }
    }
}

fn boy_or_girl(random: &mut Random) -> Sex {
    if random.chance(0.513) { Sex::Male } else { Sex::Female }
}

/// A birth date that makes somebody this many years old.
fn birth_date(random: &mut Random, age: u32) -> Date {
    let today = REFERENCE_DATE;
    loop {
        let year = today.year - age as u16 - random.below(2) as u16;
        let month = random.between(1, 12) as u8;
        let day = random.between(1, 31) as u8;
        let date = Date::new(year, month, day);
        if day <= days_in_month(year, month) && date <= today && u32::from(date.age_on(today)) == age {
            return date;
        }
    }
}
