//! The data: FEBRL4 as datasets/febrl4.py writes it, or the five databases of the synthetic population.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use linkage_core::encode::{Encoder, Token};
use linkage_core::schema::LinkageSchema;
use linkage_core::secret::LinkageSecret;
use linkage_core::source::{BATCH_ROWS, CsvLayout, CsvSource, RawBatch, Source as _};
use linkage_datasets::{Date, ErrorModel, Population, write_demo};

use crate::Result;

/// One database: its tokens, and whose they are.
#[derive(Clone)]
pub struct Table {
    pub tokens: Vec<Token>,
    pub people: Vec<u64>,
}

fn encoder(schema: &LinkageSchema, seed: u64) -> Encoder {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    Encoder::new(schema, &LinkageSecret::from_bytes(key))
}

/// FEBRL4: a.csv and b.csv of a folder; the number in `rec-NUMBER-…` is the person.
pub fn febrl(folder: &Path, schema: &LinkageSchema, seed: u64) -> Result<Vec<Table>> {
    let encoder = encoder(schema, seed);
    let person = |id: &str| Ok(id.split('-').nth(1).ok_or("not an id of FEBRL")?.parse()?);
    ["a", "b"]
        .iter()
        .map(|name| read(&folder.join(format!("{name}.csv")), "utf-8", "rec_id", schema, &encoder, &person))
        .collect()
}

/// The synthetic population, under a secret of the same seed.
pub fn population(people: u64, schema: &LinkageSchema, seed: u64) -> Result<Vec<Table>> {
    population_under(people, seed, schema, seed, &ErrorModel::default())
}

/// The synthetic population of a seed with these errors, under a secret of another.
pub fn population_under(
    people: u64,
    seed: u64,
    schema: &LinkageSchema,
    secret: u64,
    errors: &ErrorModel,
) -> Result<Vec<Table>> {
    let folder = tempfile::tempdir()?;
    let manifest = write_demo(folder.path(), people, seed, errors)?;
    let mut owner: HashMap<(String, String), u64> = HashMap::new();
    for row in csv::Reader::from_path(&manifest.truth)?.records() {
        let row = row?;
        owner.insert((row[0].to_owned(), row[1].to_owned()), row[2].parse()?);
    }
    let encoder = encoder(schema, secret);
    manifest
        .databases
        .iter()
        .map(|database| {
            let person = |id: &str| {
                let owner = owner.get(&(database.name.clone(), id.to_owned()));
                Ok(*owner.ok_or("a record that truth lacks")?)
            };
            read(&database.path, &database.encoding, "record_id", schema, &encoder, &person)
        })
        .collect()
}

fn read(
    path: &Path,
    encoding: &str,
    id_column: &str,
    schema: &LinkageSchema,
    encoder: &Encoder,
    person: &dyn Fn(&str) -> Result<u64>,
) -> Result<Table> {
    let layout = CsvLayout {
        encoding: encoding.parse()?,
        fields: schema.fields().iter().map(|field| field.name().to_owned()).collect(),
        map: Vec::new(),
        id_column: Some(id_column.to_owned()),
    };
    let mut source = CsvSource::open(File::open(path)?, &layout)?;
    let (mut batch, mut worker, mut scratch) = (RawBatch::new(), encoder.worker(), String::new());
    let mut table = Table { tokens: Vec::new(), people: Vec::new() };
    while source.read_batch(&mut batch, BATCH_ROWS)? {
        for record in batch.records() {
            let values: Vec<String> = (0..schema.fields().len())
                .map(|field| record.encoding().decode(record.field(field), &mut scratch).text.to_owned())
                .collect();
            let values: Vec<Option<&str>> = values.iter().map(|value| Some(value.as_str())).collect();
            table.people.push(person(std::str::from_utf8(record.id().unwrap_or_default())?)?);
            table.tokens.push(worker.encode_raw(&values).token);
        }
    }
    Ok(table)
}

/// Who lives with whom.
#[derive(Default)]
pub struct Households(HashMap<u64, (u64, Option<Date>)>);

impl Households {
    pub fn of(people: u64, seed: u64) -> Self {
        let population = Population::new(seed, people);
        Self(population.iter().map(|person| (person.number, (person.household, Some(person.birth)))).collect())
    }

    /// 0 for two of one household born on one day, 1 for two of one household, 2 for strangers.
    pub fn relation(&self, a: u64, b: u64) -> usize {
        match (self.0.get(&a), self.0.get(&b)) {
            (Some(a), Some(b)) if a == b => 0,
            (Some(a), Some(b)) if a.0 == b.0 => 1,
            _ => 2,
        }
    }
}
