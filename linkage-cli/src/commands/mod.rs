//! One file per command.

pub mod audit;
pub mod catalogue;
pub mod evaluate;
pub mod generate;
pub mod keys;
pub mod permit;
pub mod run;

/// Prints an error with its causes to stderr, as `error: …`; a hint is part of the text of the error that has one.
pub fn report(error: &anyhow::Error) {
    use std::io::Write as _;
    // Nothing can be done about a closed stderr.
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
}
