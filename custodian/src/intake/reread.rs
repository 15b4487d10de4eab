//! The options by which a command reads again what `tokenise` has read, for its record ids alone.

use std::path::PathBuf;

use linkage_core::schema::LinkageSchema;
use linkage_core::source::Encoding;

use super::{InputArgs, parse_mapping};
use crate::format_args::FormatArgs;
use crate::inputs::{Format, Inputs, parse_encoding};

/// The extract that was tokenised, and how to read it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RereadArgs {
    /// The extract that was tokenised: a file or folder, or 'part-*.csv'; more than once for several
    #[arg(long, value_name = "IN", required_unless_present = "refs")]
    input: Vec<PathBuf>,
    /// What the extract is
    #[arg(long, value_name = "FORMAT", default_value = "csv")]
    format: Format,
    /// How the extract is encoded: utf-8 or cp932 [default: as for `tokenise`]
    #[arg(long, value_parser = parse_encoding)]
    encoding: Option<Encoding>,
    /// The column that identifies a row; without it, its row number does (csv), or its record_id (other formats)
    #[arg(long, value_name = "COLUMN")]
    id_column: Option<String>,
    /// Taken because `tokenise` takes it; record ids do not depend on it
    #[arg(long, value_name = "FIELD=COLUMN", value_parser = parse_mapping)]
    map: Vec<(String, String)>,
    /// The mapping file that `tokenise` was given (csv, parquet)
    #[arg(long, value_name = "FILE", requires = "schema", conflicts_with_all = ["map", "id_column", "encoding"])]
    mapping: Option<PathBuf>,
    /// The linkage schema that the mapping file is for
    #[arg(long, value_name = "NAME|FILE", requires = "mapping")]
    schema: Option<String>,
    /// Where the names are, when the extract has none (kaigo, dpc)
    #[arg(long, value_name = "FILE", requires = "format")]
    names: Vec<PathBuf>,
    #[command(flatten)]
    of_format: FormatArgs,
}

impl RereadArgs {
    /// Opens the extract; its rows have a record id, or none but their number, and no values. Returns what the ids are called.
    ///
    /// # Errors
    /// When a file cannot be had or is not what it should be, or the mapping does not fit the schema.
    pub(crate) fn open(&self) -> anyhow::Result<(Inputs, String)> {
        let schema = self.schema.as_deref().map(LinkageSchema::load).transpose()?;
        let args = self.input_args();
        let mapping = schema.as_ref().map(|schema| args.load_mapping(schema)).transpose()?.flatten();
        let mapped = mapping.as_ref().and_then(|mapping| mapping.id_column());
        let without = if self.format.is_table() { "row" } else { "record_id" };
        let name = self.id_column.as_deref().or(mapped).unwrap_or(without).to_owned();
        Ok((Inputs::open_ids(&args, mapping.as_ref())?, name))
    }

    /// Every file that these options name or stand for.
    ///
    /// # Errors
    /// When one of the extract is not there.
    pub(crate) fn read_files(&self) -> anyhow::Result<Vec<PathBuf>> {
        self.input_args().read_files()
    }

    /// The same options as `tokenise` has them.
    fn input_args(&self) -> InputArgs {
        InputArgs {
            format: self.format,
            encoding: self.encoding,
            id_column: self.id_column.clone(),
            mapping: self.mapping.clone(),
            names: self.names.clone(),
            of_format: self.of_format.clone(),
            inputs: self.input.clone(),
            ..InputArgs::reading(self.schema.as_deref().unwrap_or_default(), &PathBuf::new())
        }
    }
}
