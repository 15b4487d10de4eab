//! A study: tables whose truth is known, and the linkage schemas that are tried on them.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, bail};
use clap::Args;
use linkage_core::encode::Encoder;
use linkage_core::evaluate::Truth;
use linkage_core::schema::LinkageSchema;
use linkage_core::secret::LinkageSecret;
use linkage_core::source::Encoding;
use serde::Deserialize;

use super::forms::{MOST_RECORDS, Of, Records};
use super::labels::{LabelledPair, Labels};
use super::read::{Columns, Table};
use super::rows::open;
use super::thresholds::Thresholds;

/// What is compared, and how. A suite file has the same keys, with underscores.
#[derive(Debug, Clone, Args, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Study {
    /// What the results call this study
    #[arg(long, value_name = "NAME", default_value = "study")]
    pub(super) name: String,
    /// The left file: CSV with a header
    #[arg(long, value_name = "CSV", requires = "right", required_unless_present = "table", conflicts_with = "table")]
    left: Option<PathBuf>,
    /// The right file: CSV with a header
    #[arg(long, value_name = "CSV", requires = "left")]
    right: Option<PathBuf>,
    /// A file by the name that the truth calls it; two or more, instead of --left and --right
    #[arg(long, value_name = "NAME=CSV")]
    #[serde(default)]
    table: Vec<NamedFile>,
    /// A shipped linkage schema (such as person-en, person-ja) or the path of one; several to compare them
    #[arg(long, value_name = "NAME|PATH", required = true)]
    pub(super) schema: Vec<String>,
    /// How links are chosen: by the schema's threshold, or by what is learnt from the tokens without truth; both to compare
    #[arg(long, value_name = "HOW", value_delimiter = ',', default_value = "threshold")]
    #[serde(default = "by_threshold")]
    pub(super) decide: Vec<Decide>,
    /// The truth: by pair, by person, in Splink's columns, CSV or Parquet; or `febrl` for ids like rec-7-org and rec-7-dup-0
    #[arg(long, value_name = "FILE|febrl", required = true)]
    truth: Option<PathBuf>,
    /// Pairs that somebody has looked at, to correct what is learnt: left_id, right_id and match (1 or 0), or Splink's labels
    #[arg(long, value_name = "FILE")]
    gold: Option<PathBuf>,
    /// Columns of the truth that make subgroups [default: age_band,sex,foreign,changed_name,twin,errors, where they are]
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    #[serde(default)]
    groups: Vec<String>,
    /// The column that identifies a record, in all files
    #[arg(long, value_name = "COLUMN", default_value = "rec_id")]
    #[serde(default = "rec_id")]
    id_column: String,
    /// Read a field of the schema from another column, in all files; repeatable; `FIELD=` if there is none
    #[arg(long, value_name = "FIELD=COLUMN")]
    #[serde(default)]
    map: Vec<FieldColumn>,
    /// The encoding of the files: utf-8 or cp932
    #[arg(long, value_name = "NAME", default_value = "utf-8")]
    #[serde(default = "utf_8")]
    encoding: String,
    /// The encoding of the left file, where it differs
    #[arg(long, value_name = "NAME")]
    left_encoding: Option<String>,
    /// The encoding of the right file, where it differs
    #[arg(long, value_name = "NAME")]
    right_encoding: Option<String>,
    /// The throw-away linkage secret is made from this number, so that a run can be repeated
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[serde(default = "one")]
    pub(super) seed: u64,
    /// The thresholds to measure at, of similarity or, where it is learnt, of the chance: from..to:step, or a list with commas
    #[arg(long, value_name = "LIST", default_value = THRESHOLDS)]
    #[serde(default = "thresholds")]
    pub(super) thresholds: Thresholds,
    /// Draws for the 95 % intervals; 0 for none
    #[arg(long, value_name = "N", default_value_t = 200)]
    #[serde(default = "draws")]
    pub(super) bootstrap: u32,
}

/// How links are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Decide {
    /// By the schema's threshold.
    Threshold,
    /// By what is learnt from the tokens, without truth.
    Learnt,
}

impl Decide {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Threshold => "threshold",
            Self::Learnt => "learnt",
        }
    }
}

fn by_threshold() -> Vec<Decide> {
    vec![Decide::Threshold]
}

/// The usual thresholds to measure at.
pub(super) const THRESHOLDS: &str = "0.50..0.95:0.05";

fn thresholds() -> Thresholds {
    THRESHOLDS.parse().unwrap_or_default()
}

fn rec_id() -> String {
    "rec_id".to_owned()
}

fn utf_8() -> String {
    "utf-8".to_owned()
}

