//! Extracts in the formats that custodians hold, and the truth beside them.
//!
//! Each database has a file of its own here, which says what its format is and where that is documented. People are made
//! and written block by block: the blocks of a batch by as many threads as wanted, and into the files in their order.

mod checkup;
mod databases;
mod dpc;
mod fhir;
mod kaigo;
mod population;
mod tables;
mod truth;
mod uke;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::date::Date;
use crate::error::DatasetError;
use crate::model::Model;
use crate::observe::Observation;
use crate::output::{Encoding, StagedFolder, failed};
use crate::parallel::in_order;
use crate::population::{Person, Population};
use crate::random::Random;
use crate::rates::ErrorModel;

use databases::{DATABASES, Facility};
pub use population::write_population;

/// What to write.
#[derive(Debug, Clone)]
pub struct ExtractOptions {
    /// Number of people.
    pub people: u64,
    /// The seed from which everything follows.
    pub seed: u64,
    /// Rates of the population and of errors.
    pub model: Model,
    /// Which databases; all when empty.
    pub databases: Vec<String>,
    /// Number of threads; it does not change the result. At least one is used.
    pub threads: usize,
}

/// What [`write_extracts`] wrote.
#[derive(Debug, Clone, Serialize)]
pub struct ExtractManifest {
    /// Number of people in the population.
    pub people: u64,
    /// The seed.
    pub seed: u64,
    /// One entry per database.
    pub databases: Vec<ExtractedDatabase>,
    /// The truth: every record of every database, and whose it is.
    pub truth: String,
    /// The model under which all this was made.
    pub model: Model,
}

/// One database's extract.
#[derive(Debug, Clone, Serialize)]
pub struct ExtractedDatabase {
    /// The database's name.
    pub name: String,
    /// Its files, relative to the folder.
    pub files: Vec<String>,
    /// The options with which `custodian tokenise` reads them.
    pub read_with: String,
    /// Number of records, which is also the number of people: each database holds a person once.
    pub records: u64,
}

/// The names of all databases.
#[must_use]
pub fn database_names() -> Vec<&'static str> {
    DATABASES.iter().map(|database| database.name).collect()
}

/// Refuses a name that no database has.
pub(crate) fn known(name: &str) -> Result<(), DatasetError> {
    match DATABASES.iter().any(|database| database.name == name) {
        true => Ok(()),
        false => Err(DatasetError::UnknownDatabase { name: name.to_owned(), known: database_names().join(", ") }),
    }
}

/// A database: whom it holds, how it looks at them, and how it writes them down.
struct Database {
    name: &'static str,
    files: &'static [(&'static str, Encoding)],
    read_with: &'static str,
    /// Share of people by age: under 15, to 39, to 64, to 74, 75 and over.
    coverage: [f64; 5],
    /// A record was last brought up to date between 0 and this many years ago.
    record_years: f64,
    kana_is_optional: bool,
    limited_characters: bool,
    /// Whether facilities write small kana large.
    large_kana: bool,
    /// What stands before the first and after the last record of each file.
    frame: fn(out: &mut [String], end: bool),
    /// Adds the records of a block to the files, and sets each record's id.
    write: fn(records: &mut [Record<'_>], out: &mut [String]),
}

/// One person in one database.
struct Record<'a> {
    person: &'a Person,
    seen: Observation,
    facility: Facility,
    /// The number of the person's chart, or whatever the database counts people by.
    chart: u64,
    /// When the record was last brought up to date.
    day: Date,
    /// For the format's own habits.
    random: Random,
    /// Under which id the custodian's reader knows the record; the format sets it.
    id: String,
}

/// A database with what the model says of it.
struct Plan {
    database: &'static Database,
    errors: ErrorModel,
    as_of: Date,
    coverage: [f64; 5],
    record_years: f64,
}

/// What a block adds to the files.
struct Part {
    /// Of each database: its files, and the number of its records.
    databases: Vec<(Vec<Vec<u8>>, u64)>,
    truth: String,
    people: u64,
}

/// Writes the extracts of all chosen databases, the truth `truth.csv` and the manifest `manifest.json` into the folder
/// `dir`, which must not exist. It has its name only when all is written. `progress` is told how many people are done.
///
/// Rows are shuffled within a block of [`crate::BLOCK_PEOPLE`] people.
///
/// # Errors
/// [`DatasetError`] when the model is not usable, a database is not known, the folder exists or cannot be written.
pub fn write_extracts(
    dir: &Path,
    options: &ExtractOptions,
    progress: &mut dyn FnMut(u64),
) -> Result<ExtractManifest, DatasetError> {
    options.model.check()?;
    options.databases.iter().try_for_each(|name| known(name))?;
    let staged = StagedFolder::create(dir)?;
    let plans = plans(options)?;
    let mut files = Vec::new();
    for plan in &plans {
        let mut frame = vec![String::new(); plan.database.files.len()];
        (plan.database.frame)(&mut frame, false);
        let mut opened = Vec::new();
        for ((name, encoding), text) in plan.database.files.iter().zip(frame) {
            let mut file = OutputFile::create(staged.path().join(name))?;
            file.write(&encoding.encode(&text))?;
            opened.push(file);
        }
        files.push(opened);
    }
    let mut truth = OutputFile::create(staged.path().join("truth.csv"))?;
    truth.write(truth::HEADER.as_bytes())?;

    let population = Population::with_model(options.seed, options.people, &options.model.population);
    let mut records = vec![0; plans.len()];
    let mut done = 0;
    let make = |block| part(&population, &plans, options.seed, options.model.overlap, block);
    in_order(population.blocks(), options.threads, make, |part: Part| {
        for ((bytes, count), (files, records)) in part.databases.iter().zip(files.iter_mut().zip(&mut records)) {
            for (file, bytes) in files.iter_mut().zip(bytes) {
                file.write(bytes)?;
            }
            *records += count;
        }
        truth.write(part.truth.as_bytes())?;
        done += part.people;
        progress(done);
        Ok(())
    })?;

    for (plan, files) in plans.iter().zip(files) {
        let mut frame = vec![String::new(); files.len()];
        (plan.database.frame)(&mut frame, true);
        for ((mut file, text), (_, encoding)) in files.into_iter().zip(frame).zip(plan.database.files) {
            file.write(&encoding.encode(&text))?;
            file.finish()?;
        }
    }
    truth.finish()?;
    let manifest = manifest(options, &plans, &records);
    let json = serde_json::to_vec_pretty(&manifest).map_err(|error| failed(dir, error.into()))?;
    let mut file = OutputFile::create(staged.path().join("manifest.json"))?;
    file.write(&json)?;
    file.finish()?;
    staged.finish()?;
    Ok(manifest)
}

