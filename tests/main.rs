//! End to end: five custodians, one linkage unit, known truth, all through the real command lines.
//!
//! One demo is played and kept; the tests look at what it left behind and go on from there.

mod canary;
mod demo;
mod extracts;
mod permits;
mod stage;
mod wire_tap;
