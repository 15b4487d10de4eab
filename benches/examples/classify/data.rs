//! The data: FEBRL4 as datasets/febrl4.py writes it, or the five databases of the synthetic population.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;

use linkage_core::encode::{Encoder, Token};
use linkage_core::normalise::normalise;
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
    /// A number for the name in kana, birth date and sex of each record that has them.
    pub names: Vec<Option<u64>>,
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
    let table = |name: &str| {
        let rows = Rows::read(&folder.join(format!("{name}.csv")), "utf-8", "rec_id", schema, &person)?;
        Ok(rows.encode(schema, &encoder))
    };
    ["a", "b"].into_iter().map(table).collect()
}

/// The synthetic population of a seed with these errors, under a secret of another; so many of its people bear the name, birth date and
/// sex of a stranger.
pub fn population(
    people: u64,
    seed: u64,
    namesakes: u64,
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
    let rows = manifest.databases.iter().map(|database| {
        let person = |id: &str| {
            let owner = owner.get(&(database.name.clone(), id.to_owned()));
            Ok(*owner.ok_or("a record that truth lacks")?)
        };
        Rows::read(&database.path, &database.encoding, "record_id", schema, &person)
    });
    let mut rows: Vec<Rows> = rows.collect::<Result<_>>()?;
    make_namesakes(&mut rows, schema, people, namesakes);
    let encoder = encoder(schema, secret);
    Ok(rows.iter().map(|rows| rows.encode(schema, &encoder)).collect())
}

/// The fields that a namesake has of the other: of the name all but the characters of the given name, in which people who are called
/// the same differ.
const OF_A_NAMESAKE: [&str; 5] = ["family_kana", "given_kana", "family_kanji", "birth_date", "sex"];

/// Gives so many people of the second half the names of people of the first, as the same database has them or another.
fn make_namesakes(databases: &mut [Rows], schema: &LinkageSchema, people: u64, namesakes: u64) {
    let half = people / 2;
    let like: HashMap<u64, u64> = (0..namesakes.min(half))
        .map(|number| number * half / namesakes.min(half))
        .map(|person| (person + half, person))
        .collect();
    let fields: Vec<usize> = OF_A_NAMESAKE
        .iter()
        .filter_map(|name| schema.fields().iter().position(|field| field.name() == *name))
        .collect();
    let mut donors: Vec<HashMap<u64, Vec<String>>> = Vec::new();
    for rows in databases.iter() {
        let records = rows.people.iter().zip(&rows.values).filter(|(person, _)| **person < half);
        donors.push(
            records
                .map(|(person, values)| (*person, fields.iter().map(|&field| values[field].clone()).collect()))
                .collect(),
        );
    }
    for (number, rows) in databases.iter_mut().enumerate() {
        for (person, values) in rows.people.iter().zip(&mut rows.values) {
            let Some(other) = like.get(person) else { continue };
            let own = std::iter::once(&donors[number]).chain(&donors);
            let Some(names) = own.into_iter().find_map(|donors| donors.get(other)) else { continue };
            fields.iter().zip(names).for_each(|(&field, name)| values[field].clone_from(name));
        }
    }
}

/// A database before it is encoded: the values of the schema's fields, and whose they are.
struct Rows {
    values: Vec<Vec<String>>,
    people: Vec<u64>,
}

impl Rows {
    fn read(
        path: &Path,
        encoding: &str,
        id_column: &str,
        schema: &LinkageSchema,
        person: &dyn Fn(&str) -> Result<u64>,
    ) -> Result<Self> {
        let layout = CsvLayout {
            encoding: encoding.parse()?,
            fields: schema.fields().iter().map(|field| field.name().to_owned()).collect(),
            map: Vec::new(),
            id_column: Some(id_column.to_owned()),
        };
        let mut source = CsvSource::open(File::open(path)?, &layout)?;
        let (mut batch, mut scratch) = (RawBatch::new(), String::new());
        let mut rows = Self { values: Vec::new(), people: Vec::new() };
        while source.read_batch(&mut batch, BATCH_ROWS)? {
            for record in batch.records() {
                let decoded = |field| record.encoding().decode(record.field(field), &mut scratch).text.to_owned();
                rows.values.push((0..schema.fields().len()).map(decoded).collect());
                rows.people.push(person(std::str::from_utf8(record.id().unwrap_or_default())?)?);
            }
        }
        Ok(rows)
    }

    fn encode(&self, schema: &LinkageSchema, encoder: &Encoder) -> Table {
        let mut worker = encoder.worker();
        let mut table = Table { tokens: Vec::new(), people: self.people.clone(), names: Vec::new() };
        for values in &self.values {
            let raw: Vec<Option<&str>> = values.iter().map(|value| Some(value.as_str())).collect();
            table.tokens.push(worker.encode_raw(&raw).token);
            table.names.push(name(schema, values));
        }
        table
    }
}

/// A number for name in kana, birth date and sex, when all of them are there.
fn name(schema: &LinkageSchema, values: &[String]) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    for wanted in ["family_kana", "given_kana", "birth_date", "sex"] {
        let field = schema.fields().iter().position(|field| field.name() == wanted)?;
        normalise(schema.fields()[field].kind(), &values[field]).ok()??.hash(&mut hasher);
    }
    Some(hasher.finish())
}

/// Who lives with whom.
#[derive(Default)]
pub struct Households(HashMap<u64, (u64, Option<Date>)>);

impl Households {
    pub fn of(people: u64, seed: u64) -> Self {
        let population = Population::new(seed, people);
        Self(population.iter().map(|person| (person.number, (person.household, Some(person.birth)))).collect())
    }

    /// 0 for two of one household born on one day, 1 for two of one household, none for strangers.
    pub fn relation(&self, a: u64, b: u64) -> Option<usize> {
        match (self.0.get(&a), self.0.get(&b)) {
            (Some(a), Some(b)) if a == b => Some(0),
            (Some(a), Some(b)) if a.0 == b.0 => Some(1),
            _ => None,
        }
    }
}
