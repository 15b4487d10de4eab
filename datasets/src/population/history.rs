//! What happened to a household: told backwards from today, for the state of today is given.

use super::household::{Role, Seat, new_family};
use super::{Change, Former, Person, REFERENCE_DATE, World};
use crate::date::Date;
use crate::insurance::{self, ELDERLY_AGE, Insurance};
use crate::place::Place;
use crate::random::Random;

/// How many years back the changes of a person are known.
pub const HISTORY_YEARS: u16 = 15;

const WINDOW_DAYS: u32 = HISTORY_YEARS as u32 * 365;

/// A household today.
pub(super) struct Home<'a> {
    pub(super) seats: &'a [Seat],
    pub(super) card: Insurance,
    pub(super) place: Place,
    pub(super) foreign: Option<(usize, bool)>,
}

#[derive(Clone, Copy)]
enum Event {
    /// The household came from another municipality.
    Move,
    /// The household's head changed the employer.
    Job,
    /// The couple married and founded the household.
    Marriage,
    /// A parent with children was divorced.
    Divorce,
    /// A member came to insurance for the elderly.
    Elderly(usize),
}

/// What holds on the day to which the story has been told back.
struct Then<'a> {
    card: Insurance,
    place: Place,
    /// Nothing further is told of members who had not yet come to this household.
    gone: u32,
    foreign: Option<(usize, bool)>,
    world: &'a World,
}

impl Home<'_> {
    /// Writes down what changed for each member, newest first.
    pub(super) fn remember(self, random: &mut Random, world: &World, people: &mut [Person]) {
        let mut events = Vec::with_capacity(8);
        self.draw(random, world, people, &mut events);
        events.sort_by_key(|&(on, event)| std::cmp::Reverse((on, matches!(event, Event::Elderly(_)))));
        let mut then = Then { card: self.card, place: self.place, gone: 0, foreign: self.foreign, world };
        for (on, event) in events {
            then.before(random, on, event, self.seats, people);
        }
    }

    fn draw(&self, random: &mut Random, world: &World, people: &[Person], events: &mut Vec<(Date, Event)>) {
        let model = &world.model;
        for (event, rate) in [(Event::Move, model.move_per_year), (Event::Job, model.job_change_per_year)] {
            // Each kind of event has a stream of its own, so that a rate moves its own events only.
            let random = &mut random.fork();
            let mut days = 0.0;
            loop {
                days += random.exponential(rate) * 365.25;
                if days >= f64::from(WINDOW_DAYS) {
                    break;
                }
                events.push((REFERENCE_DATE.days_before(days as u32), event));
            }
        }
        let eldest_child = self.seats.iter().zip(people).filter(|(seat, _)| seat.role == Role::Child);
        let first_birth = eldest_child.map(|(_, person)| person.birth).min();
        let head = &people[0];
        if self.seats[0].role == Role::Married && random.chance(MARRIED_SHARE) {
            let age = marriage_age(random);
            let wedding = head.birth.years_later(age).days_before(random.below(365) as u32);
            // Who is younger than that has married lately; and few children are born before.
            let wedding = if wedding > REFERENCE_DATE { lately(random, 7) } else { wedding };
            events.push((first_birth.map_or(wedding, |birth| wedding.min(birth)), Event::Marriage));
        }
        if self.seats[0].role == Role::Parent && random.chance(model.name_taken_back) {
            let youngest = self.seats.iter().zip(people).filter(|(seat, _)| seat.role == Role::Child);
            if let Some(birth) = youngest.map(|(_, person)| person.birth).max() {
                events.push((lately(random, 22).max(birth), Event::Divorce));
            }
        }
        for (member, person) in people.iter().enumerate() {
            let birthday = person.birth.years_later(ELDERLY_AGE);
            if birthday <= REFERENCE_DATE {
                events.push((birthday, Event::Elderly(member)));
            }
        }
        let horizon = REFERENCE_DATE.days_before(WINDOW_DAYS);
        events.retain(|&(on, _)| on > horizon && on <= REFERENCE_DATE);
    }
}

