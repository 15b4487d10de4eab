//! Privacy-preserving record linkage as a pure library: no network, async, DataFusion, clock or terminal.

pub mod dice;
