//! The on-site program of a data custodian, as a library behind a thin `main`.
//!
//! It turns an extract into a sealed token file, shows a person what is about to leave the site, and does both without
//! opening a socket. It knows nothing of DataFusion, of the linkage service's stores or of other custodians' files.

mod allocator;
pub mod cli;
mod commands;
mod figure;
mod findings;
mod format_args;
mod guess;
mod inputs;
mod intake;
mod looks;
mod opt_out;
mod output;
pub mod refs;
mod report;
mod rows;
mod sort;
mod work;
