//! Extracts in the formats that custodians hold, and the truth beside them.
//!
//! Each database has a file of its own here, which says what its format is and where that is documented. People are made
//! and written block by block: the blocks of a batch by as many threads as wanted, and into the files in their order.

mod checkup;
mod databases;
mod dpc;
mod fhir;
mod kaigo;
mod outlet;
mod population;
mod ssmix2;
mod tables;
mod truth;
mod uke;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::date::Date;
use crate::error::DatasetError;
use crate::faults::Faults;
use crate::model::Model;
use crate::observe::Observation;
use crate::output::{Encoding, StagedFolder, failed};
use crate::parallel::in_order;
use crate::population::{Person, Population};
use crate::random::Random;
use crate::rates::{ErrorModel, HabitModel};

pub(crate) use databases::band;
use databases::{DATABASES, Facility};
use outlet::{Outlet, OutputFile, Written};
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
    /// Which databases; when empty all but those that another one has in another form ([`database_names`]).
    pub databases: Vec<String>,
    /// Number of threads; it does not change the result. At least one is used.
    pub threads: usize,
}

/// What [`write_extracts`] wrote.
#[derive(Debug, Clone, Serialize, Deserialize)]
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

impl ExtractManifest {
    /// Reads the manifest of a folder that [`write_extracts`] wrote.
    ///
    /// # Errors
    /// [`DatasetError::Read`] when there is none, [`DatasetError::Manifest`] when it is not one.
    pub fn read(dir: &Path) -> Result<Self, DatasetError> {
        let path = dir.join(MANIFEST);
        let bytes = std::fs::read(&path).map_err(|cause| DatasetError::Read { path: path.clone(), cause })?;
        serde_json::from_slice(&bytes).map_err(|error| DatasetError::Manifest { path, line: error.line() })
    }
}

/// The file that says what is in a folder of extracts.
const MANIFEST: &str = "manifest.json";

/// One database's extract.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExtractedDatabase {
    /// The database's name.
    pub name: String,
    /// Its files, or the folder of them, relative to the folder of all.
    pub files: Vec<String>,
    /// The options with which `custodian tokenise` reads them.
    pub read_with: String,
    /// Number of records that the truth has, which is also the number of people: each database holds a person once. The
    /// files may hold more, of which no reader can say whose they are (a checkup without a birth date).
    pub records: u64,
}

/// The names of all databases. `ssmix2` is the database `denkaru` in another form: the same people, of whom the same is
/// known, under the same ids. It is written only when it is asked for by name.
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

/// Whether a database has insurance numbers of a share of its records only.
pub(crate) fn has_insured_share(name: &str) -> bool {
    DATABASES.iter().any(|database| database.name == name && database.insured.is_some())
}

/// A database: whom it holds, how it looks at them, and how it writes them down.
struct Database {
    name: &'static str,
    /// The database of whose people this is another form; its own name when it is none.
    form_of: &'static str,
    /// The files, or the one folder of a tree.
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
    /// Share of records with insurance at all, where not everybody is asked for it.
    insured: Option<f64>,
    /// Faults of values that the format has no place for, or takes from elsewhere.
    lacks: &'static [&'static [Faults]],
    /// What stands before the first and after the last record of each file.
    frame: fn(out: &mut [String], end: bool),
    write: Write,
}

