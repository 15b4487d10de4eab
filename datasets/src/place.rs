//! Where people live: a prefecture in proportion to its population, and a postal code within its bounds.

use crate::random::{Random, Weighted};
use crate::table;

pub(crate) struct Places {
    prefectures: Vec<Prefecture>,
    by_population: Weighted,
}

struct Prefecture {
    code: u8,
    areas: (u32, u32),
}

/// A postal code and the prefecture it lies in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// Number of the prefecture (JIS X 0401), from 1 to 47.
    pub prefecture: u8,
    /// Seven digits without a hyphen.
    pub postal_code: String,
}

/// About 120,000 postal codes over 950 areas.
const TOWNS_PER_AREA: f64 = 126.0;

impl Places {
    pub(crate) fn load() -> Self {
        let rows: Vec<[&str; 4]> = table::rows(include_str!("../data/prefectures.tsv")).collect();
        let whole = |cell: &str| table::number(cell) as u32;
        Self {
            by_population: Weighted::new(rows.iter().map(|row| table::number(row[1]))),
            prefectures: rows
                .iter()
                .map(|row| Prefecture { code: whole(row[0]) as u8, areas: (whole(row[2]), whole(row[3])) })
                .collect(),
        }
    }

    pub(crate) fn draw(&self, random: &mut Random) -> Place {
        let at = self.by_population.draw(random);
        self.draw_in(random, at)
    }

    fn draw_in(&self, random: &mut Random, at: usize) -> Place {
        let prefecture = &self.prefectures[at];
        let area = random.between(prefecture.areas.0, prefecture.areas.1);
        // Squaring crowds people into the first towns of an area, as towns differ in size.
        let town = (random.unit().powi(2) * TOWNS_PER_AREA) as u32 + 1;
        let mut digits = [b'0'; 7];
        for (power, digit) in digits.iter_mut().rev().enumerate() {
            *digit += ((area * 10_000 + town) / 10u32.pow(power as u32) % 10) as u8;
        }
        Place { prefecture: prefecture.code, postal_code: digits.iter().map(|&digit| char::from(digit)).collect() }
    }

    /// Where somebody lived before: in the same prefecture for about half of the moves between municipalities
    /// (2024: 5.2 million moves, of them 2.5 million between prefectures).
    pub(crate) fn draw_former(&self, random: &mut Random, now: &Place) -> Place {
        let area = now.postal_code.get(..3).and_then(|area| area.parse().ok()).unwrap_or(0);
        let here = self.prefectures.iter().position(|prefecture| {
            let (first, last) = prefecture.areas;
            prefecture.code == now.prefecture && (first..=last).contains(&area)
        });
        let at = here.filter(|_| random.chance(0.51));
        loop {
            let place = match at {
                Some(at) => self.draw_in(random, at),
                None => self.draw(random),
            };
            if place.postal_code != now.postal_code {
                return place;
            }
        }
    }
}
