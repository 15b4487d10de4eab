//! The whole model in one document: who the people are, what goes wrong, and in which database otherwise.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::date::Date;
use crate::error::DatasetError;
use crate::extract;
use crate::population::{DAYS, REFERENCE_DATE};
use crate::rates::{CorruptModel, ErrorModel, HabitModel, PopulationModel};

/// A model, as TOML or JSON. What a document leaves out has its default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Model {
    /// Rates of the population.
    pub population: PopulationModel,
    /// Rates of errors in every database.
    pub errors: ErrorModel,
    /// How often facilities write in which way.
    pub habits: HabitModel,
    /// Share of decisions to be in a database that go with the person and not with chance: 0 makes databases independent
    /// of each other, at 1 they overlap as much as their sizes allow. Shares by age stay as they are.
    pub overlap: f64,
    /// What is different in one database.
    pub databases: BTreeMap<String, DatabaseModel>,
}

/// What is different in one database.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseModel {
    /// The day of the extract, `YYYY-MM-DD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// A record was last brought up to date between 0 and this many years before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_years: Option<f64>,
    /// Share of people in the database by age: under 15, to 39, to 64, to 74, 75 and over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<[f64; 5]>,
    /// Share of records that have insurance numbers at all, before `insurance_missing`: only of `jisedai` (0.7), `nanbyo`
    /// (0.95) and `shoman` (0.9), which do not ask everybody for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub insured: Option<f64>,
    /// Error rates of this database.
    pub errors: BTreeMap<String, f64>,
}

impl Model {
    /// Reads a model: JSON when it begins with a brace, else TOML.
    ///
    /// # Errors
    /// [`DatasetError::Model`] when it is neither or has a key that there is none of, else as [`Model::check`].
    pub fn parse(text: &str) -> Result<Self, DatasetError> {
        let model: Self = document(text)?;
        model.check()?;
        Ok(model)
    }

    /// The model as TOML, with every rate.
    ///
    /// # Errors
    /// [`DatasetError::Model`] when a number cannot be written.
    pub fn to_toml(&self) -> Result<String, DatasetError> {
        toml::to_string(self).map_err(|error| DatasetError::Model { reason: error.to_string() })
    }

    /// Checks every rate, date and database.
    ///
    /// # Errors
    /// [`DatasetError::Rate`], [`DatasetError::Weights`], [`DatasetError::UnknownRate`], [`DatasetError::UnknownDatabase`],
    /// [`DatasetError::AsOf`].
    pub fn check(&self) -> Result<(), DatasetError> {
        self.population.check()?;
        self.errors.check()?;
        self.habits.check()?;
        let rate = |name: &str, rate: f64| match (0.0..=1.0).contains(&rate) {
            true => Ok(()),
            false => Err(DatasetError::Rate { name: name.to_owned() }),
        };
        rate("overlap", self.overlap)?;
        for (name, database) in &self.databases {
            extract::known(name)?;
            self.errors_of(name)?.check()?;
            self.as_of(name)?;
            for share in database.coverage.iter().flatten() {
                rate(&format!("databases.{name}.coverage"), *share)?;
            }
            if let Some(share) = database.insured {
                rate(&format!("databases.{name}.insured"), share)?;
                if !extract::has_insured_share(name) {
                    return Err(DatasetError::UnknownRate { name: format!("databases.{name}.insured") });
                }
            }
            if database.record_years.is_some_and(|years| !(0.0..=100.0).contains(&years)) {
                return Err(DatasetError::Rate { name: format!("databases.{name}.record_years") });
            }
        }
        Ok(())
    }

    /// Sets one rate: `kana_typo`, `population.move_per_year`, `databases.ndb.kana_typo`, `databases.jisedai.insured` or
    /// `overlap`. Whether the rates fit each other [`Model::check`] says, so that they can be set in any order.
    ///
    /// # Errors
    /// [`DatasetError::UnknownRate`] when there is none of this name, [`DatasetError::Rate`] when the number is no rate.
    pub fn set(&mut self, name: &str, rate: f64) -> Result<(), DatasetError> {
        if !(0.0..=1.0).contains(&rate) {
            return Err(DatasetError::Rate { name: name.to_owned() });
        }
        let found = match name.split('.').collect::<Vec<_>>()[..] {
            ["overlap"] => {
                self.overlap = rate;
                true
            }
            ["population", rate_name] => self.population.set(rate_name, rate),
            ["errors", rate_name] => self.errors.set(rate_name, rate),
            ["habits", rate_name] => self.habits.set(rate_name, rate),
            ["databases", database, "insured"] => {
                extract::known(database)?;
                self.databases.entry(database.to_owned()).or_default().insured = Some(rate);
                extract::has_insured_share(database)
            }
            ["databases", database, rate_name] => {
                extract::known(database)?;
                self.databases.entry(database.to_owned()).or_default().errors.insert(rate_name.to_owned(), rate);
                ErrorModel::default().set(rate_name, rate)
            }
            [rate_name] => {
                self.errors.set(rate_name, rate)
                    || self.habits.set(rate_name, rate)
                    || self.population.set(rate_name, rate)
            }
            _ => false,
        };
        match found {
            true => Ok(()),
            false => Err(DatasetError::UnknownRate { name: name.to_owned() }),
        }
    }

