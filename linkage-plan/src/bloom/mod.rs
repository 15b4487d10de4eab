//! The Bloom semi-join: drops the rows of one input whose key the other input cannot have, before they are shuffled or
//! joined.
//!
//! A filter of about ten bits per key is built from one side's keys. What it lets through still has to be joined: of the
//! keys that the other side does not have about one in a hundred passes. What it drops cannot have a partner.

mod blocks;
mod exec;
mod filter;
mod metrics;
mod node;

pub use exec::BloomSemiExec;
pub use node::{BloomSemiNode, BloomSemiPlanner};

#[cfg(test)]
mod tests;