fn plans(options: &ExtractOptions) -> Result<Vec<Plan>, DatasetError> {
    let chosen = |name: &str| options.databases.is_empty() || options.databases.iter().any(|wanted| wanted == name);
    let plan = |database: &'static Database| {
        let model = options.model.databases.get(database.name);
        Ok(Plan {
            database,
            errors: options.model.errors_of(database.name)?,
            as_of: options.model.as_of(database.name)?,
            coverage: model.and_then(|model| model.coverage).unwrap_or(database.coverage),
            record_years: model.and_then(|model| model.record_years).unwrap_or(database.record_years),
        })
    };
    DATABASES.iter().filter(|database| chosen(database.name)).map(plan).collect()
}

fn manifest(options: &ExtractOptions, plans: &[Plan], records: &[u64]) -> ExtractManifest {
    let databases = plans.iter().zip(records).map(|(plan, &records)| ExtractedDatabase {
        name: plan.database.name.to_owned(),
        files: plan.database.files.iter().map(|(name, _)| (*name).to_owned()).collect(),
        read_with: plan.database.read_with.to_owned(),
        records,
    });
    ExtractManifest {
        people: options.people,
        seed: options.seed,
        databases: databases.collect(),
        truth: "truth.csv".to_owned(),
        model: options.model.clone(),
    }
}

fn part(population: &Population, plans: &[Plan], seed: u64, overlap: f64, block: u64) -> Part {
    let people = population.block(block);
    let mut part = Part { databases: Vec::new(), truth: String::new(), people: people.len() as u64 };
    for plan in plans {
        let database = plan.database;
        let mut records = plan.records(&people, seed, overlap);
        shuffle(&mut Random::new(seed, database.name, block), &mut records);
        let mut texts = vec![String::new(); database.files.len()];
        (database.write)(&mut records, &mut texts);
        for record in &records {
            truth::write(database.name, record, plan.as_of, &mut part.truth);
        }
        let files = texts.iter().zip(database.files).map(|(text, (_, encoding))| encoding.encode(text)).collect();
        part.databases.push((files, records.len() as u64));
    }
    part
}

impl Plan {
    fn records<'a>(&self, people: &'a [Person], seed: u64, overlap: f64) -> Vec<Record<'a>> {
        let mut records = Vec::new();
        for (at, person) in people.iter().enumerate() {
            if person.birth > self.as_of {
                continue;
            }
            let random = &mut Random::new(seed ^ 0x5EED, self.database.name, person.number);
            let (by_person, own) = (random.chance(overlap), random.unit());
            let point = if by_person { Random::new(seed, "overlap", person.number).unit() } else { own };
            if point >= self.coverage[databases::band(person.age_on(self.as_of))] {
                continue;
            }
            let days_old = random.unit() * self.record_years * self.errors.staleness * 365.25;
            let day = self.as_of.days_before(days_old as u32).max(person.birth);
            let another = &people[(at + people.len() / 2) % people.len()];
            let facility = Facility::of(person.on(day).place, random, self.database.name);
            let view = facility.view(self.database, &self.errors, seed);
            records.push(Record {
                person,
                seen: view.observe(random, person, another, day),
                facility,
                chart: databases::chart(self.database.name, person.number),
                day,
                random: random.fork(),
                id: String::new(),
            });
        }
        records
    }
}

fn shuffle<T>(random: &mut Random, items: &mut [T]) {
    for at in (1..items.len()).rev() {
        items.swap(at, random.below(at as u64 + 1) as usize);
    }
}

struct OutputFile {
    path: PathBuf,
    file: File,
}

impl OutputFile {
    fn create(path: PathBuf) -> Result<Self, DatasetError> {
        let file = File::create(&path).map_err(|source| failed(&path, source))?;
        Ok(Self { path, file })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), DatasetError> {
        self.file.write_all(bytes).map_err(|source| failed(&self.path, source))
    }

    fn finish(self) -> Result<(), DatasetError> {
        self.file.sync_all().map_err(|source| failed(&self.path, source))
    }
}

#[cfg(test)]
mod tests;