fn one() -> u64 {
    1
}

fn draws() -> u32 {
    200
}

/// `NAME=FILE`.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct NamedFile {
    pub(super) name: String,
    pub(super) path: PathBuf,
}

/// `FIELD=COLUMN`.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
struct FieldColumn(String, String);

impl FromStr for NamedFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, path)) if !name.is_empty() && !path.is_empty() => {
                Ok(Self { name: name.to_owned(), path: path.into() })
            }
            _ => Err("write it as NAME=FILE".to_owned()),
        }
    }
}

impl FromStr for FieldColumn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((field, column)) if !field.is_empty() => Ok(Self(field.to_owned(), column.to_owned())),
            _ => Err("write it as FIELD=COLUMN".to_owned()),
        }
    }
}

impl TryFrom<String> for NamedFile {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl TryFrom<String> for FieldColumn {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// The tables of a study, encoded by one schema.
pub(super) struct Encoded {
    pub(super) names: Vec<String>,
    pub(super) tables: Vec<Table>,
    /// Where the rows of each table begin when rows count through all tables.
    pub(super) starts: Vec<u32>,
}

impl Study {
    /// Takes paths that are not absolute as lying in `folder`, as a suite file means them.
    pub(super) fn within(mut self, folder: &Path) -> Self {
        let files = self.table.iter_mut().map(|file| &mut file.path);
        for path in files.chain(&mut self.left).chain(&mut self.right) {
            *path = folder.join(&path);
        }
        if let Some(gold) = &mut self.gold {
            *gold = folder.join(&gold);
        }
        if let Some(truth) = self.truth.as_mut().filter(|truth| truth.as_os_str() != "febrl") {
            *truth = folder.join(&truth);
        }
        for schema in &mut self.schema {
            if LinkageSchema::shipped(schema).is_none() {
                *schema = folder.join(&schema).to_string_lossy().into_owned();
            }
        }
        self
    }

    /// Refuses a study of which nothing would come out, before any is carried out.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        for (key, is_empty) in [("schema", self.schema.is_empty()), ("decide", self.decide.is_empty())] {
            if is_empty {
                bail!("`{key}` is empty, so nothing would be measured\nhint: name one at least");
            }
        }
        if self.gold.is_some() && !self.decide.contains(&Decide::Learnt) {
            bail!(
                "a gold sample, and nothing that it could correct\nhint: --decide learnt learns the chances that it corrects"
            );
        }
        for schema in &self.schema {
            LinkageSchema::load(schema)?;
        }
        let tables = self.files()?.into_iter().map(|(_, path, _)| path);
        let truth = Some(self.truth()?.to_owned()).filter(|truth| truth.as_os_str() != "febrl");
        for path in tables.chain(truth).chain(self.gold.clone()) {
            open(&path).with_context(|| format!("{}", path.display()))?;
        }
        Ok(())
    }

    /// Reads and encodes all tables by a schema, under the throw-away secret.
    pub(super) fn encode(&self, schema: &LinkageSchema) -> anyhow::Result<Encoded> {
        let context = "linkage evaluate throw-away secret v1";
        let secret = LinkageSecret::from_bytes(blake3::derive_key(context, &self.seed.to_le_bytes()));
        let encoder = Encoder::new(schema, &secret);
        let map: Vec<(String, String)> = self.map.iter().map(|map| (map.0.clone(), map.1.clone())).collect();
        let mut encoded = Encoded { names: Vec::new(), tables: Vec::new(), starts: Vec::new() };
        let mut start = 0u32;
        for (name, path, encoding) in self.files()? {
            let columns = Columns { id: &self.id_column, map: &map, encoding };
            let table = Table::read(&path, schema, &encoder, &columns)?;
            encoded.starts.push(start);
            start = start.checked_add(table.tokens.len() as u32).context("more than 2³² records in all")?;
            encoded.names.push(name);
            encoded.tables.push(table);
        }
        Ok(encoded)
    }

