//! `config.toml`: how one linkage unit is set up. Unknown keys are refused, so that a misspelt limit is no missing limit.

use std::path::{Path, PathBuf};

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
    /// Digest of the agreed linkage schema. Without it the first submission decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema_digest: Option<SchemaDigest>,
}

impl Default for Matching {
    fn default() -> Self {
        Self { threshold: "0.80".to_owned(), schema_digest: None }
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
    /// Most rows of either table in a work unit.
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
        config.matching.threshold()?;
        Ok(config)
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
}
