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

/// Why a custodian's file cannot be read. Names of columns are shown, values never.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// There is not even a header.
    #[error("the file is empty\nhint: the first row must be a header with the names of the columns")]
    Empty,
    /// The name of an encoding is not known.
    #[error("not a known encoding\nhint: use utf-8 or cp932")]
    Encoding,
    /// The file starts like UTF-16.
    #[error("the file is UTF-16\nhint: save it as UTF-8, or as CP932 and say `--encoding cp932`")]
    Utf16,
    /// The header cannot be decoded.
    #[error("the header is not {encoding}\nhint: say `--encoding cp932` or `--encoding utf-8` as the file was saved")]
    HeaderEncoding {
        /// The encoding that was declared.
        encoding: crate::source::Encoding,
    },
    /// A column that is needed is not there.
    #[error(
        "no column `{column}` for field `{field}`\nhint: {header}; map one with `{field}=COLUMN`, or `{field}=` if the file has none"
    )]
    MissingColumn {
        /// The field of the schema.
        field: String,
        /// The name that was looked for.
        column: String,
        /// What the header has.
        header: String,
    },
    /// The column of the record ids is not there.
    #[error("no column `{column}` for the record ids\nhint: {header}")]
    MissingIdColumn {
        /// The name that was looked for.
        column: String,
        /// What the header has.
        header: String,
    },
    /// Two columns have the name that is needed.
    #[error("the header has column `{column}` twice\nhint: rename one of them")]
    ColumnTwice {
        /// The name.
        column: String,
    },
    /// A field of the mapping does not exist.
    #[error("the schema has no field `{field}`\nhint: its fields are {fields}")]
    UnknownField {
        /// The name in the mapping.
        field: String,
        /// The names of the schema.
        fields: String,
    },
    /// A field is mapped twice.
    #[error("field `{field}` is mapped twice\nhint: give one column per field")]
    FieldTwice {
        /// The name in the mapping.
        field: String,
    },
    /// Every field is mapped to nothing.
    #[error("every field is mapped to nothing\nhint: map at least one field to a column")]
    NoFields,
    /// A row does not end.
    #[error(
        "row {row} does not end: it is longer than 1 MiB or 64 lines\nhint: a quotation mark is probably not closed in or before this row"
    )]
    RowTooLong {
        /// The row; the header is row 1.
        row: u64,
    },
    /// A file of a person format holds nobody.
    #[error("the file is empty\nhint: nothing has been written")]
    NoRows,
    /// The first record is none of a file of receipts.
    #[error(
        "not a file of receipts\nhint: the first line must be a record such as `IR,…` or `RE,…`; was the file unpacked?"
    )]
    NotUke,
    /// A column of a receipt is not well named.
    #[error(
        "not a column of receipts\nhint: give KIND=COLUMN: medical, dpc, dental, pharmacy or nursing; a number from 8, `detect` or `none`"
    )]
    UkeColumn,
    /// A document that should be JSON is not.
    #[error("not JSON\nhint: give NDJSON (one resource per line) or one whole JSON document; was the file cut off?")]
    NotJson,
    /// A line or document of JSON is too long.
    #[error("row {row} is longer than 64 MiB\nhint: write one resource or Bundle per line (NDJSON)")]
    DocumentTooLong {
        /// The row.
        row: u64,
    },
    /// A line does not end.
    #[error("line {row} is longer than 64 KiB\nhint: no record of this format is; is it the format that you named?")]
    LineTooLong {
        /// The line.
        row: u64,
    },
    /// The position of a value in a file without a header is not well given.
    #[error(
        "not a position of a value\nhint: give NAME=COLUMN; NAME is one of {names}; COLUMN a number from 1, the name of a column in the first row, or `none`"
    )]
    Position {
        /// The values that have positions.
        names: String,
    },
    /// The file has no column of a name that was given as a position.
    #[error(
        "no column `{column}` in the first row\nhint: give the name as it stands there, or the number of the column"
    )]
    NoSuchColumn {
        /// The name.
        column: String,
    },
    /// No row has the columns that say whom it is about.
    #[error("no record of the expected form\nhint: {hint}")]
    NoSuchRecord {
        /// What to look at.
        hint: &'static str,
    },
    /// A file is not Parquet, or is written in a manner that is not read.
    #[cfg(feature = "parquet")]
    #[error(
        "not a Parquet file that can be read\nhint: was it cut off? Columns may be plain or compressed with snappy or zstd, and not enciphered"
    )]
    NotParquet,
    /// A Parquet file is damaged, or compressed in a manner that is not read.
    #[cfg(feature = "parquet")]
    #[error(
        "row {row} or one of those after it cannot be decoded\nhint: the file is damaged, or compressed otherwise than with snappy or zstd"
    )]
    DamagedParquet {
        /// The first row of the batch.
        row: u64,
    },
    /// A column has a type that no value of a person has.
    #[cfg(feature = "parquet")]
    #[error(
        "column `{column}` is of type {kind}\nhint: write it as text, whole numbers or dates; map the field to another column, or to none"
    )]
    ColumnType {
        /// The column.
        column: String,
        /// Its type.
        kind: String,
    },
    /// More people than can be kept in memory.
    #[error("more than {most} people in the records without names\nhint: tokenise them in parts")]
    TooManyPeople {
        /// The bound.
        most: usize,
    },
    /// The file cannot be read.
    #[error("row {row} cannot be read: {source}")]
    Io {
        /// The row; the header is row 1.
        row: u64,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// Why a mapping file cannot be used. Its texts name keys and columns, never a value of an extract.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MappingError {
    /// Not TOML, or a key that a mapping does not have.
    #[error(
        "line {line}: {message}\nhint: `custodian map --guess` writes a mapping; docs/spec/mapping.md lists every key"
    )]
    Toml {
        /// The line, from 1.
        line: usize,
        /// What the parser said.
        message: String,
    },
    /// Another format or version.
    #[error("not a mapping of this version\nhint: it must say format = \"linkage-mapping/1\"")]
    Format,
    /// Made for another schema.
    #[error(
        "the mapping is for schema {mapping:?}, not for {schema:?}\nhint: use that schema, or make another mapping"
    )]
    OtherSchema {
        /// What the mapping names.
        mapping: String,
        /// What the command line names.
        schema: String,
    },
    /// The name of an encoding is not known.
    #[error("not a known encoding\nhint: use encoding = \"utf-8\" or \"cp932\"")]
    Encoding,
    /// A delimiter that could be part of a value.
    #[error("not a delimiter\nhint: use \",\", \"\\t\", \";\" or, in UTF-8 alone, \"|\"")]
    Delimiter,
    /// A mark for missing values that is blank or not in the encoding.
    #[error(
        "{mark:?} cannot mark a missing value\nhint: empty values are missing anyway; others must exist in the encoding"
    )]
    MissingMark {
        /// The mark.
        mark: String,
    },
    /// A field of the mapping does not exist.
    #[error("the schema has no field `{field}`\nhint: its fields are {fields}")]
    UnknownField {
        /// The name in the mapping.
        field: String,
        /// The names of the schema.
        fields: String,
    },
    /// A field has neither a column nor the statement that there is none.
    #[error(
        "field `{field}` is left open\nhint: [fields.{field}] says either column = … or absent = true, and nothing else with absent"
    )]
    Open {
        /// The field.
        field: String,
    },
    /// A column is named where only positions can be, or the other way round.
    #[error("`{what}`: not a column\nhint: with header = true a name in quotes, with header = false a number from 1")]
    Column {
        /// The field, or `id_column`.
        what: String,
    },
    /// An order of dates for something that is no date.
    #[error("field `{field}` is no date\nhint: leave `date` out")]
    NoDate {
        /// The field.
        field: String,
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