/// How the records of a block are written; each record gets its id then.
enum Write {
    /// Into the files that the database has.
    Files(fn(records: &mut [Record<'_>], out: &mut [String])),
    /// The same of files whose lines are numbered in their second column. It is left empty here, for nobody knows yet how
    /// many lines the blocks before have.
    Numbered(fn(records: &mut [Record<'_>], out: &mut [String])),
    /// As files of their own: their paths below the database's folder, and what is in them.
    Tree(fn(records: &mut [Record<'_>], out: &mut Vec<(String, String)>)),
}

/// One person in one database.
struct Record<'a> {
    plan: &'a Plan,
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
    habits: HabitModel,
    insured: f64,
    as_of: Date,
    coverage: [f64; 5],
    record_years: f64,
}

/// What a block adds to the files.
struct Part {
    /// Of each database: its files, and the number of its records.
    databases: Vec<(Written, u64)>,
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
    let open = |plan: &Plan| Outlet::open(staged.path(), plan.database);
    let mut outlets = plans.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let mut truth = OutputFile::create(staged.path().join("truth.csv"))?;
    truth.write(truth::HEADER.as_bytes())?;

    let population = Population::with_model(options.seed, options.people, &options.model.population);
    let mut records = vec![0; plans.len()];
    let mut done = 0;
    let make = |block| part(&population, &plans, options.seed, options.model.overlap, block);
    in_order(population.blocks(), options.threads, make, |part: Part| {
        for ((written, count), (outlet, records)) in part.databases.iter().zip(outlets.iter_mut().zip(&mut records)) {
            outlet.take(written)?;
            *records += count;
        }
        truth.write(part.truth.as_bytes())?;
        done += part.people;
        progress(done);
        Ok(())
    })?;

    outlets.into_iter().try_for_each(Outlet::finish)?;
    truth.finish()?;
    let manifest = manifest(options, &plans, &records);
    let json = serde_json::to_vec_pretty(&manifest).map_err(|error| failed(dir, error.into()))?;
    let mut file = OutputFile::create(staged.path().join(MANIFEST))?;
    file.write(&json)?;
    file.finish()?;
    staged.finish()?;
    Ok(manifest)
}

fn plans(options: &ExtractOptions) -> Result<Vec<Plan>, DatasetError> {
    let chosen = |database: &&Database| match options.databases.is_empty() {
        true => database.form_of == database.name,
        false => options.databases.iter().any(|wanted| wanted == database.name),
    };
    let plan = |database: &'static Database| {
        // What the model says of the one form holds for the other, unless it says otherwise.
        let own = options.model.databases.contains_key(database.name);
        let name = if own { database.name } else { database.form_of };
        let model = options.model.databases.get(name);
        Ok(Plan {
            database,
            errors: options.model.errors_of(name)?,
            habits: options.model.habits.clone(),
            insured: model.and_then(|model| model.insured).or(database.insured).unwrap_or(1.0),
            as_of: options.model.as_of(name)?,
            coverage: model.and_then(|model| model.coverage).unwrap_or(database.coverage),
            record_years: model.and_then(|model| model.record_years).unwrap_or(database.record_years),
        })
    };
    DATABASES.iter().filter(chosen).map(plan).collect()
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
        shuffle(&mut Random::new(seed, database.form_of, block), &mut records);
        let written = Written::of(database, &mut records);
        let mut known = 0;
        for record in &records {
            known += u64::from(truth::write(database, record, plan.as_of, &mut part.truth));
        }
        part.databases.push((written, known));
    }
    part
}

impl Plan {
    fn records<'a>(&'a self, people: &'a [Person], seed: u64, overlap: f64) -> Vec<Record<'a>> {
        let mut records = Vec::new();
        for (at, person) in people.iter().enumerate() {
            if person.birth > self.as_of {
                continue;
            }
            let name = self.database.form_of;
            let random = &mut Random::new(seed ^ 0x5EED, name, person.number);
            let (by_person, own) = (random.chance(overlap), random.unit());
            let point = if by_person { Random::new(seed, "overlap", person.number).unit() } else { own };
            if point >= self.coverage[band(person.age_on(self.as_of))] {
                continue;
            }
            let days_old = random.unit() * self.record_years * self.errors.staleness * 365.25;
            let day = self.as_of.days_before(days_old as u32).max(person.birth);
            let another = &people[(at + people.len() / 2) % people.len()];
            let facility = Facility::of(person.on(day).place, random, name);
            let mut seen = facility.view(self.database, &self.errors, seed).observe(random, person, another, day);
            // Some names of foreign residents are beyond what any facility of such an encoding can enter.
            if self.database.files.iter().any(|(_, encoding)| seen.is_beyond(*encoding)) {
                seen.faults.add(Faults::JIS_FALLBACK);
            }
            records.push(Record {
                plan: self,
                person,
                seen,
                facility,
                chart: databases::chart(name, person.number),
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

#[cfg(test)]
mod tests;
