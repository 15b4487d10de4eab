//! The population itself as a table, for those who want to make extracts of their own.

use std::io::Write as _;
use std::path::Path;

use crate::date::Date;
use crate::error::DatasetError;
use crate::output::{StagedFile, failed};
use crate::parallel::in_order;
use crate::population::{DAYS, Person, Population, Sex};
use crate::rates::PopulationModel;

const HEADER: &str = "person,household,family_kanji,given_kanji,family_kana,given_kana,birth_date,sex,prefecture,\
    postal_code,insurer_number,insured_symbol,insured_number,insured_branch,foreign,twin,changed_name\r\n";

/// Writes the people as CSV, as they were on a day (whoever was not yet born is left out). The file must not exist; it has
/// its name only when all is written. `progress` is told how many people are done.
///
/// # Errors
/// [`DatasetError`] when the model is not usable, the day is none of [`DAYS`], or the file exists or cannot be written.
pub fn write_population(
    path: &Path,
    (people, seed): (u64, u64),
    model: &PopulationModel,
    day: Date,
    threads: usize,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, DatasetError> {
    model.check()?;
    if !DAYS.contains(&day) {
        return Err(DatasetError::Day);
    }
    let mut file = StagedFile::create(path)?;
    let write =
        |file: &mut StagedFile, text: &str| file.write_all(text.as_bytes()).map_err(|source| failed(path, source));
    write(&mut file, HEADER)?;
    let population = Population::with_model(seed, people, model);
    let make = |block| {
        let (mut text, mut rows, people) = (String::new(), 0, population.block(block));
        for person in people.iter().filter(|person| person.birth <= day) {
            row(person, day, &mut text);
            rows += 1;
        }
        (text, rows, people.len() as u64)
    };
    let (mut written, mut done) = (0, 0);
    in_order(population.blocks(), threads, make, |(text, rows, people): (String, u64, u64)| {
        write(&mut file, &text)?;
        written += rows;
        done += people;
        progress(done);
        Ok(())
    })?;
    file.finish()?;
    Ok(written)
}

fn row(person: &Person, day: Date, out: &mut String) {
    use std::fmt::Write as _;
    let state = person.on(day);
    let card = state.insurance;
    let kanji = |name: &Option<String>| name.clone().unwrap_or_default();
    let Date { year, month, day } = person.birth;
    let sex = if person.sex == Sex::Male { "1" } else { "2" };
    let _ = write!(
        out,
        "{},{},{},{},{},{},{year:04}-{month:02}-{day:02},{sex},{:02},{},{},{},{},{},{},{},{}\r\n",
        person.number,
        person.household,
        kanji(&state.family.kanji),
        kanji(&person.given.kanji),
        state.family.kana,
        person.given.kana,
        state.place.prefecture,
        state.place.postal_code,
        card.insurer_number,
        card.symbol,
        card.number,
        card.branch,
        u8::from(person.foreign),
        u8::from(person.twin),
        u8::from(person.changed_name()),
    );
}