    fn files(&self) -> anyhow::Result<Vec<(String, PathBuf, Encoding)>> {
        let encoding = |own: Option<&String>| -> anyhow::Result<Encoding> {
            let name = own.unwrap_or(&self.encoding);
            name.parse().map_err(|error| anyhow::anyhow!("{error}"))
        };
        if self.table.is_empty() == (self.left.is_none() && self.right.is_none()) {
            bail!("which files?\nhint: give left and right, or table twice or more, and not both");
        }
        if !self.table.is_empty() && (self.left_encoding.is_some() || self.right_encoding.is_some()) {
            bail!("left_encoding and right_encoding are for left and right\nhint: encoding is that of all tables");
        }
        let files: Vec<_> = match (&self.left, &self.right) {
            (Some(left), Some(right)) => vec![
                ("left".to_owned(), left.clone(), encoding(self.left_encoding.as_ref())?),
                ("right".to_owned(), right.clone(), encoding(self.right_encoding.as_ref())?),
            ],
            (Some(_), None) | (None, Some(_)) => bail!("one file is nothing to link\nhint: give left and right"),
            (None, None) => {
                let own = encoding(None)?;
                self.table.iter().map(|file| (file.name.clone(), file.path.clone(), own)).collect()
            }
        };
        if files.len() < 2 {
            bail!("one file is nothing to link\nhint: give --left and --right, or --table twice or more");
        }
        for (index, (name, ..)) in files.iter().enumerate() {
            if files[..index].iter().any(|(other, ..)| other == name) {
                bail!("two tables are called {name:?}\nhint: give every --table a name of its own");
            }
        }
        Ok(files)
    }

    /// The pairs that somebody has looked at, each with whether it is one person.
    pub(super) fn gold(&self, encoded: &mut Encoded) -> anyhow::Result<Option<Vec<LabelledPair>>> {
        self.gold.as_deref().map(|gold| Labels::gold(gold, encoded)).transpose()
    }

    fn truth(&self) -> anyhow::Result<&Path> {
        self.truth.as_deref().context("no truth\nhint: `truth` names its file")
    }

    /// The truth about these tables.
    pub(super) fn labels(&self, encoded: &mut Encoded) -> anyhow::Result<Labels> {
        let truth = self.truth()?;
        if truth.as_os_str() == "febrl" {
            if !self.groups.is_empty() {
                bail!("FEBRL's ids tell of no subgroups\nhint: leave out --groups, or give a truth by person");
            }
            let truth = encoded.febrl()?;
            if truth.is_empty() {
                bail!(
                    "no id of the left file is one of FEBRL's that the right file has too, like rec-7-org and rec-7-dup-0"
                );
            }
            return Ok(Labels::complete(truth));
        }
        Labels::read(truth, encoded, &self.groups)
    }
}

impl Encoded {
    /// The table of a row, and the row within it.
    pub(super) fn locate(&self, row: u32) -> (usize, u32) {
        let table = self.starts.partition_point(|start| *start <= row) - 1;
        (table, row - self.starts[table])
    }

    /// Every two tables.
    pub(super) fn pairs_of_tables(&self) -> impl Iterator<Item = (usize, usize)> {
        let count = self.tables.len();
        (0..count).flat_map(move |left| (left + 1..count).map(move |right| (left, right)))
    }

    /// All pairs of rows of different tables.
    pub(super) fn possible(&self) -> u64 {
        let sizes: Vec<u64> = self.tables.iter().map(|table| table.tokens.len() as u64).collect();
        let all: u64 = sizes.iter().sum();
        (all * all - sizes.iter().map(|n| n * n).sum::<u64>()) / 2
    }

    /// rec-7-org and rec-7-dup-0 are one person: 7.
    fn febrl(&self) -> anyhow::Result<Truth> {
        let person = |id: &str| id.strip_prefix("rec-").and_then(|rest| rest.split('-').next().map(str::to_owned));
        let mut people: std::collections::HashMap<String, Vec<(usize, u32)>> = Default::default();
        let mut pairs = Vec::new();
        for (table, (records, start)) in self.tables.iter().zip(&self.starts).enumerate() {
            for (row, id) in (*start..).zip(records.ids()) {
                let Some(person) = person(id) else { continue };
                let known = people.entry(person).or_default();
                pairs.extend(known.iter().filter(|(other, _)| *other != table).map(|(_, other)| (*other, row)));
                known.push((table, row));
                if known.len() > MOST_RECORDS {
                    bail!(
                        "more than {MOST_RECORDS} ids have one number\nhint: are they FEBRL's, like rec-7-org and rec-7-dup-0?"
                    );
                }
            }
        }
        Ok(pairs.into_iter().collect())
    }
}

impl Records for Encoded {
    fn row(&mut self, of: Of<'_>, id: &str) -> Option<u32> {
        let table = match of {
            Of::Table(name) => self.names.iter().position(|other| other == name)?,
            // With two tables left and right are what they say, whatever the truth calls them.
            Of::Side(side) => (self.tables.len() == 2).then_some(side)?,
            Of::Unsaid => return None,
        };
        Some(self.starts[table] + self.tables[table].row(id)?)
    }

    fn total(&self) -> Option<u64> {
        Some(self.tables.iter().map(|table| table.tokens.len() as u64).sum())
    }
}