/// Share of couples of whom one took the other's name; the rest has lived together under one from the beginning.
const MARRIED_SHARE: f64 = 0.97;

/// Between 21 and 42, most often at 29.
fn marriage_age(random: &mut Random) -> u16 {
    (21.0 + 21.0 * (random.unit() + random.unit() + random.unit() * 0.6) / 2.6) as u16
}

fn lately(random: &mut Random, years: u64) -> Date {
    REFERENCE_DATE.days_before(random.below(years * 365) as u32)
}

impl Then<'_> {
    fn before(&mut self, random: &mut Random, on: Date, event: Event, seats: &[Seat], people: &mut [Person]) {
        match event {
            Event::Move => {
                let place = self.world.places.draw_former(random, &self.place);
                let card = self.card.is_municipal().then(|| insurance::of_municipality(random, place.prefecture));
                let far = place.prefecture != self.place.prefecture;
                self.each(people, on, |person, branch| {
                    person.past.push(Change { on, before: Former::Place(place.clone()) });
                    let former = match &card {
                        _ if person.was_elderly_before(on) => {
                            far.then(|| insurance::of_elderly(random, place.prefecture))
                        }
                        card => card.as_ref().map(|card| insurance::with_branch(card, branch)),
                    };
                    person.past.extend(former.map(|former| Change { on, before: Former::Insurance(former) }));
                });
                self.card = card.unwrap_or_else(|| self.card.clone());
                self.place = place;
            }
            Event::Job => {
                let card = insurance::of_household(random, self.place.prefecture, people[0].age_on(on));
                self.each(people, on, |person, branch| person.was_insured(on, &card, branch));
                self.card = card;
            }
            Event::Elderly(member) => {
                if self.gone & (1 << member.min(31)) == 0 {
                    let before = Former::Insurance(insurance::with_branch(&self.card, member));
                    people[member].past.push(Change { on, before });
                }
            }
            Event::Marriage => {
                for (member, seat) in seats.iter().enumerate().filter(|(_, seat)| seat.role == Role::Married) {
                    // The one who keeps the name has not always changed home and insurer as well.
                    let moved = seat.took_name || random.chance(0.5);
                    let person = &mut people[member];
                    if seat.took_name {
                        let family = new_family(random, self.world, self.foreign);
                        person.past.push(Change { on, before: Former::Family(family) });
                    }
                    let place = self.world.places.draw_former(random, &self.place);
                    let card = insurance::of_household(random, place.prefecture, person.age_on(on));
                    if moved {
                        person.past.push(Change { on, before: Former::Place(place) });
                        person.was_insured(on, &card, random.below(4) as usize);
                    }
                    self.gone |= 1 << member.min(31);
                }
            }
            Event::Divorce => {
                let family = new_family(random, self.world, self.foreign);
                let place = self.world.places.draw_former(random, &self.place);
                let card = insurance::of_household(random, place.prefecture, people[0].age_on(on));
                self.each(people, on, |person, branch| {
                    person.past.push(Change { on, before: Former::Family(family.clone()) });
                    person.past.push(Change { on, before: Former::Place(place.clone()) });
                    person.was_insured(on, &card, branch + 1);
                });
                (self.place, self.card) = (place, card);
            }
        }
    }

    /// Every member who was born and here before the day.
    fn each(&self, people: &mut [Person], on: Date, mut tell: impl FnMut(&mut Person, usize)) {
        for (branch, person) in people.iter_mut().enumerate() {
            if person.birth < on && self.gone & (1 << branch.min(31)) == 0 {
                tell(person, branch);
            }
        }
    }
}

impl Person {
    /// A change may fall on the 75th birthday, and what was before it was before that.
    fn was_elderly_before(&self, on: Date) -> bool {
        self.age_on(on.days_before(1)) >= ELDERLY_AGE
    }

    fn was_insured(&mut self, on: Date, card: &Insurance, branch: usize) {
        if !self.was_elderly_before(on) {
            self.past.push(Change { on, before: Former::Insurance(insurance::with_branch(card, branch)) });
        }
    }
}
