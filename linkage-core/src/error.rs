//! The errors of this crate, one enum per activity.
//!
//! Every message names a place and a rule, never a person's value; where something can be done about it, a second
//! line says what (`hint: …`).

mod source;

use std::path::PathBuf;

use thiserror::Error;

pub use source::{MappingError, SourceError};

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
        "linkage schema {name:?} cannot be read: {cause}\nhint: give the path of a schema file, or the name of a shipped schema: {shipped}"
    )]
    Load {
        /// What was asked for.
        name: String,
        /// The names of the shipped schemas.
        shipped: String,
        /// Why the file cannot be read. Not called a source, because who prints a chain of sources would say it twice.
        cause: std::io::Error,
    },
    /// The file of a schema holds something else.
    #[error("`{name}`: {fault}")]
    InFile {
        /// The path of the file.
        name: String,
        /// What is wrong in it.
        fault: Box<SchemaError>,
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
    /// The path is that of a folder.
    #[error("`{}`: a folder, not a file\nhint: name the file that `custodian keygen` made", path.display())]
    Folder {
        /// The path.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("`{}`: {}", path.display(), Self::NotASecret)]
    NotASecretFile {
        /// The file.
        path: PathBuf,
    },
    /// The text is something else.
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
    #[error("`{}`: others can use it (mode {mode:03o})\nhint: chmod 600 {}", path.display(), path.display())]
    Permissions {
        /// The secret file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// There is already a file of that name.
    #[error(
        "`{}`: there is a file of this name\nhint: a secret that is overwritten is lost for good; choose another name", path.display()
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Why a token file cannot be written or read. A variant per fault, so that a person is told the right thing to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenFileError {
    /// The system failed to read or write.
    #[error("{0}")]
    Io(#[source] std::io::Error),
    /// Arrow refused a batch that has passed our own checks.
    #[error("Arrow: {0}")]
    Arrow(#[source] arrow::error::ArrowError),
    /// There is already a file of that name.
    #[error("{} exists already\nhint: choose another name, or say that it shall be replaced", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Nobody could open the file.
    #[error("a token file needs a recipient\nhint: give the linkage unit's public key")]
    NoRecipient,
    /// Not sealed by age.
    #[error("not a sealed token file\nhint: token files are made by `custodian tokenise` and sent as they are")]
    NotSealed,
    /// Sealed for somebody else.
    #[error(
        "the token file was sealed for another recipient\nhint: check the linkage unit's public key that `custodian tokenise --to` was given"
    )]
    WrongRecipient,
    /// The file ends too early.
    #[error("the token file is cut off\nhint: send it again; if it is so at its origin, tokenise again")]
    Truncated,
    /// Some bytes are not those that were sealed.
    #[error("the token file is damaged\nhint: send it again; if it is so at its origin, tokenise again")]
    Damaged,
    /// The sealed content is something else.
    #[error("the sealed file does not hold tokens\nhint: token files are made by `custodian tokenise`")]
    NotATokenFile,
    /// The format has another version.
    #[error("token file format {found} is not known\nhint: this program reads format 1; update the older side")]
    Version {
        /// The version of the file.
        found: u32,
    },
    /// The header breaks a rule.
    #[error(
        "the header of the token file is not valid: {rule}\nhint: the program that wrote it breaks docs/spec/token-file.md"
    )]
    Header {
        /// The rule.
        rule: String,
    },
    /// The columns are not those that the header asks for.
    #[error(
        "the columns of the token file are not valid: {rule}\nhint: the program that wrote it breaks docs/spec/token-file.md"
    )]
    Columns {
        /// The rule.
        rule: String,
    },
    /// A batch breaks a rule.
    #[error(
        "the batch at row {row} is not valid: {rule}\nhint: the program that wrote it breaks docs/spec/token-file.md"
    )]
    Batch {
        /// The first row of the batch, counted from 0 in the order of the file.
        row: u64,
        /// The rule.
        rule: String,
    },
    /// A row does not fit the header.
    #[error("a row {rule}\nhint: encode all rows by the schema that the header names")]
    Row {
        /// The rule.
        rule: &'static str,
    },
    /// Record refs do not rise.
    #[error(
        "row {row}: the record refs are not in rising order, or one stands twice\nhint: every row of a database needs its own record ref"
    )]
    Order {
        /// The row, counted from 0 in the order of the file.
        row: u64,
    },
    /// The presence mask and the bits of a segment contradict each other.
    #[error(
        "row {row}: the presence mask and the bits disagree on segment {segment}\nhint: a segment has bits if and only if it is present; tokenise again"
    )]
    Segment {
        /// The row, counted from 0 in the order of the file.
        row: u64,
        /// The segment, counted from 0.
        segment: usize,
    },
    /// The file holds another number of records than it states.
    #[error("the token file states {stated} records and holds {found}\nhint: tokenise again")]
    Count {
        /// What header or trailer state.
        stated: u64,
        /// What was counted.
        found: u64,
    },
    /// The file's density is not what it states.
    #[error("the token file states a density of {stated} ppm and has {found}\nhint: tokenise again")]
    Density {
        /// What the header states.
        stated: u32,
        /// What was counted.
        found: u32,
    },
    /// The trailer does not begin where the batches end.
    #[error("the token file has no trailer\nhint: the program that wrote it breaks docs/spec/token-file.md")]
    Trailer,
    /// The hash in the trailer is not that of the payload.
    #[error("the hash of the token file does not match\nhint: tokenise again")]
    Hash,
    /// Something follows the trailer.
    #[error("bytes follow the end of the token file\nhint: the program that wrote it breaks docs/spec/token-file.md")]
    TrailingBytes,
    /// The reader was finished before its last batch.
    #[error("the token file was not read to its end\nhint: read batches until there are none, then finish")]
    NotReadToEnd,
}

impl TokenFileError {
    /// What reading through the seal reports: the seal knows damage and truncation by the kind of error.
    pub(crate) fn from_read(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Self::Truncated,
            std::io::ErrorKind::InvalidData => Self::Damaged,
            _ => Self::Io(error),
        }
    }

    /// What opening the seal reports.
    pub(crate) fn from_seal(error: age::DecryptError) -> Self {
        match error {
            age::DecryptError::NoMatchingKeys => Self::WrongRecipient,
            age::DecryptError::InvalidMac | age::DecryptError::DecryptionFailed => Self::Damaged,
            age::DecryptError::Io(e) if e.kind() == std::io::ErrorKind::FileTooLarge => Self::NotSealed,
            age::DecryptError::Io(e) => Self::from_read(e),
            _ => Self::NotSealed,
        }
    }

    /// What writing through Arrow reports.
    pub(crate) fn from_arrow(error: arrow::error::ArrowError) -> Self {
        match error {
            arrow::error::ArrowError::IoError(_, e) => Self::Io(e),
            other => Self::Arrow(other),
        }
    }
}
