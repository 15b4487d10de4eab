//! `config.toml`: how one linkage unit is set up. Unknown keys are refused, so that a misspelt limit is no missing limit.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use linkage_core::dice::DiceThreshold;
use linkage_core::types::SchemaDigest;
use serde::{Deserialize, Serialize};

use crate::error::ConfigError;

/// The file's name inside the unit's folder.
pub const FILE: &str = "config.toml";

/// The whole file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to listen and what to accept.
    #[serde(default)]
    pub server: Server,
    /// How records are matched.
    #[serde(default)]
    pub matching: Matching,
    /// What may be linked, and what may be shown.
    #[serde(default)]
    pub policy: Policy,
    /// Bounds on what a run may use.
    #[serde(default)]
    pub limits: Limits,
    /// Other machines that do parts of runs.
    #[serde(default)]
    pub cluster: Cluster,
    /// The audit log.
    #[serde(default)]
    pub audit: Audit,
}

/// `[server]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Address to listen on; `serve --listen` overrides it.
    pub listen: String,
    /// Whether gRPC reflection answers. Off, because it tells strangers nothing only while nobody holds a credential.
    pub reflection: bool,
}

impl Default for Server {
    fn default() -> Self {
        Self { listen: "127.0.0.1:7443".to_owned(), reflection: false }
    }
}

/// `[matching]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Matching {
    /// Least Dice similarity of a match, as a decimal such as `"0.80"`. Agree it with the custodians: a linkage schema
    /// recommends one, and the service never sees the schema. Or `"learnt"`: every run then learns from its tokens, without
    /// truth, what a match is (docs/spec/classification.md); for thousands of records and more.
    pub threshold: String,
    /// Which pairs of records are compared at all (docs/guides/candidates.md).
    pub candidates: Candidates,
    /// The share of the pairs above the threshold that bands must be shown to find, above 0 and below 1; with `auto` 1 is allowed.
    pub recall: f64,
    /// What becomes of a run whose recall is not shown.
    pub uncertified: Uncertified,
    /// Whether a run counts the exact pairs of a record that is more like another one. It then compares the records that
    /// exact tokens have matched with all others as well, whatever `candidates` says.
    pub count_rivals: bool,
    /// Digest of the agreed linkage schema. Without it the first submission decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema_digest: Option<SchemaDigest>,
}

impl Default for Matching {
    fn default() -> Self {
        Self {
            threshold: "0.80".to_owned(),
            candidates: Candidates::AllPairs,
            recall: 0.99,
            uncertified: Uncertified::Refuse,
            count_rivals: false,
            schema_digest: None,
        }
    }
}

impl Matching {
    /// The threshold as a rule.
    ///
    /// # Errors
    /// When it is neither a decimal in (0, 1] with at most six places nor `learnt`.
    pub fn threshold(&self) -> Result<MatchRule, ConfigError> {
        MatchRule::parse(&self.threshold).ok_or(ConfigError::Threshold)
    }

    /// The recall that runs are asked for; `None` when all pairs are compared or nothing is promised.
    pub fn demand(&self) -> Option<f64> {
        matches!(self.candidates, Candidates::Bands | Candidates::Auto).then_some(self.recall)
    }
}

/// Which pairs of records are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Candidates {
    /// All of them: nothing above the threshold is missed.
    #[default]
    AllPairs,
    /// Those that agree in a band of bits, with a certified recall: for populations of millions.
    Bands,
    /// Those that agree in a blocking key of the linkage schema; how complete that is, is estimated.
    Keyed,
    /// All pairs while that takes a minute, and else bands.
    Auto,
}

impl Candidates {
    const NAMES: [(Self, &str); 4] =
        [(Self::AllPairs, "all-pairs"), (Self::Bands, "bands"), (Self::Keyed, "keyed"), (Self::Auto, "auto")];

    /// The name, as in `config.toml`.
    pub fn as_str(self) -> &'static str {
        Self::NAMES.into_iter().find(|(candidates, _)| *candidates == self).map_or("", |(_, name)| name)
    }
}

impl fmt::Display for Candidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Candidates {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let named = Self::NAMES.into_iter().find(|(_, name)| *name == text);
        named.map(|(candidates, _)| candidates).ok_or(ConfigError::Candidates)
    }
}

/// What becomes of a run by bands whose recall is not shown to be what was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Uncertified {
    /// It fails, and nothing is linked.
    #[default]
    Refuse,
    /// It goes on, and its record says that the recall is not certified.
    Mark,
}

impl FromStr for Uncertified {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        match text {
            "refuse" => Ok(Self::Refuse),
            "mark" => Ok(Self::Mark),
            _ => Err(ConfigError::Uncertified),
        }
    }
}

/// What makes two records a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchRule {
    /// This Dice similarity.
    Threshold(DiceThreshold),
    /// What a run learns from its tokens.
    Learnt,
}

