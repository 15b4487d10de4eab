//! One household: who lives together, how old they are, and what they share.

use super::{Person, REFERENCE_DATE, Sex, World, history};
use crate::date::Date;
use crate::insurance;
use crate::names::Name;
use crate::random::{Random, Weighted};
use crate::rates::PopulationModel;

/// Kinds of households and their shares, tuned so that the age structure comes out as Japan's (a test checks it).
const KINDS: [(Kind, f64); 5] = [
    (Kind::Single, 0.37),
    (Kind::Couple, 0.24),
    (Kind::Family, 0.23),
    (Kind::OneParent, 0.09),
    (Kind::ThreeGenerations, 0.07),
];

/// The shares, to draw from.
pub(super) fn kinds() -> Weighted {
    Weighted::new(KINDS.map(|(_, share)| share))
}

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
            Self::Single => &[
                (18, 29, 18.0),
                (30, 44, 12.0),
                (45, 64, 24.0),
                (65, 74, 17.0),
                (75, 84, 17.0),
                (85, 93, 17.0),
                (94, 101, 2.2),
            ],
            Self::Couple => {
                &[(22, 34, 7.0), (35, 49, 6.0), (50, 64, 25.0), (65, 74, 34.0), (75, 84, 24.0), (85, 94, 8.0)]
            }
            Self::Family => &[(26, 34, 14.0), (35, 49, 43.0), (50, 64, 43.0)],
            Self::OneParent => &[(28, 39, 15.0), (40, 54, 38.0), (55, 69, 17.0), (70, 88, 30.0)],
            Self::ThreeGenerations => &[(28, 39, 25.0), (40, 53, 75.0)],
        }
    }
}

/// Somebody's place in the household, before names and papers.
pub(super) struct Seat {
    sex: Sex,
    birth: Date,
    pub(super) role: Role,
    /// Gave up a family name when marrying.
    pub(super) took_name: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Lives with a partner, or did.
    Married,
    /// Alone with children.
    Parent,
    Child,
    /// All others.
    Other,
}

/// Adds the people of one household; their numbers are for the caller to set.
pub(super) fn generate(seed: u64, number: u64, world: &World, people: &mut Vec<Person>) {
    let World { names, places, model, .. } = world;
    let random = &mut Random::new(seed, "household", number);
    let kind = world.kinds.draw(random);
    let seats = seats(random, KINDS[kind].0, model);

    // The household of foreign residents is decided by a number that other rates do not move.
    let foreign = Some(names.foreign_group(random)).filter(|_| random.chance(model.foreign_share));
    let foreign = foreign.map(|group| (group, random.chance(0.6)));
    let family = new_family(random, world, foreign);
    let (place, head_age) = (places.draw(random), seats[0].birth.age_on(REFERENCE_DATE));
    let card = insurance::of_household(random, place.prefecture, head_age);

    let first = people.len();
    for (branch, seat) in seats.iter().enumerate() {
        let given = loop {
            let name = match foreign {
                Some((group, kanji)) => names.foreign_given(random, group, seat.sex, kanji),
                None => names.given(random, seat.sex, seat.birth.year, model),
            };
            // Nobody gives two of a household the same name.
            if branch > 8 || people[first..].iter().all(|other| other.given.kana != name.kana) {
                break name;
            }
        };
        let age = seat.birth.age_on(REFERENCE_DATE);
        people.push(Person {
            number: 0,
            household: number,
            sex: seat.sex,
            birth: seat.birth,
            family: family.clone(),
            given,
            alias: None,
            place: place.clone(),
            insurance: insurance::of_member(random, &card, place.prefecture, age, branch),
            foreign: foreign.is_some(),
            twin: seat.role == Role::Child
                && seats.iter().filter(|other| other.role == Role::Child && other.birth == seat.birth).count() > 1,
            past: Vec::new(),
        });
    }
    if foreign.is_some() {
        give_aliases(&mut Random::new(seed, "alias", number), world, &mut people[first..]);
    }
    let home = history::Home { seats: &seats, card, place, foreign };
    home.remember(&mut Random::new(seed, "history", number), world, &mut people[first..]);
}

/// Names in common use, with a family name that those of one household share. They are written in ordinary characters.
fn give_aliases(random: &mut Random, world: &World, people: &mut [Person]) {
    let ordinary = PopulationModel::none();
    let family = world.names.family(random, &ordinary);
    for person in people {
        let given = world.names.given(random, person.sex, person.birth.year, &ordinary);
        if random.chance(world.model.alias_share) {
            person.alias = Some([family.clone(), given]);
        }
    }
}

/// A family name; of foreign residents one of their group.
pub(super) fn new_family(random: &mut Random, world: &World, foreign: Option<(usize, bool)>) -> Name {
    match foreign {
        Some((group, kanji)) => world.names.foreign_family(random, group, kanji),
        None => world.names.family(random, &world.model),
    }
}

fn seats(random: &mut Random, kind: Kind, model: &PopulationModel) -> Vec<Seat> {
    let ranges = kind.head_ages();
    let (low, high, _) = ranges[Weighted::new(ranges.iter().map(|range| range.2)).draw(random)];
    let age = random.between(low, high);
    match kind {
        // Women outlive men, so most old people who live alone are women.
        Kind::Single => vec![adult(random, age, if age >= 75 { 0.75 } else { 0.45 })],
        Kind::Couple => couple(random, age, model),
        Kind::Family => {
            let mut seats = couple(random, age, model);
            children(random, age, model, &mut seats);
            seats
        }
        Kind::OneParent => {
            let mut seats = vec![Seat { role: Role::Parent, ..adult(random, age, 0.85) }];
            children(random, age, model, &mut seats);
            seats
        }
        Kind::ThreeGenerations => {
            let mut seats = couple(random, age, model);
            children(random, age, model, &mut seats);
            let older = age + random.between(23, 34);
            seats.push(adult(random, older, 0.7));
            if random.chance(0.4) {
                let partner = older + random.between(0, 5);
                let birth = birth_date(random, partner.min(104));
                seats.push(Seat { sex: Sex::Male, birth, role: Role::Other, took_name: false });
            }
            seats
        }
    }
}

fn adult(random: &mut Random, age: u32, female: f64) -> Seat {
    let sex = if random.chance(female) { Sex::Female } else { Sex::Male };
    Seat { sex, birth: birth_date(random, age), role: Role::Other, took_name: false }
}

fn couple(random: &mut Random, husband_age: u32, model: &PopulationModel) -> Vec<Seat> {
    let wife_age = (husband_age + random.between(0, 3)).saturating_sub(random.between(0, 7)).max(20);
    let his_name = random.chance(model.husbands_name);
    vec![
        Seat { sex: Sex::Male, birth: birth_date(random, husband_age), role: Role::Married, took_name: !his_name },
        Seat { sex: Sex::Female, birth: birth_date(random, wife_age), role: Role::Married, took_name: his_name },
    ]
}

/// Adds the children who still live at home.
fn children(random: &mut Random, parent_age: u32, model: &PopulationModel, seats: &mut Vec<Seat>) {
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
            seats.push(Seat { sex: boy_or_girl(random), birth, role: Role::Child, took_name: false });
            if random.chance(model.twin_births) {
                seats.push(Seat { sex: boy_or_girl(random), birth, role: Role::Child, took_name: false });
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
    let birthday = Date::new(today.year - age as u16, today.month, today.day);
    birthday.days_before(random.below(365) as u32)
}
