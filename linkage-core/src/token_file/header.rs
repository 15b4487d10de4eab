//! The header: what must be known of a token file before its tokens are looked at.

use serde::{Deserialize, Serialize};

use super::FORMAT_VERSION;
use crate::clk::ClkLength;
use crate::clkhash::ClkhashSchema;
use crate::error::TokenFileError;
use crate::harden::{Model, Profile, Step};
use crate::schema::{Canonical, LinkageSchema, is_name};
use crate::types::{DatabaseId, KeyCheck, SchemaDigest};

/// What stands in place of a normalisation for CLKs of clkhash: the version of its linkage schemas.
const CLKHASH_NORMALISATION: &str = "clkhash/3";

/// The header of a token file. Nothing in it is secret, and nothing is about a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenFileHeader {
    /// The version of the file format.
    pub format_version: u32,
    /// The database whose records these are.
    pub database: DatabaseId,
    /// The name of the linkage schema.
    pub schema_name: String,
    /// The identity of the linkage schema.
    pub schema_digest: SchemaDigest,
    /// The key-check value of the linkage secret.
    pub key_check: KeyCheck,
    /// The version of the normalisation.
    pub normalisation: String,
    /// The length of every CLK in bits.
    pub clk_bits: u32,
    /// How many filters stand side by side in a CLK: 1 when it is composite. Bit s of the presence mask is then segment s.
    #[serde(default = "one")]
    pub segments: u32,
    /// What was done to the filters before they left, in this order, as [`Step`] writes it.
    #[serde(default)]
    pub hardening: Vec<String>,
    /// ρ of the diffusion in millionths; 0 without diffusion.
    #[serde(default)]
    pub rho_ppm: u32,
    /// The names of the blocking keys, in the order of their columns.
    #[serde(default)]
    pub blocking_keys: Vec<String>,
    /// The number of rows.
    pub records: u64,
    /// Bits that are set, in parts per million of all bits.
    pub density_ppm: u32,
    /// The names of the exact tokens, in the order of their columns.
    pub exact_tokens: Vec<String>,
    /// Whether the custodian states that no person has two rows.
    pub deduplicated: bool,
}

/// Why the tokens of two files cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Incomparable {
    /// Made by other linkage schemas.
    #[error(
        "the token files were made with different linkage schemas\nhint: all custodians of a linkage use the same schema file; compare the digests that `custodian inspect` shows"
    )]
    Schema,
    /// Made with other linkage secrets.
    #[error(
        "the token files were made with different linkage secrets\nhint: all custodians of a linkage use the same secret; compare the key checks that `custodian inspect` shows"
    )]
    Secret,
}

