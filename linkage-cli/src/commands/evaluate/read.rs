//! Files in: records as tokens with their ids, and the true pairs.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context as _, bail};
use linkage_core::encode::{Encoder, Token};
use linkage_core::evaluate::Truth;
use linkage_core::normalise::Rule;
use linkage_core::schema::LinkageSchema;
use linkage_core::source::{BATCH_ROWS, CsvLayout, CsvSource, Encoding, RawBatch, RawRecord, Source as _};

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
        let file = File::open(path).with_context(context)?;
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

/// The true pairs, and how many could not be used.
pub(super) struct KnownTruth {
    pub(super) pairs: Truth,
    /// Pairs that name a record which the files do not have.
    pub(super) absent: u64,
}

/// Reads the truth, or works it out from the ids of FEBRL.
pub(super) fn truth(path: &Path, left: &Table, right: &Table) -> anyhow::Result<KnownTruth> {
    let truth = if path.as_os_str() == "febrl" {
        KnownTruth { pairs: febrl(left, right), absent: 0 }
    } else {
        listed(path, left, right).with_context(|| format!("{}", path.display()))?
    };
    if truth.pairs.is_empty() {
        bail!(
            "{}: no true pair has both its records in the files ({} name a record that is not there)\n\
             hint: are --left and --right the right way round, and is --id-column the column that the truth speaks of?",
            path.display(),
            truth.absent
        );
    }
    Ok(truth)
}

fn listed(path: &Path, left: &Table, right: &Table) -> anyhow::Result<KnownTruth> {
    let mut reader = csv::Reader::from_path(path)?;
    let header = reader.headers()?.clone();
    let column = |name: &str| {
        header.iter().position(|column| column.trim_start_matches('\u{FEFF}').trim() == name).with_context(|| {
            format!("no column `{name}`\nhint: the truth has the columns left_id and right_id, or say `--truth febrl`")
        })
    };
    let (left_column, right_column) = (column("left_id")?, column("right_id")?);
    let (mut pairs, mut absent) = (Vec::new(), 0);
    for record in reader.records() {
        let record = record?;
        let row = |table: &Table, column: usize| table.rows.get(record[column].trim()).copied();
        match (row(left, left_column), row(right, right_column)) {
            (Some(left), Some(right)) => pairs.push((left, right)),
            _ => absent += 1,
        }
    }
    Ok(KnownTruth { pairs: pairs.into_iter().collect(), absent })
}

/// rec-7-org and rec-7-dup-0 are one person: 7.
fn febrl(left: &Table, right: &Table) -> Truth {
    fn person(id: &str) -> Option<&str> {
        id.strip_prefix("rec-")?.split('-').next()
    }
    let mut people: HashMap<&str, Vec<u32>> = HashMap::new();
    for (id, &row) in &right.rows {
        if let Some(person) = person(id) {
            people.entry(person).or_default().push(row);
        }
    }
    let others = |id: &str| person(id).and_then(|person| people.get(person)).into_iter().flatten().copied();
    left.rows.iter().flat_map(|(id, &row)| others(id).map(move |other| (row, other))).collect()
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
    fn febrl_ids_carry_their_truth() {
        let (left, right) = (table(&["rec-1-org", "rec-2-org"]), table(&["rec-3-dup-0", "rec-1-dup-0"]));
        let known = truth(Path::new("febrl"), &left, &right).unwrap();
        assert!(known.pairs.len() == 1 && known.pairs.contains(0, 1));
    }

    #[test]
    fn true_pairs_of_absent_records_are_counted() {
        let (left, right) = (table(&["a", "b"]), table(&["x", "y"]));
        let list = file(&["left_id,right_id", "a,y", "b,nobody", "nobody,x"]);
        let known = truth(list.path(), &left, &right).unwrap();
        assert!(known.pairs.len() == 1 && known.pairs.contains(0, 1) && known.absent == 2);
        let error = truth(file(&["left_id,right_id", "x,a"]).path(), &left, &right).err().unwrap();
        assert!(message(error).contains("the right way round"));
        let error = truth(file(&["left,right", "a,y"]).path(), &left, &right).err().unwrap();
        assert!(message(error).contains("no column `left_id`"));
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
