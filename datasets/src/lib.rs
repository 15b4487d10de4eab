//! A synthetic Japanese population, the extracts that databases would hold of it, and the truth.
//!
//! Real linkage data cannot be published, so the demo, the end-to-end tests and the tuning of `person-ja` run on people
//! who do not exist. What makes linkage hard is kept: frequent family names, several kanji per reading and several
//! readings per kanji, names that go with birth cohorts, households that share a family name, an address and an insurance
//! number, twins, foreign residents, moves, marriages, changes of insurer, and the notation habits of each database.
//!
//! - [`Population`]: who the people are and what changed in their lives.
//! - [`write_extracts`]: what each database holds of them on its day, in the format its custodian has.
//! - [`Model`]: every rate of the population and of errors, with the sources of its defaults.
//! - [`corrupt_csv`]: the same errors, and some more, done to a table of the user's own.
//! - [`write_demo`]: five extracts as CSV, for the demo and the end-to-end tests.
//!
//! Everything follows from a seed: the same seed and the same number of people give the same bytes, whatever the number of
//! threads. People are streamed block by block, so a population of any size needs the memory of a few blocks.
//!
//! Sources: Meiji Yasuda Life 2018 and the personal-name dataset of shuheilocale (MIT) for family names; published yearly
//! rankings for given names; the census, the vital statistics and the resident statistics for ages, marriages, moves and
//! foreign residents; MHLW working-group material for the share of insurance numbers that change. What no source was found
//! for is marked as a design value in [`ErrorModel`] and [`HabitModel`].
//!
//! This crate knows nothing of the encoder, nor of any other crate of the workspace.

mod corrupt;
mod date;
mod demo;
mod error;
mod extract;
mod faults;
mod habits;
mod insurance;
mod mistakes;
mod model;
mod names;
mod notation;
mod observe;
mod output;
mod parallel;
mod place;
mod population;
mod random;
mod rates;
mod table;

pub use corrupt::{ColumnKind, CorruptOptions, CorruptReport, corrupt_csv};
pub use date::Date;
pub use demo::{DemoDatabase, DemoManifest, write_demo};
pub use error::DatasetError;
pub use extract::{
    ExtractManifest, ExtractOptions, ExtractedDatabase, database_names, write_extracts, write_population,
};
pub use faults::Faults;
pub use insurance::{Insurance, check_digit};
pub use model::{DatabaseModel, Model};
pub use names::Name;
pub use place::Place;
pub use population::{
    BLOCK_PEOPLE, Change, DAYS, Former, HISTORY_YEARS, People, Person, Population, REFERENCE_DATE, Sex, State,
};
pub use rates::{CorruptModel, ErrorModel, HabitModel, PopulationModel};