impl TokenFileHeader {
    /// The header of a file by this schema and secret, with neither records nor density yet.
    pub fn new(database: DatabaseId, schema: &LinkageSchema, key_check: KeyCheck, deduplicated: bool) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            database,
            schema_name: schema.name().to_owned(),
            schema_digest: schema.digest(),
            key_check,
            normalisation: schema.normalisation().to_owned(),
            clk_bits: schema.clk_bits() as u32,
            segments: schema.layout().segments() as u32,
            hardening: schema.hardening().iter().map(Step::to_string).collect(),
            rho_ppm: schema.rho_ppm(),
            blocking_keys: schema.blocking_keys().iter().map(|key| key.name().to_owned()).collect(),
            records: 0,
            density_ppm: 0,
            exact_tokens: schema.exact_token_names(),
            deduplicated,
        }
    }

    /// The header of a file of CLKs that clkhash made, with neither records nor density yet; `None` when their length
    /// is not a multiple of 64 from 64 to 4096. They have no exact tokens, and a presence mask that says nothing.
    pub fn of_clkhash(
        database: DatabaseId,
        schema: &ClkhashSchema,
        key_check: KeyCheck,
        deduplicated: bool,
    ) -> Option<Self> {
        let clk_bits = ClkLength::new(schema.clk_bits())?.bits() as u32;
        Some(Self {
            format_version: FORMAT_VERSION,
            database,
            schema_name: "clkhash".to_owned(),
            schema_digest: schema.digest(),
            key_check,
            // What clkhash does to a value is in its schema.
            normalisation: CLKHASH_NORMALISATION.to_owned(),
            clk_bits,
            segments: 1,
            hardening: Vec::new(),
            rho_ppm: 0,
            blocking_keys: Vec::new(),
            records: 0,
            density_ppm: 0,
            exact_tokens: Vec::new(),
            deduplicated,
        })
    }

    /// Whether the file holds CLKs that clkhash made.
    pub fn is_of_clkhash(&self) -> bool {
        self.normalisation == CLKHASH_NORMALISATION
    }

    /// Checks that tokens of this file and of another may be compared.
    ///
    /// # Errors
    /// [`Incomparable`] when they were made by another schema or with another secret.
    pub fn comparable_with(&self, other: &Self) -> Result<(), Incomparable> {
        if self.schema_digest != other.schema_digest {
            return Err(Incomparable::Schema);
        }
        if self.key_check != other.key_check {
            return Err(Incomparable::Secret);
        }
        Ok(())
    }

    /// The profile that the tokens belong to.
    pub fn profile(&self) -> Profile {
        Profile::of(self.segments, self.rho_ppm)
    }

    /// The steps of hardening; those of a header that was read are all known.
    pub fn hardening_steps(&self) -> Vec<Step> {
        self.hardening.iter().filter_map(|text| text.parse().ok()).collect()
    }

    /// What hardening does to thresholds; `None` without diffusion.
    pub fn hardening_model(&self) -> Option<Model> {
        Model::from_steps(&self.hardening_steps())
    }

    /// Parses the bytes of a header.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, TokenFileError> {
        let refuse = |rule: String| TokenFileError::Header { rule };
        let header: Self = serde_json::from_slice(bytes).map_err(|e| refuse(e.to_string()))?;
        header.check()?;
        // One header has one spelling, so that its bytes can be signed and compared.
        if header.canonical().as_bytes() != bytes {
            return Err(refuse("not in canonical form".to_owned()));
        }
        Ok(header)
    }

    /// Checks every rule that a header can break by itself.
    pub(super) fn check(&self) -> Result<(), TokenFileError> {
        let steps = self.hardening_steps();
        let rho = steps.iter().find_map(|step| match step {
            Step::Diffusion { rho_ppm, .. } => Some(*rho_ppm),
            _ => None,
        });
        let rules = [
            (self.format_version == FORMAT_VERSION, "`format_version` differs from that of the file"),
            (is_name(&self.schema_name, b'-', 64), "`schema_name` is not a schema name"),
            (is_normalisation(&self.normalisation), "`normalisation` is not a version of a normalisation"),
            (ClkLength::new(self.clk_bits as usize).is_some(), "`clk_bits` is not a multiple of 64 from 64 to 4096"),
            (
                self.segments == 1
                    || (2..=16).contains(&self.segments) && self.clk_bits.is_multiple_of(self.segments * 64),
                "`segments` are not 1 to 16 of whole words of `clk_bits`",
            ),
            (self.records <= u64::from(u32::MAX), "`records` is above 4294967295"),
            (self.density_ppm <= 1_000_000, "`density_ppm` is above a million"),
            (are_names(&self.exact_tokens), "`exact_tokens` are not up to 8 names"),
            (are_names(&self.blocking_keys), "`blocking_keys` are not up to 8 names"),
            (steps.len() == self.hardening.len(), "`hardening` has a step that is not known"),
            (steps.len() <= 6, "`hardening` has more than 6 steps"),
            (self.rho_ppm == rho.unwrap_or(0), "`rho_ppm` is not that of the diffusion in `hardening`"),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(TokenFileError::Header { rule: (*rule).to_owned() }),
            None => Ok(()),
        }
    }

    /// The canonical JSON of the header.
    pub fn canonical(&self) -> String {
        let mut members = vec![
            ("format_version", Canonical::Integer(self.format_version.into())),
            ("database", Canonical::text(&self.database)),
            ("schema_name", Canonical::text(&self.schema_name)),
            ("schema_digest", Canonical::text(self.schema_digest)),
            ("key_check", Canonical::text(self.key_check)),
            ("normalisation", Canonical::text(&self.normalisation)),
            ("clk_bits", Canonical::Integer(self.clk_bits.into())),
            ("records", Canonical::Integer(self.records)),
            ("density_ppm", Canonical::Integer(self.density_ppm.into())),
            ("exact_tokens", Canonical::texts(&self.exact_tokens)),
            ("deduplicated", Canonical::Bool(self.deduplicated)),
        ];
        // Members that came later are there only when they say something, so that older files keep their bytes.
        if self.segments != 1 {
            members.push(("segments", Canonical::Integer(self.segments.into())));
        }
        if !self.hardening.is_empty() {
            members.push(("hardening", Canonical::texts(&self.hardening)));
        }
        if self.rho_ppm != 0 {
            members.push(("rho_ppm", Canonical::Integer(self.rho_ppm.into())));
        }
        if !self.blocking_keys.is_empty() {
            members.push(("blocking_keys", Canonical::texts(&self.blocking_keys)));
        }
        Canonical::Object(members).write()
    }
}

/// Up to 8 different names of columns.
fn are_names(names: &[String]) -> bool {
    names.len() <= 8
        && names.iter().all(|name| is_name(name, b'_', 32))
        && (1..names.len()).all(|i| !names[..i].contains(&names[i]))
}

/// The segments of a composite CLK.
fn one() -> u32 {
    1
}

/// A word, a slash and a number, such as `ja/1`.
fn is_normalisation(text: &str) -> bool {
    text.split_once('/').is_some_and(|(word, number)| {
        is_name(word, b'-', 16) && (1..=4).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit())
    })
}
