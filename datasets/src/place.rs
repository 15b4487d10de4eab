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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) prefecture: u8,
    pub(crate) postal_code: String,
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
        let prefecture = &self.prefectures[self.by_population.draw(random)];
        let area = random.between(prefecture.areas.0, prefecture.areas.1);
        // Squaring crowds people into the first towns of an area, as towns differ in size.
        let town = (random.unit().powi(2) * TOWNS_PER_AREA) as u32 + 1;
        Place { prefecture: prefecture.code, postal_code: format!("{area:03}{town:04}") }
    }

    /// Where somebody lived before: in the same prefecture about half the time, as with real moves.
    pub(crate) fn draw_former(&self, random: &mut Random, now: &Place) -> Place {
        loop {
            let place = self.draw(random);
            if place.postal_code != now.postal_code && (place.prefecture == now.prefecture || random.chance(0.03)) {
                return place;
            }
        }
    }
}
