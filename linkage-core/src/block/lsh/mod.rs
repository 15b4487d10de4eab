//! Hamming LSH: pairs are compared that agree in all the bits of some small random sample of bits.
//!
//! A *band* is such a sample. Two CLKs that differ in few bits agree in a band far more often than two that differ in
//! many, so a few hundred bands find nearly every pair above the threshold and touch a tiny share of all pairs
//! (Indyk and Motwani 1998; for linkage Karapiperis and Verykios 2015).
//!
//! [`LshPlan::solve`] chooses the bits per band and the number of bands: as many bands as the worst pair that counts needs to
//! be found with the recall that was asked for, and as many bits as make the whole cheapest, by the collisions of the data
//! itself. [`LshJoin`] then runs one band at a time. What a run really found is the business of [`super::certificate`], and
//! [`CertifiedSearch`] runs bands until that says that it is enough.
//!
//! **Which pairs come out.** Those whose CLKs reach the threshold by the exact integer rule and agree in a band; each once,
//! because a pair is accepted only in the first band in which it agrees. That is a question to the pair alone, so no set of
//! pairs is kept. Plan and seed fix the result; threads and machine do not matter.
//!
//! **What is held.** Beside the tokens, 12 bytes per record: a key of 32 bits, and an entry of key and row.
//!
//! **What it is not for.** Diffused tokens: there a pair at the threshold agrees hardly more often than chance, and the solver
//! refuses. Segmented tokens: their score counts segments that both have, which the distance here does not.

mod bands;
mod blocks;
mod collisions;
mod error;
mod join;
mod keys;
mod plan;
mod search;

pub use error::{LshError, Stopped};
pub use join::{BandStats, LshJoin, LshLimits, Stage};
pub use plan::{LshDemand, LshPlan, MAX_BANDS};
pub use search::{BandRule, CertifiedSearch};

#[cfg(test)]
mod tests;
