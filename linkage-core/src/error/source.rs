//! Why a custodian's file, or the mapping file that describes it, cannot be read.

use thiserror::Error;

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
        "not a column of receipts\nhint: give KIND=COLUMN: medical, dpc, dental, pharmacy or nursing; a number from 8 or `none`, for a reading also `detect`"
    )]
    UkeColumn,
    /// A document is no JSON object.
    #[error(
        "not a JSON object\nhint: give NDJSON (one resource per line) or one whole resource or Bundle; was the file cut off?"
    )]
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
