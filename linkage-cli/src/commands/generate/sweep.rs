//! One dataset per rate: how do links suffer when one error becomes more frequent?

use std::path::{Path, PathBuf};
use std::str::FromStr;

use linkage_datasets::{DatasetError, Model};

/// A rate of the model, and the values that it takes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sweep {
    name: String,
    pub(super) rates: Vec<f64>,
    /// As written, so that folders are called as the user wrote.
    texts: Vec<String>,
}

impl FromStr for Sweep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write NAME=RATE,RATE… with different numbers from 0 to 1".to_owned();
        let (name, rates) = text.split_once('=').ok_or_else(wrong)?;
        let texts: Vec<String> = rates.split(',').map(|rate| rate.trim().to_owned()).collect();
        let rates: Result<Vec<f64>, _> = texts.iter().map(|rate| rate.parse()).collect();
        // 0.1 and 0.10 are one rate, of which two datasets would be the same.
        let differ = |rates: &[f64]| (0..rates.len()).all(|at| !rates[..at].contains(&rates[at]));
        match rates {
            Ok(rates) if differ(&rates) && !name.is_empty() => Ok(Self { name: name.to_owned(), rates, texts }),
            _ => Err(wrong()),
        }
    }
}

impl Sweep {
    /// Folder and model of each point: `OUT-kana_typo-0.05`. Checked before anything is written.
    pub(super) fn points(&self, output: &Path, model: &Model) -> Result<Vec<(PathBuf, Model)>, DatasetError> {
        let mut points = Vec::new();
        for (rate, text) in self.rates.iter().zip(&self.texts) {
            let mut model = model.clone();
            model.set(&self.name, *rate)?;
            model.check()?;
            let mut folder = output.as_os_str().to_owned();
            folder.push(format!("-{}-{text}", self.name));
            let folder = PathBuf::from(folder);
            if folder.symlink_metadata().is_ok() {
                return Err(DatasetError::Exists { path: folder });
            }
            points.push((folder, model));
        }
        Ok(points)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_point_of_a_sweep_has_a_folder_and_a_model() {
        let sweep: Sweep = "kana_typo=0, 0.05".parse().unwrap();
        let points = sweep.points(Path::new("out"), &Model::default()).unwrap();
        assert_eq!(points[0].0, Path::new("out-kana_typo-0"));
        assert_eq!((points[1].0.as_path(), points[1].1.errors.kana_typo), (Path::new("out-kana_typo-0.05"), 0.05));
        assert_eq!(points[1].1.population, Model::default().population);
        for text in ["kana_typo", "kana_typo=", "=0.1", "kana_typo=0.1,0.1", "kana_typo=0.1,0.10", "kana_typo=a"] {
            assert!(text.parse::<Sweep>().is_err(), "{text}");
        }
        assert!("nothing=0.1".parse::<Sweep>().unwrap().points(Path::new("out"), &Model::default()).is_err());
        assert!("kana_typo=1.1".parse::<Sweep>().unwrap().points(Path::new("out"), &Model::default()).is_err());
        // Every point is looked at before the first is written.
        let mut weightless = Model::default();
        for weight in ["typo_voicing", "typo_character", "typo_long_vowel", "typo_swap"] {
            weightless.set(weight, 0.0).unwrap();
        }
        assert!("kana_typo=0,0.1".parse::<Sweep>().unwrap().points(Path::new("out"), &weightless).is_err());
        assert!("kana_typo=0".parse::<Sweep>().unwrap().points(Path::new("out"), &weightless).is_ok());
    }
}
