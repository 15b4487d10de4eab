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
//! **Rows that hold many pairs, and are rare.** A sample of some hundred rows may have drawn none of them, and then looks worth
//! more than it is. But the search has returned pairs of *all* rows, and by these, `f` of a row, the sample is worth no more than
//! its pairs times `Σ f / Σ f²`: the lesser of both counts. The heaviest rows may be set aside where that gives a narrower
//! interval. Of the share `h` of the pairs returned that are theirs nothing is then known but that at most as many were missed:
//! with `L` the lower end of the others, the recall is at least `1 / ((1 − h) / L + 2 h)`, which is no less than `L (1 − h)`.
//! Which rows are set aside is decided without a look at what was found of the sample.
//!
//! **What that assumes.** That a search returns a good part of the pairs of heavy rows, at least half of those set aside. Rare rows with hundreds
//! of pairs of which hardly any is returned stay unseen. Pairs of equal filters do not count in `f` where the search cannot miss
//! them, as bands cannot: a block of placeholder tokens makes no certificate doubtful. What bands leave uncompared of such a block they know, and
//! [`RecallTally::certificate_of`] lessens the lower end by what was lost there.
//!
//! **Looking again and again.** A search may look at its certificate after every step and stop as soon as the target is shown. That
//! makes a wrong "certified" no likelier than one look would: what is found only grows. Be `K` the last step at which the recall
//! is below the target, which is a matter of the search and not of the sample. If any step up to `K` is certified, the pairs
//! found by step `K` are at least as many, so that `K` itself is certified; and the chance of that is the interval's 2.5 %. (What
//! the sample is worth by the pairs returned may differ between the steps; the argument holds for the least of it.)

mod heavy;
mod sample;
mod tally;

pub use sample::{RecallSample, SampleRequest};
pub use tally::{CONFIDENCE, RecallCertificate, RecallTally};

#[cfg(test)]
mod tests;
