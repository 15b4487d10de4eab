//! The errors of this crate.

use std::path::PathBuf;

/// Why extracts could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// A file cannot be made or written.
    #[error("cannot write {}: {source}\nhint: is the folder there, writable, and not full?", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A rate of the error model is not usable.
    #[error("error model, `{name}`: not a rate\nhint: give a number from 0 to 1")]
    Rate {
        /// Which rate.
        name: &'static str,
    },
}
