//! The errors of this crate.

use std::path::PathBuf;

use crate::population::DAYS;

/// Why data could not be made or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// A file cannot be made or written.
    #[error("cannot write {}: {cause}\nhint: is the folder there, writable, and not full?", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why. Not called a source, because who prints a chain of sources would say it twice.
        cause: std::io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {cause}\nhint: is the path right, and the file readable?", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A manifest of extracts is none.
    #[error("{}, line {line}: not the manifest of extracts\nhint: `linkage generate extracts -o DIR` writes one", path.display())]
    Manifest {
        /// Which file.
        path: PathBuf,
        /// Where it stops being one.
        line: usize,
    },
    /// The output is there already.
    #[error("{} exists\nhint: nothing is overwritten; give another name or remove it", path.display())]
    Exists {
        /// Which file or folder.
        path: PathBuf,
    },
    /// A rate of the error model is not usable.
    #[error("error model, `{name}`: not a rate\nhint: give a number from 0 to 1")]
    Rate {
        /// Which rate.
        name: String,
    },
    /// A rate is divided by weights, and all of them are 0.
    #[error(
        "error model: `{rate}` is above 0, and all of its weights are 0\nhint: set one of {weights} above 0, or `{rate}` to 0"
    )]
    Weights {
        /// Which rate.
        rate: String,
        /// Its weights.
        weights: String,
    },
    /// The model has no such rate.
    #[error(
        "error model: no rate is called `{name}`\nhint: `linkage generate model` prints all of them; `insured` is a rate of \
         databases.jisedai, databases.nanbyo and databases.shoman alone"
    )]
    UnknownRate {
        /// What was asked for.
        name: String,
    },
    /// There is no such database.
    #[error("no database is called `{name}`\nhint: there are {known}")]
    UnknownDatabase {
        /// What was asked for.
        name: String,
        /// All names.
        known: String,
    },
    /// The model's text is not one.
    #[error("error model: {reason}\nhint: `linkage generate model` prints a whole one to begin with")]
    Model {
        /// What the parser says; a model holds no person's value.
        reason: String,
    },
    /// A date of the model is none, or not one of the days on which the population can be looked at.
    #[error(
        "error model, database `{database}`: `as_of` is not a usable date\nhint: write YYYY-MM-DD, from {} to {}",
        DAYS.start(), DAYS.end()
    )]
    AsOf {
        /// Whose date.
        database: String,
    },
    /// The population cannot be looked at on this day.
    #[error("the population is not known on this day\nhint: give a date from {} to {}", DAYS.start(), DAYS.end())]
    Day,
    /// A table to be damaged does not have this column.
    #[error(
        "no column is called `{column}`\nhint: the first row has {columns} cells, and must be a header; is the name spelt as there?"
    )]
    UnknownColumn {
        /// Which column.
        column: String,
        /// Cells of the first row. They are not shown, for without a header they are a person's values.
        columns: usize,
    },
    /// A column was given a kind that there is none of.
    #[error("`{text}`: not a column and its kind\nhint: write COLUMN=KIND with one of {kinds}")]
    ColumnKind {
        /// What was given.
        text: String,
        /// All kinds.
        kinds: String,
    },
    /// The column of the id was to be damaged.
    #[error(
        "column `{column}`: the truth names rows by it, so it is not damaged\nhint: leave it out of the columns and swaps, or \
         name another id column"
    )]
    IdColumn {
        /// Which column.
        column: String,
    },
    /// A table to be damaged has a column of this name twice.
    #[error("the header has column `{column}` twice\nhint: rename one of them")]
    HeaderTwice {
        /// Which column.
        column: String,
    },
    /// A column was given two kinds, or is to be swapped with itself.
    #[error("column `{column}` is named twice\nhint: a column has one kind, and is swapped with another one")]
    NamedTwice {
        /// Which column.
        column: String,
    },
    /// Two outputs are one file.
    #[error("{}: the copy and the truth would be one file\nhint: give each a name of its own", path.display())]
    OneFile {
        /// Which file.
        path: PathBuf,
    },
    /// A table to be damaged has not even a header.
    #[error("the file is empty\nhint: the first row must be a header with the names of the columns")]
    EmptyFile,
    /// A row has no id.
    #[error("row {row}: no id\nhint: the truth names rows by their ids; number the rows in a column of their own")]
    EmptyId {
        /// The row's number; the header is row 1.
        row: u64,
    },
    /// Two rows have one id.
    #[error(
        "row {row}: the id of row {first} again\nhint: the truth names rows by their ids; number the rows in a column of their own"
    )]
    RepeatedId {
        /// The row's number; the header is row 1.
        row: u64,
        /// The earlier row.
        first: u64,
    },
    /// A row has more or fewer cells than the header.
    #[error(
        "row {row}: the number of cells is not that of the header\nhint: does a value hold a comma and have no quotes?"
    )]
    Cells {
        /// The row's number; the header is row 1.
        row: u64,
    },
    /// A value is not in the declared encoding.
    #[error(
        "row {row}, column `{column}`: bytes that the encoding does not have\nhint: say `--encoding cp932` or `--encoding utf-8` as \
         the file was saved"
    )]
    Bytes {
        /// The row's number; the header is row 1.
        row: u64,
        /// The column by its name, or by its number in the header itself.
        column: String,
    },
}
