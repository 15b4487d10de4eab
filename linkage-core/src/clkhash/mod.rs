//! CLKs as clkhash makes them, so that deployments which have them can join.
//!
//! A clkhash linkage schema (version 3) is read strictly, and what it encodes is bit for bit what the Python package
//! clkhash 0.18 makes: HKDF keys, keyed BLAKE2b or HMAC double hashing, its n-gram, exact and numeric comparisons, and
//! its XOR folding. testdata/vectors/clkhash holds vectors that the package made.
//!
//! These CLKs are weaker than ours: n-grams that repeat count more than once, missing values are hashed like values
//! unless the schema replaces them by nothing, double hashing can be attacked (Niedermeyer 2014), and there is no
//! normalisation of Japanese. They are here to link with what exists, not to begin with.

mod compare;
mod encode;
mod error;
mod format;
mod hash;
mod json;
mod schema;
#[cfg(test)]
mod tests;

pub use encode::{BrokenRule, ClkhashEncoder};
pub use error::ClkhashError;
pub use json::{ClkJsonReader, ClkJsonWriter, swap_bit_order};
pub use schema::ClkhashSchema;
