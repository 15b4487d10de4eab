//! How many of the pairs above the threshold a search found: measured on a random exact sample of the same tables.
//!
//! [`RecallSample::draw`] takes left rows at random, without repetition, and compares each with every right row. Of the
//! pairs that reach the threshold a [`RecallTally`] then counts those that the search returned. Nothing about the search is
//! assumed: not that bands are independent, nor that anybody knows who is who.
//!
//! The interval is Clopper and Pearson's, exact for any number of pairs. Pairs of one left row were drawn together and may be
//! found or missed together, so that it is computed for as many pairs as the sample is worth at worst (Kish 1965, Korn and
//! Graubard 1998): `(Σ m)² / Σ m²`, with `m` pairs of a row. Where hardly a row has two, that is their number.
//!
//! **What a sample of rows cannot see.** Pairs that belong to few rows: some thousand records with one placeholder token hold more
//! pairs than all others, and a sample may have drawn none of them. A search that leaves such a block uncompared knows it, so
//! that [`RecallTally::certificate_of`] lessens the lower end by what was lost there. What a few rows lose in another way may
//! stay unseen: the interval is as good as the rows drawn are like the others.
//!
//! **Looking again and again.** A search may look at its certificate after every step and stop as soon as the target is shown. That
//! makes a wrong "certified" no likelier than one look would: what is found only grows. Be `K` the last step at which the recall
//! is below the target, which is a matter of the search and not of the sample. If any step up to `K` is certified, the pairs
//! found by step `K` are at least as many, so that `K` itself is certified; and the chance of that is the interval's 2.5 %.

mod sample;
mod tally;

pub use sample::{RecallSample, SampleRequest};
pub use tally::{CONFIDENCE, RecallCertificate, RecallTally};

#[cfg(test)]
mod tests;