impl MatchRule {
    /// Reads a decimal or `learnt`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "learnt" => Some(Self::Learnt),
            decimal => decimal.parse().ok().map(Self::Threshold),
        }
    }
}

/// `[policy]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// `law`, `proposal-2024`, or a policy file; a relative path starts at the unit's folder.
    pub file: String,
    /// The committee's keys and quorum; a relative path starts at the unit's folder.
    pub committee: PathBuf,
    /// Smallest count that may be shown; smaller ones read "<10".
    pub smallest_cell: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self { file: "law".to_owned(), committee: PathBuf::from("committee.json"), smallest_cell: 10 }
    }
}

/// `[limits]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Memory of one run, in MiB.
    pub memory_mib: usize,
    /// Threads of one run; 0 takes what the machine has.
    pub partitions: usize,
    /// Largest token file, in MiB.
    pub submission_mib: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_mib: 4096, partitions: 0, submission_mib: 16384 }
    }
}

/// `[cluster]`. Needs a program that was built with the feature `distributed`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cluster {
    /// Workers, such as `https://worker-1:7444`. None: this machine does everything.
    pub workers: Vec<String>,
    /// Folder through which workers get their rows, sealed; they must see it too. A relative path starts at the unit's
    /// folder.
    pub objects: PathBuf,
    /// Most rows of either table in a work unit that compares all pairs.
    pub unit_rows: usize,
    /// How often a work unit is tried before the run fails.
    pub attempts: usize,
}

impl Default for Cluster {
    fn default() -> Self {
        Self { workers: Vec::new(), objects: PathBuf::from("shared"), unit_rows: 262_144, attempts: 3 }
    }
}

/// `[audit]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// Name of this unit's log, in every checkpoint; `init` draws one, and it stays.
    pub origin: String,
}

impl Default for Audit {
    fn default() -> Self {
        Self { origin: "linkage-unit".to_owned() }
    }
}

impl Config {
    /// Reads `config.toml` of a unit's folder.
    ///
    /// # Errors
    /// When it cannot be read, has an unknown key, or holds a value out of range.
    pub fn load(unit: &Path) -> Result<Self, ConfigError> {
        let path = unit.join(FILE);
        let text = std::fs::read_to_string(&path).map_err(|source| ConfigError::Read { path: path.clone(), source })?;
        let config: Self =
            toml::from_str(&text).map_err(|source| ConfigError::Toml { path, source: Box::new(source) })?;
        config.check()?;
        Ok(config)
    }

    /// Looks at what the types do not say by themselves.
    ///
    /// # Errors
    /// When the threshold or the recall is out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.matching.threshold()?;
        let recall = self.matching.recall;
        let possible = match self.matching.candidates {
            Candidates::Auto => recall > 0.0 && recall <= 1.0,
            _ => recall > 0.0 && recall < 1.0,
        };
        if !possible {
            return Err(ConfigError::Recall);
        }
        Ok(())
    }

    /// The file's text, as `init` writes it.
    ///
    /// # Errors
    /// Never for a configuration that was built in this program.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        toml::to_string_pretty(self).map_err(|_| ConfigError::Unwritable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_defaults_and_a_misspelt_key_is_refused() {
        let defaults: Config = toml::from_str("").unwrap();
        assert!(!defaults.server.reflection);
        let written = defaults.to_toml().unwrap();
        assert_eq!(toml::from_str::<Config>(&written).unwrap().to_toml().unwrap(), written);
        assert!(toml::from_str::<Config>("[limits]\nmemory = 3").is_err());
        assert!(toml::from_str::<Config>("[limit]").is_err());
    }

    #[test]
    fn candidates_and_their_recall_are_checked() {
        let check = |text: &str| toml::from_str::<Config>(text).map(|config| config.check().map_err(|e| e.to_string()));
        let matching = |rest: &str| check(&format!("[matching]\n{rest}"));
        assert_eq!(matching("candidates = \"bands\"\nrecall = 0.995\nuncertified = \"mark\"").unwrap(), Ok(()));
        assert_eq!(matching("candidates = \"auto\"\nrecall = 1.0").unwrap(), Ok(()));
        assert!(matching("candidates = \"some\"").is_err() && matching("uncertified = \"hide\"").is_err());
        for wrong in ["recall = 0.0", "recall = nan", "candidates = \"bands\"\nrecall = 1.0", "recall = 99.0"] {
            assert!(matching(wrong).unwrap().unwrap_err().contains("`matching.recall`"), "{wrong}");
        }
        let workers =
            "[matching]\ncandidates = \"keyed\"\ncount_rivals = true\n[cluster]\nworkers = [\"https://worker:7444\"]";
        assert_eq!(check(workers).unwrap(), Ok(()));
        for (candidates, name) in Candidates::NAMES {
            assert_eq!(toml::Value::try_from(candidates).unwrap().as_str(), Some(name));
            assert!(name.parse::<Candidates>().unwrap() == candidates && candidates.as_str() == name);
        }
    }
}
