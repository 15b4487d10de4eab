//! A synthetic Japanese population, the extracts that five databases would hold of it, and the truth.
//!
//! Real linkage data cannot be published, so the demo, the end-to-end tests and the tuning of `person-ja` run on people
//! who do not exist. What makes linkage hard is kept: frequent family names, several kanji per reading and several
//! readings per kanji, names that go with birth cohorts, households that share a family name, an address and an insurance
//! number, twins, foreign residents, moves, marriages, changes of insurer, and the notation habits of each database.
//!
//! Everything follows from a seed: the same seed and the same number of people give the same bytes. People are streamed,
//! one household at a time, so a population of any size needs the memory of its name tables only.
//!
//! This crate knows nothing of the encoder, nor of any other crate of the workspace.

mod corrupt;
mod date;
mod demo;
mod error;
mod household;
mod insurance;
mod names;
mod notation;
mod place;
mod population;
mod random;
mod table;

pub use corrupt::ErrorModel;
pub use date::Date;
pub use demo::{DemoDatabase, DemoManifest, write_demo};
pub use error::DatasetError;
pub use insurance::{Insurance, check_digit};
pub use names::Name;
pub use population::{Former, People, Person, Population, REFERENCE_DATE, Sex};
