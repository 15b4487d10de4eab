//! People, streamed household by household.
//!
//! The population comes in blocks of [`BLOCK_PEOPLE`] people. Every household draws from streams of numbers of its own, which
//! follow from the seed and the household's number alone, so blocks can be made in any order and by any number of threads
//! and hold the same people. A block takes a megabyte or two, whatever the size of the population.

mod history;
mod household;

use std::collections::VecDeque;

use crate::date::Date;
use crate::insurance::Insurance;
use crate::names::{Name, Names};
use crate::place::{Place, Places};
use crate::random::Weighted;
use crate::rates::PopulationModel;

pub use history::HISTORY_YEARS;

/// The day on which the population is looked at.
pub const REFERENCE_DATE: Date = Date::new(2026, 4, 1);

/// The days on which the population can be looked at. Before [`HISTORY_YEARS`] nothing changes but who is born yet, and
/// before the first of these days too many of those who lived are missing, for nobody dies here.
pub const DAYS: std::ops::RangeInclusive<Date> = Date::new(2000, 1, 1)..=REFERENCE_DATE;

/// How many people a block has; the last one may have fewer.
pub const BLOCK_PEOPLE: u64 = 4096;

/// Sex as the register has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sex {
    /// Written 1 in Japanese health records.
    Male,
    /// Written 2.
    Female,
}

/// Somebody who does not exist, as of [`REFERENCE_DATE`].
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    /// Number within the population, from 0.
    pub number: u64,
    /// Number of the household; not every number is taken.
    pub household: u64,
    /// Sex.
    pub sex: Sex,
    /// Date of birth.
    pub birth: Date,
    /// Family name, now.
    pub family: Name,
    /// Given name.
    pub given: Name,
    /// Family and given name in common use (通称), Japanese ones, beside the legal name of a foreign resident.
    pub alias: Option<[Name; 2]>,
    /// Where the person lives, now.
    pub place: Place,
    /// Health insurance, now.
    pub insurance: Insurance,
    /// Whether the person is a foreign resident.
    pub foreign: bool,
    /// Whether a brother or sister of the household was born on the same day.
    pub twin: bool,
    /// What changed in the last [`HISTORY_YEARS`] years, newest first.
    pub past: Vec<Change>,
}

/// Something in a person's life that changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The day of the change.
    pub on: Date,
    /// What was so until then.
    pub before: Former,
}

/// What was true until a change.
#[derive(Debug, Clone, PartialEq)]
pub enum Former {
    /// The family name before a marriage or divorce.
    Family(Name),
    /// The place before a move.
    Place(Place),
    /// The insurance before a change of insurer.
    Insurance(Insurance),
}

/// What was true of a person on some day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct State<'a> {
    /// Family name.
    pub family: &'a Name,
    /// Where the person lived.
    pub place: &'a Place,
    /// Health insurance.
    pub insurance: &'a Insurance,
}

impl Person {
    /// What was true of the person on a day; of days before the history the oldest that is known.
    #[must_use]
    pub fn on(&self, day: Date) -> State<'_> {
        let mut state = State { family: &self.family, place: &self.place, insurance: &self.insurance };
        for change in self.past.iter().take_while(|change| change.on > day) {
            match &change.before {
                Former::Family(family) => state.family = family,
                Former::Place(place) => state.place = place,
                Former::Insurance(insurance) => state.insurance = insurance,
            }
        }
        state
    }

    /// Full years of age on a day.
    #[must_use]
    pub fn age_on(&self, day: Date) -> u16 {
        self.birth.age_on(day)
    }

    /// Whether the family name has changed within the history.
    #[must_use]
    pub fn changed_name(&self) -> bool {
        self.past.iter().any(|change| matches!(change.before, Former::Family(_)))
    }
}

/// A population that follows from its seed.
pub struct Population {
    seed: u64,
    people: u64,
    world: World,
}

/// What all households are drawn from.
struct World {
    names: Names,
    places: Places,
    model: PopulationModel,
    kinds: Weighted,
}

impl Population {
    /// `people` people of the population with this seed. A smaller population is the beginning of a larger one.
    #[must_use]
    pub fn new(seed: u64, people: u64) -> Self {
        Self::with_model(seed, people, &PopulationModel::default())
    }

    /// The same under other rates. Who lives together does not depend on the rates of changes, so that populations which
    /// differ in those have the same people today.
    #[must_use]
    pub fn with_model(seed: u64, people: u64, model: &PopulationModel) -> Self {
        let (names, places) = (Names::load(), Places::load());
        Self { seed, people, world: World { names, places, model: model.clone(), kinds: household::kinds() } }
    }

    /// Number of people.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.people
    }

    /// Whether nobody lives here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.people == 0
    }

    /// Number of blocks.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.people.div_ceil(BLOCK_PEOPLE)
    }

    /// The people of one block, numbered from `block` × [`BLOCK_PEOPLE`]; none beyond the last block.
    ///
    /// The last household of a block may have moved out in part.
    #[must_use]
    pub fn block(&self, block: u64) -> Vec<Person> {
        let first = block.saturating_mul(BLOCK_PEOPLE);
        let size = BLOCK_PEOPLE.min(self.people.saturating_sub(first)) as usize;
        if size == 0 {
            return Vec::new();
        }
        let mut people = Vec::with_capacity(size + 8);
        let mut household = first;
        while people.len() < size {
            household::generate(self.seed, household, &self.world, &mut people);
            household += 1;
        }
        people.truncate(size);
        for (number, person) in (first..).zip(&mut people) {
            person.number = number;
        }
        people
    }

    /// The people, in the order of their households.
    #[must_use]
    pub fn iter(&self) -> People<'_> {
        People { population: self, block: 0, waiting: VecDeque::new(), left: self.people }
    }
}

impl<'a> IntoIterator for &'a Population {
    type Item = Person;
    type IntoIter = People<'a>;

    fn into_iter(self) -> People<'a> {
        self.iter()
    }
}

/// Iterates over the people of a [`Population`].
pub struct People<'a> {
    population: &'a Population,
    block: u64,
    waiting: VecDeque<Person>,
    left: u64,
}

impl Iterator for People<'_> {
    type Item = Person;

    fn next(&mut self) -> Option<Person> {
        if self.waiting.is_empty() {
            self.waiting = self.population.block(self.block).into();
            self.block += 1;
        }
        let person = self.waiting.pop_front()?;
        self.left -= 1;
        Some(person)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.left as usize;
        (left, Some(left))
    }
}

#[cfg(test)]
mod tests;