    /// The error rates of one database.
    pub(crate) fn errors_of(&self, database: &str) -> Result<ErrorModel, DatasetError> {
        let mut errors = self.errors.clone();
        for (name, rate) in self.databases.get(database).iter().flat_map(|database| &database.errors) {
            if !errors.set(name, *rate) {
                return Err(DatasetError::UnknownRate { name: format!("databases.{database}.errors.{name}") });
            }
        }
        Ok(errors)
    }

    /// The day of one database's extract.
    pub(crate) fn as_of(&self, database: &str) -> Result<Date, DatasetError> {
        let Some(text) = self.databases.get(database).and_then(|database| database.as_of.as_ref()) else {
            return Ok(REFERENCE_DATE);
        };
        let day = Date::parse(text).filter(|day| DAYS.contains(day));
        day.ok_or_else(|| DatasetError::AsOf { database: database.to_owned() })
    }
}

impl CorruptModel {
    /// Reads the rates of damage: JSON when the text begins with a brace, else TOML.
    ///
    /// # Errors
    /// [`DatasetError::Model`] when it is neither or has a key that there is none of, else as [`CorruptModel::check`].
    pub fn parse(text: &str) -> Result<Self, DatasetError> {
        let model: Self = document(text)?;
        model.check()?;
        Ok(model)
    }
}

fn document<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, DatasetError> {
    let failed = |reason: String| DatasetError::Model { reason };
    match text.trim_start().starts_with('{') {
        true => serde_json::from_str(text).map_err(|error| failed(error.to_string())),
        false => toml::from_str(text).map_err(|error| failed(error.message().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_can_be_written_and_read_in_both_forms() {
        let mut model = Model::default();
        model.set("kana_typo", 0.2).unwrap();
        model.set("population.move_per_year", 0.1).unwrap();
        model.set("databases.ndb.kana_missing", 0.5).unwrap();
        model.set("databases.jisedai.insured", 1.0).unwrap();
        model.set("whole_names", 1.0).unwrap();
        assert_eq!(model.habits, HabitModel { whole_names: 1.0, ..HabitModel::default() });
        assert_eq!(Model::parse(&model.to_toml().unwrap()).unwrap(), model);
        assert_eq!(Model::parse(&serde_json::to_string(&model).unwrap()).unwrap(), model);
        assert_eq!(model.errors_of("ndb").unwrap().kana_missing, 0.5);
        assert_eq!(model.errors_of("dpc").unwrap(), model.errors);
        assert_eq!(Model::parse("").unwrap(), Model::default());
    }

    #[test]
    fn whatever_there_is_none_of_is_refused() {
        for text in [
            "[errors]\nkana_tipo = 0.1",
            "[errors]\nkana_typo = 2",
            "[databases.ndc]",
            "[databases.ndb.errors]\nkana_tipo = 0.1",
            "[databases.ndb]\nas_of = \"2026-02-30\"",
            "[databases.ndb]\nas_of = \"2030-01-01\"",
            "[databases.ndb]\nas_of = \"1999-12-31\"",
            "[databases.ndb]\ninsured = 0.5",
            "[databases.jisedai]\ninsured = 1.5",
            "[habits]\nwhole_names = 2",
            "[errors]\ntypo_voicing = 0\ntypo_character = 0\ntypo_long_vowel = 0\ntypo_swap = 0",
            "[databases.ndb]\ncoverage = [0.1, 0.2, 0.3, 0.4, 1.5]",
            "{\"overlap\": -1}",
            "{",
        ] {
            assert!(Model::parse(text).is_err(), "{text}");
        }
        for name in ["databases.ndb.nothing", "databases.ndb.insured", "habits.nothing", "nothing"] {
            assert!(matches!(Model::default().set(name, 0.1), Err(DatasetError::UnknownRate { .. })), "{name}");
        }
        assert!(matches!(Model::default().set("whole_names", 1.1), Err(DatasetError::Rate { .. })));
        assert_eq!(CorruptModel::parse("ocr = 0.5").unwrap().ocr, 0.5);
        assert!(CorruptModel::parse("ocr = 5").is_err() && CorruptModel::parse("{\"ocl\": 0.5}").is_err());
    }
}
