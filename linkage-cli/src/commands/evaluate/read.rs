//! Files in: records as tokens with their ids.

use std::collections::{BTreeMap, HashMap};
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context as _, bail};
use linkage_core::encode::{Encoder, Token};
use linkage_core::normalise::Rule;
use linkage_core::schema::LinkageSchema;
use linkage_core::source::{BATCH_ROWS, CsvLayout, CsvSource, Encoding, RawBatch, RawRecord, Source as _};

use super::rows::open;

/// How to read a file.
pub(super) struct Columns<'a> {
    pub(super) id: &'a str,
    pub(super) map: &'a [(String, String)],
    pub(super) encoding: Encoding,
}

/// One side of the evaluation.
pub(super) struct Table {
    pub(super) tokens: Vec<Token>,
    ids: Vec<String>,
    rows: HashMap<String, u32>,
    /// Rows whose number of columns is not that of the header.
    pub(super) malformed_rows: u64,
    /// How many values broke which rule, by field and rule.
    pub(super) broken: BTreeMap<(String, &'static str), u64>,
}

impl Table {
    pub(super) fn read(
        path: &Path,
        schema: &LinkageSchema,
        encoder: &Encoder,
        columns: &Columns<'_>,
    ) -> anyhow::Result<Self> {
        let context = || format!("{}", path.display());
        let layout = CsvLayout {
            encoding: columns.encoding,
            fields: schema.fields().iter().map(|field| field.name().to_owned()).collect(),
            map: columns.map.to_vec(),
            id_column: Some(columns.id.to_owned()),
        };
        let file = open(path).with_context(context)?;
        let mut source = CsvSource::open(BufReader::new(file), &layout).with_context(context)?;
        let mut table = Self {
            tokens: Vec::new(),
            ids: Vec::new(),
            rows: HashMap::new(),
            malformed_rows: 0,
            broken: BTreeMap::new(),
        };
        let mut batch = RawBatch::new();
        while source.read_batch(&mut batch, BATCH_ROWS).with_context(context)? {
            table.malformed_rows += batch.malformed_rows().len() as u64;
            for record in batch.records() {
                table.add(schema, encoder, record).with_context(context)?;
            }
        }
        if table.tokens.is_empty() {
            bail!("{}: no records below the header", path.display());
        }
        Ok(table)
    }

    /// The row of an id.
    pub(super) fn row(&self, id: &str) -> Option<u32> {
        self.rows.get(id).copied()
    }

    /// The ids in row order, which the truth of FEBRL is worked out from.
    pub(super) fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The id of a row, as the file has it.
    pub(super) fn id(&self, row: u32) -> &str {
        &self.ids[row as usize]
    }

    fn add(&mut self, schema: &LinkageSchema, encoder: &Encoder, record: RawRecord<'_>) -> anyhow::Result<()> {
        let encoding = record.encoding();
        let mut scratch = String::new();
        let id = encoding.decode(record.id().unwrap_or_default(), &mut scratch).text.trim().to_owned();
        if id.is_empty() {
            bail!("row {}: the id is empty", record.row());
        }
        let row = self.tokens.len() as u32;
        if self.rows.insert(id.clone(), row).is_some() {
            bail!("row {}: its id is that of an earlier row\nhint: every record needs an id of its own", record.row());
        }
        self.ids.push(id);
        let values: Vec<String> = (0..schema.fields().len())
            .map(|field| encoding.decode(record.field(field), &mut scratch).text.to_owned())
            .collect();
        let values: Vec<Option<&str>> = values.iter().map(|value| Some(value.as_str())).collect();
        let encoded = encoder.encode_raw(&values);
        for (field, rule) in encoded.broken {
            let field = schema.fields()[field].name().to_owned();
            *self.broken.entry((field, Rule::code(rule))).or_default() += 1;
        }
        self.tokens.push(encoded.token);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use linkage_core::secret::LinkageSecret;
    use tempfile::NamedTempFile;

    use super::*;

    const HEADER: &str =
        "rec_id, given_name, surname, street_number, address_1, address_2, suburb, postcode, state, date_of_birth";

    fn file(lines: &[&str]) -> NamedTempFile {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(lines.join("\n").as_bytes()).unwrap();
        file
    }

    fn read(lines: &[&str]) -> anyhow::Result<Table> {
        let schema = LinkageSchema::shipped("person-en").unwrap();
        let encoder = Encoder::new(&schema, &LinkageSecret::from_bytes([1; 32]));
        let columns = Columns { id: "rec_id", map: &[], encoding: Encoding::Utf8 };
        Table::read(file(lines).path(), &schema, &encoder, &columns)
    }

    fn table(ids: &[&str]) -> Table {
        let rows: Vec<String> =
            ids.iter().map(|id| format!("{id}, ann, lee, 1, a, b, c, 2000, nsw, 19700101")).collect();
        let lines: Vec<&str> = std::iter::once(HEADER).chain(rows.iter().map(String::as_str)).collect();
        read(&lines).unwrap()
    }

    fn message(error: anyhow::Error) -> String {
        format!("{error:#}")
    }

    #[test]
    fn ids_and_columns_are_read_past_the_spaces_of_febrl() {
        let table = table(&["rec-1-org", "rec-2-org"]);
        assert_eq!((table.id(1), table.tokens.len()), ("rec-2-org", 2));
        assert!(table.broken.is_empty());
    }

    #[test]
    fn bad_input_is_named_by_row_and_rule_without_its_values() {
        let row = "secret, ann, lee, 1, a, b, c, 2000, nsw, 19700101";
        for (lines, expected) in [
            (vec![HEADER, row, row], "row 3: its id is that of an earlier row"),
            (vec![HEADER, " , ann, lee, 1, a, b, c, 2000, nsw, 19700101"], "row 2: the id is empty"),
            (vec![HEADER], "no records below the header"),
            (vec!["rec_id, surname", "secret, lee"], "no column `given_name`"),
        ] {
            let error = message(read(&lines).err().unwrap());
            assert!(error.contains(expected) && !error.contains("secret"), "{error}");
        }
        let broken = read(&[HEADER, "a, ann, lee, 1, a, b, c, 2000, nsw, 19701301", "b, ann"]).unwrap();
        assert_eq!(broken.malformed_rows, 1);
        assert_eq!(broken.broken[&("date_of_birth".to_owned(), "not-a-date")], 1);
    }
}
