//! People, streamed household by household.

use std::collections::VecDeque;

use crate::date::Date;
use crate::household;
use crate::insurance::Insurance;
use crate::names::{Name, Names};
use crate::place::Places;

/// The day on which the population is looked at.
pub const REFERENCE_DATE: Date = Date::new(2026, 4, 1);

/// Sex as the register has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sex {
    /// Written 1 in Japanese health records.
    Male,
    /// Written 2.
    Female,
}

/// Somebody who does not exist.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    /// Number within the population, from 0.
    pub number: u64,
    /// Number of the household, from 0.
    pub household: u64,
    /// Sex.
    pub sex: Sex,
    /// Date of birth.
    pub birth: Date,
    /// Family name, now.
    pub family: Name,
    /// Given name.
    pub given: Name,
    /// Postal code without a hyphen, now.
    pub postal_code: String,
    /// Health insurance, now.
    pub insurance: Insurance,
    /// Whether the person is a foreign resident.
    pub foreign: bool,
    /// What was true before the last change of each kind.
    pub former: Former,
}

/// A person's state before the last change, and how early in a row of equal persons that change came.
///
/// How long ago a change was depends on its yearly rate, which is the error model's to say: at rate r the last change
/// was `-ln(1 - quantile) / r` years ago.
#[derive(Debug, Clone, PartialEq)]
pub struct Former {
    /// Family name before the last marriage or divorce.
    pub family: Name,
    /// Postal code before the last move.
    pub postal_code: String,
    /// Insurance before the last change of insurer.
    pub insurance: Insurance,
    /// Quantiles in [0, 1) of the years since: change of name, move, change of insurer.
    pub quantiles: [f64; 3],
}

/// A population that follows from its seed.
pub struct Population {
    seed: u64,
    people: u64,
    names: Names,
    places: Places,
}

impl Population {
    /// `people` people of the population with this seed. A smaller population is the beginning of a larger one.
    #[must_use]
    pub fn new(seed: u64, people: u64) -> Self {
        Self { seed, people, names: Names::load(), places: Places::load() }
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

    /// The people, in the order of their households.
    #[must_use]
    pub fn iter(&self) -> People<'_> {
        People { population: self, household: 0, person: 0, waiting: VecDeque::new() }
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
    household: u64,
    person: u64,
    waiting: VecDeque<Person>,
}

impl Iterator for People<'_> {
    type Item = Person;

    fn next(&mut self) -> Option<Person> {
        if self.person == self.population.people {
            return None;
        }
        while self.waiting.is_empty() {
            let Population { seed, names, places, .. } = self.population;
            self.waiting.extend(household::generate(*seed, self.household, names, places));
            self.household += 1;
        }
        let mut person = self.waiting.pop_front()?;
        person.number = self.person;
        self.person += 1;
        Some(person)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.population.people - self.person) as usize;
        (left, Some(left))
    }
}

#[cfg(test)]
mod tests;
