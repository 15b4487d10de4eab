//! What hardening does to densities, similarities and thresholds: arithmetic on public numbers, without any key or token.
//!
//! The steps themselves are carried out by the encoder (docs/spec/encoding.md, §8); docs/spec/hardening.md derives the
//! arithmetic. A token file's header lists the steps, so that the linkage unit can use this module without the schema.

mod model;
mod step;
#[cfg(test)]
mod tests;

pub use model::Model;
pub use step::{Profile, Step, StepError, Take};
pub(crate) use step::{decimal, millionths};
