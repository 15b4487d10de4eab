//! The errors of this crate, one enum per activity.
//!
//! Every message names a place and a rule, never a person's value; where something can be done about it, a second
//! line says what (`hint: …`).

use std::path::PathBuf;

use thiserror::Error;

/// Why a text is not one of the small types of [`crate::types`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TypeError {
    /// The text is not a database name.
    #[error(
        "not a database name\nhint: use a lower-case letter, then 1 to 31 lower-case letters, digits or underscores"
    )]
    DatabaseId,
    /// The text is not hex of the right length.
    #[error("not {digits} lower-case hex digits")]
    Hex {
        /// How many digits were expected.
        digits: usize,
    },
}

/// Why bytes are not a linkage schema.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The bytes are not a JSON document of the expected shape.
    #[error(
        "not a linkage schema: {message}\nhint: docs/spec/linkage-schema.md lists every key; unknown keys are refused"
    )]
    Json {
        /// What the JSON reader said; a schema holds no personal data.
        message: String,
    },
    /// The document says that it follows another version of the format.
    #[error("linkage schema format {found:?} is not known\nhint: this version reads \"linkage-schema/1\"")]
    Format {
        /// The `format` of the document.
        found: String,
    },
    /// A value breaks a rule.
    #[error("linkage schema, {place}: {rule}\nhint: {hint}")]
    Rule {
        /// Where in the document, for example `field "sex"`.
        place: String,
        /// The rule that is broken.
        rule: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// The name is neither that of a shipped schema nor a file.
    #[error(
        "linkage schema {name:?} cannot be read: {source}\nhint: give the path of a schema file, or the name of a shipped schema: {shipped}"
    )]
    Load {
        /// What was asked for.
        name: String,
        /// The names of the shipped schemas.
        shipped: String,
        /// Why the file cannot be read.
        source: std::io::Error,
    },
}

/// Why a text is not a linkage key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LinkageKeyError {
    /// The text has too few or too many symbols.
    #[error("not a linkage key: {symbols} symbols without hyphens, where 27 belong")]
    Length {
        /// How many symbols there are.
        symbols: usize,
    },
    /// A symbol is none of Crockford's base32.
    #[error("not a linkage key: symbol {position} is none of Crockford's base32")]
    Symbol {
        /// Which symbol, from 1.
        position: usize,
    },
    /// The number has more than 128 bits.
    #[error("not a linkage key: the first symbol must be 0 to 7")]
    TooLarge,
    /// The check symbol does not fit the others.
    #[error("not a linkage key: the check symbol does not fit\nhint: a symbol was mistyped or two were swapped")]
    Check,
}

/// Why a linkage secret cannot be had or written. No variant quotes any part of a secret.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The text or file is something else.
    #[error(
        "not a linkage secret\nhint: a secret is one line that starts with `linkage-secret1`; `custodian keygen` makes one"
    )]
    NotASecret,
    /// The text has been mistyped or cut.
    #[error(
        "the checksum of the linkage secret does not match\nhint: a character is wrong, missing or doubled; copy the whole line again"
    )]
    Checksum,
    /// The checksum is right, but the content is not 32 bytes.
    #[error(
        "the linkage secret does not hold 256 bits\nhint: was it made by another program? `custodian keygen` makes one"
    )]
    Length,
    /// Others than the owner can read or write the file.
    #[error("{} can be used by others (mode {mode:03o})\nhint: chmod 600 {}", path.display(), path.display())]
    Permissions {
        /// The secret file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// There is already a file of that name.
    #[error(
        "{} exists already\nhint: a secret that is overwritten is lost for good; choose another name", path.display()
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
