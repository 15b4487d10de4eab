//! The extracts that the demo links: five CSV files of its own, or a study that `linkage generate extracts` wrote.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use linkage_datasets::{DemoDatabase, ErrorModel, ExtractManifest, write_demo};

use super::DemoArgs;

/// What the custodians hold, and whose it is.
pub(super) struct Extracts {
    pub(super) people: u64,
    pub(super) databases: Vec<Extract>,
    /// The truth, which no party has.
    pub(super) truth: PathBuf,
}

/// What one custodian holds.
pub(super) struct Extract {
    pub(super) database: String,
    files: Vec<PathBuf>,
    /// Whether the files are the demo's own and go to the custodian, or stay where they are.
    moved: bool,
    /// The options with which `custodian tokenise` reads them.
    read_with: Vec<String>,
}

impl Extracts {
    /// Makes extracts in `folder`, or finds those that the arguments name.
    ///
    /// # Errors
    /// When they cannot be written or found, or a database has no file that could be handed over.
    pub(super) fn of(folder: &Path, args: &DemoArgs) -> anyhow::Result<Self> {
        match &args.extracts {
            Some(study) => Self::read(&study.canonicalize().with_context(|| format!("no folder {}", study.display()))?),
            None => Self::made(folder, args),
        }
    }

    fn made(folder: &Path, args: &DemoArgs) -> anyhow::Result<Self> {
        let manifest = write_demo(folder, args.people, args.seed, &ErrorModel::default())
            .context("cannot write the made-up extracts")?;
        let databases = manifest.databases.into_iter().map(|DemoDatabase { name, path, encoding, .. }| {
            let read_with = format!("--encoding {encoding} --id-column record_id {name}.csv");
            Extract { database: name, files: vec![path], moved: true, read_with: words(&read_with) }
        });
        Ok(Self { people: args.people, databases: databases.collect(), truth: manifest.truth })
    }

    fn read(study: &Path) -> anyhow::Result<Self> {
        let manifest = ExtractManifest::read(study)?;
        let mut databases = Vec::new();
        for database in manifest.databases {
            let files: Vec<_> = database.files.iter().map(|name| study.join(name)).collect();
            if files.iter().any(|file| file.is_dir()) {
                bail!(
                    "`{}` is a folder of many files, which the demo does not copy\nhint: generate the extracts without it",
                    database.name
                );
            }
            databases.push(Extract {
                database: database.name,
                files,
                moved: false,
                read_with: words(&database.read_with),
            });
        }
        Ok(Self { people: manifest.people, databases, truth: study.join(manifest.truth) })
    }
}

impl Extract {
    /// Hands the files to the custodian, under their own names.
    ///
    /// # Errors
    /// When one cannot be had.
    pub(super) fn hand_over(&self, to: &Path) -> anyhow::Result<()> {
        for file in &self.files {
            let target = to.join(file.file_name().unwrap_or_default());
            let done = if self.moved { fs::rename(file, target) } else { fs::copy(file, target).map(drop) };
            done.with_context(|| format!("cannot hand over {}", file.display()))?;
        }
        Ok(())
    }

    /// The options of `custodian tokenise`.
    pub(super) fn to_tokenise(&self) -> Vec<&str> {
        self.read_with.iter().map(String::as_str).collect()
    }

    /// The same of `custodian receive`, where an option names the files too.
    pub(super) fn to_receive(&self) -> Vec<&str> {
        let mut options = Vec::new();
        let mut read_with = self.read_with.iter().map(String::as_str);
        while let Some(word) = read_with.next() {
            match word.starts_with("--") {
                true => options.extend([Some(word), read_with.next()].into_iter().flatten()),
                false => options.extend(["--input", word]),
            }
        }
        options
    }
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}
