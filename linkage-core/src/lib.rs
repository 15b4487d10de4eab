//! Privacy-preserving record linkage as a pure library.
//!
//! A custodian's rows become keyed Bloom-filter tokens here ([`schema`], [`secret`], [`normalise`], [`encode`],
//! [`token_file`]); the tokens of several databases are compared and grouped here ([`block`], [`dice`], [`cluster`]), and groups
//! become linkage keys. The same inputs give the same bytes on any CPU and any number of threads.
//!
//! This crate knows nothing of the network, async runtimes, DataFusion, the clock or the terminal: randomness and time
//! come as arguments, and nothing is printed.

pub mod block;
pub mod classify;
pub mod clk;
pub mod clkhash;
pub mod cluster;
pub mod dice;
pub mod encode;
pub mod error;
pub mod evaluate;
pub mod harden;
pub mod linkage_key;
pub mod normalise;
pub mod schema;
pub mod secret;
pub mod source;
pub mod token_file;
pub mod tune;
pub mod types;
