//! The five extracts of the demo, and the truth. All are CSV, for the demo is about the way of a token and not about
//! formats; `extract` writes those.

mod databases;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::DatasetError;
use crate::output::{Encoding, Table};
use crate::population::{Population, REFERENCE_DATE};
use crate::random::Random;
use crate::rates::ErrorModel;
use databases::{COLUMNS, DATABASES, Database};

/// What [`write_demo`] wrote.
#[derive(Debug, Clone, Serialize)]
pub struct DemoManifest {
    /// Number of people in the population.
    pub people: u64,
    /// The seed from which everything follows.
    pub seed: u64,
    /// One extract per database, in the order ndb, dpc, kaigo, denkaru, jisedai.
    pub databases: Vec<DemoDatabase>,
    /// CSV with the columns `database`, `record_id`, `person`.
    pub truth: PathBuf,
    /// Every family and given name of the extracts, as registered and as each database writes it, if it has at least three
    /// characters beyond ASCII: a test searches stores, logs and wire bytes for them and must find none. Shorter names
    /// would be found in random bytes by chance.
    pub clear_text_names: Vec<String>,
}

/// One extract.
#[derive(Debug, Clone, Serialize)]
pub struct DemoDatabase {
    /// The database's name.
    pub name: String,
    /// Its CSV file.
    pub path: PathBuf,
    /// Its encoding, as `custodian tokenise --encoding` takes it: `utf-8` or `cp932`.
    pub encoding: String,
    /// Number of records, which is also the number of people: each database holds a person once.
    pub records: u64,
}

/// Writes the extracts `ndb.csv`, `dpc.csv`, `kaigo.csv`, `denkaru.csv` and `jisedai.csv` and the truth `truth.csv` into
/// `dir`, which must exist.
///
/// The same people, seed and error model give the same bytes. Rows are shuffled within a window of some thousand rows, so
/// that equal row numbers of two extracts mean nothing. Memory is bounded but for the distinct names.
///
/// # Errors
/// [`DatasetError::Rate`] or [`DatasetError::Weights`] when the model is not usable, [`DatasetError::Write`] when a file
/// cannot be written.
pub fn write_demo(dir: &Path, people: u64, seed: u64, errors: &ErrorModel) -> Result<DemoManifest, DatasetError> {
    errors.check()?;
    let mut truth = Table::create(dir.join("truth.csv"), Encoding::Utf8, &["database", "record_id", "person"])?;
    let mut extracts = Vec::new();
    for database in &DATABASES {
        let table = Table::create(dir.join(format!("{}.csv", database.name)), database.encoding, &COLUMNS)?;
        extracts.push(Extract {
            database,
            table,
            window: Vec::new(),
            order: Random::new(seed, database.name, 0),
            records: 0,
        });
    }
    let mut names = BTreeSet::new();

    let population = Population::new(seed, people);
    for block in 0..population.blocks() {
        let people = population.block(block);
        for (at, person) in people.iter().enumerate() {
            let another = &people[(at + people.len() / 2) % people.len()];
            for extract in &mut extracts {
                let database = extract.database;
                let random = &mut Random::new(seed ^ 0x5EED, database.name, person.number);
                if !database.covers(random, person.age_on(REFERENCE_DATE)) {
                    continue;
                }
                let days_old = random.unit() * database.years_old * errors.staleness * 365.25;
                let day = REFERENCE_DATE.days_before(days_old as u32);
                let mut seen = database.view(errors).observe(random, person, another, day);
                let row = database.habits.write(random, database.insured, &mut seen);
                for name in row[..4].iter().chain([&seen.family.kana, &seen.given.kana]) {
                    remember(&mut names, name);
                }
                let record_id = database.record_id.of(person.number);
                truth.write(&[database.name.to_owned(), record_id.clone(), person.number.to_string()])?;
                extract.add([vec![record_id], row.to_vec()].concat())?;
            }
        }
    }

    let mut databases = Vec::new();
    for extract in extracts {
        databases.push(extract.finish()?);
    }
    Ok(DemoManifest { people, seed, databases, truth: truth.finish()?, clear_text_names: names.into_iter().collect() })
}

fn remember(names: &mut BTreeSet<String>, name: &str) {
    let name = name.trim();
    if name.chars().filter(|c| !c.is_ascii()).count() >= 3 && !names.contains(name) {
        names.insert(name.to_owned());
    }
}

/// Rows wait in a window from which a random one leaves, so the order of people is lost at bounded memory.
const WINDOW_ROWS: usize = 16_384;

struct Extract<'a> {
    database: &'a Database,
    table: Table,
    window: Vec<Vec<String>>,
    order: Random,
    records: u64,
}

impl Extract<'_> {
    fn add(&mut self, row: Vec<String>) -> Result<(), DatasetError> {
        self.records += 1;
        self.window.push(row);
        if self.window.len() > WINDOW_ROWS { self.release() } else { Ok(()) }
    }

    fn release(&mut self) -> Result<(), DatasetError> {
        let chosen = self.order.below(self.window.len() as u64) as usize;
        let row = self.window.swap_remove(chosen);
        self.table.write(&row)
    }

    fn finish(mut self) -> Result<DemoDatabase, DatasetError> {
        while !self.window.is_empty() {
            self.release()?;
        }
        let encoding = self.database.encoding.name();
        let path = self.table.finish()?;
        Ok(DemoDatabase { name: self.database.name.into(), path, encoding: encoding.into(), records: self.records })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn written(people: u64, seed: u64) -> (tempfile::TempDir, DemoManifest) {
        let dir = tempfile::tempdir().unwrap();
        let manifest = write_demo(dir.path(), people, seed, &ErrorModel::default()).unwrap();
        (dir, manifest)
    }

    fn read(database: &DemoDatabase) -> Vec<Vec<String>> {
        let bytes = std::fs::read(&database.path).unwrap();
        let text = match database.encoding.as_str() {
            "cp932" => encoding_rs::SHIFT_JIS.decode(&bytes).0.into_owned(),
            _ => String::from_utf8(bytes).unwrap(),
        };
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn extracts_are_reproducible_and_complete() {
        let (first, manifest) = written(3000, 11);
        let (second, _) = written(3000, 11);
        let mut ids: HashMap<(String, String), String> = HashMap::new();
        for row in read(&DemoDatabase {
            name: "truth".into(),
            path: manifest.truth.clone(),
            encoding: "utf-8".into(),
            records: 0,
        })
        .into_iter()
        .skip(1)
        {
            assert_eq!(ids.insert((row[0].clone(), row[1].clone()), row[2].clone()), None);
        }
        let mut total = 0;
        for database in &manifest.databases {
            let file = format!("{}.csv", database.name);
            assert_eq!(
                std::fs::read(first.path().join(&file)).unwrap(),
                std::fs::read(second.path().join(&file)).unwrap()
            );
            let rows = read(database);
            assert_eq!(rows[0], COLUMNS);
            assert_eq!(rows.len() as u64 - 1, database.records);
            assert!(rows[1..].iter().all(|row| ids.contains_key(&(database.name.clone(), row[0].clone()))));
            total += database.records;
        }
        assert_eq!(ids.len() as u64, total);
    }

    #[test]
    fn the_databases_overlap_as_their_ages_do() {
        let (_dir, manifest) = written(5000, 12);
        let records: Vec<u64> = manifest.databases.iter().map(|d| d.records).collect();
        assert!((4100..4700).contains(&records[0]), "{records:?}");
        assert!((250..600).contains(&records[2]), "{records:?}");
        assert!(records[1..].iter().all(|&n| n < records[0]));
    }

    #[test]
    fn the_clear_text_names_are_those_of_the_extracts() {
        let (_dir, manifest) = written(2000, 13);
        assert!(manifest.clear_text_names.len() > 1000);
        let names: std::collections::HashSet<&str> = manifest.clear_text_names.iter().map(String::as_str).collect();
        for database in &manifest.databases {
            for row in &read(database)[1..] {
                for name in row[1..5].iter().map(|name| name.trim()) {
                    // 〓 stands where the encoding lost a character, so that form was never clear text.
                    if name.chars().filter(|c| !c.is_ascii()).count() >= 3 && !name.contains('〓') {
                        assert!(names.contains(name));
                    }
                }
            }
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_that_names_the_file() {
        let error = write_demo(Path::new("/nonexistent/demo"), 10, 1, &ErrorModel::none()).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/demo/truth.csv"));
    }
}
