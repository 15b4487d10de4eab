//! The linkage schema: the agreed document that says how records become CLKs. Parsed once, valid ever after.
//!
//! The file format and its rules are specified in docs/spec/linkage-schema.md, what the encoder does with them in
//! docs/spec/encoding.md.

mod canonical;
mod check;
mod document;
mod hardening;
mod layout;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

pub(crate) use canonical::Canonical;
pub(crate) use check::is_name;
pub use hardening::{BlockingKey, BlockingPart};
pub use layout::Layout;

use crate::clk::ClkLength;
use crate::dice::DiceThreshold;
use crate::error::SchemaError;
use crate::harden::{Model, Profile, Step};
use crate::types::SchemaDigest;

/// The version of the format that this crate reads.
const FORMAT: &str = "linkage-schema/1";

/// The BLAKE3 derive_key context of the digest.
const DIGEST_CONTEXT: &str = "linkage-engine 2026-11-22 linkage-schema/1 digest";

/// The schemas that ship with the software.
const SHIPPED: [(&str, &str); 8] = [
    ("person-ja", include_str!("../../schemas/person-ja.json")),
    ("person-ja-blocked", include_str!("../../schemas/person-ja-blocked.json")),
    ("person-ja-hospital", include_str!("../../schemas/person-ja-hospital.json")),
    ("person-ja-hardened", include_str!("../../schemas/person-ja-hardened.json")),
    ("person-ja-max-quality", include_str!("../../schemas/person-ja-max-quality.json")),
    ("person-en", include_str!("../../schemas/person-en.json")),
    ("person-en-hardened", include_str!("../../schemas/person-en-hardened.json")),
    ("person-en-max-quality", include_str!("../../schemas/person-en-max-quality.json")),
];

/// A linkage schema that has passed every check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkageSchema {
    name: String,
    normalisation: String,
    layout: Layout,
    filter_length: ClkLength,
    clk_length: ClkLength,
    hashing: HashingProfile,
    threshold: DiceThreshold,
    fields: Vec<Field>,
    exact_tokens: Vec<ExactToken>,
    hardening: Vec<Step>,
    blocking_keys: Vec<BlockingKey>,
}

/// How hash positions are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HashingProfile {
    /// Keyed BLAKE3 with extended output.
    #[default]
    Blake3,
    /// HMAC-SHA-256 in counter mode, for sites that need it.
    HmacSha256,
}

/// What a column holds, which decides how it is normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FieldKind {
    /// A name or part of a name in kana.
    Kana,
    /// The same without what only lengthens a vowel (form B of the specification).
    KanaUnlengthened,
    /// The same without the marks of voiced sounds (form C of the specification).
    KanaUnvoiced,
    /// A whole name in kana, its words in an order of their own.
    KanaSorted,
    /// A name or part of a name in kanji.
    Kanji,
    /// A name or other text in Latin letters.
    Latin,
    /// A whole name in Latin letters, its words in an order of their own.
    LatinSorted,
    /// A calendar date; normalised to `YYYYMMDD`.
    Date,
    /// The administrative sex; normalised to `1` or `2`.
    Sex,
    /// A Japanese postal code.
    PostalCode,
    /// The number of a health insurer (保険者番号).
    InsurerNumber,
    /// The symbol on an insurance card (記号).
    InsuredSymbol,
    /// The number on an insurance card (番号).
    InsuredNumber,
    /// The branch number on an insurance card (枝番).
    InsuredBranch,
    /// A number of any length, such as a house number.
    Digits,
    /// The code of a hospital or clinic (医療機関コード); normalised to prefecture and facility, nine digits.
    FacilityCode,
    /// The number of a patient within one facility (カルテ番号, データ識別番号).
    ChartNumber,
}

/// One column of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    name: String,
    kind: FieldKind,
    encoding: Option<FieldEncoding>,
}

/// How a field enters the CLK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldEncoding {
    features: Features,
    bits: usize,
    segment: Option<usize>,
}

/// What is hashed of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Features {
    /// The set of its substrings of `q` characters.
    QGrams {
        /// Characters per q-gram, 1 to 4.
        q: usize,
        /// Whether q − 1 pads stand before the first and after the last character.
        pad: bool,
        /// Whether a q-gram counts as the same only at the same place.
        positional: bool,
    },
    /// The parts of a date: digits by place, year, month, day, the whole, and the whole with day and month swapped.
    Calendar,
}

/// A keyed 128-bit value of some fields, compared by equality alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExactToken {
    name: String,
    components: Vec<ExactComponent>,
}

/// One field of an exact token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExactComponent {
    field: usize,
    optional: bool,
}

impl LinkageSchema {
    /// Parses and checks a schema document.
    ///
    /// # Errors
    /// [`SchemaError`], with a hint, when the bytes are not JSON of this format, a key is unknown or stands twice, or a
    /// rule of docs/spec/linkage-schema.md is broken.
    pub fn parse(bytes: &[u8]) -> Result<Self, SchemaError> {
        check::check(document::Document::read(bytes)?)
    }

    /// A schema that ships with the software, by name: see [`Self::shipped_names`].
    pub fn shipped(name: &str) -> Option<Self> {
        let (_, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == name)?;
        Some(Self::parse(text.as_bytes()).expect("shipped schemas are parsed by a test of this module"))
    }

    /// The names of the shipped schemas.
    pub fn shipped_names() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }

    /// A shipped schema by its name, or else the schema in the file of that path.
    ///
    /// # Errors
    /// [`SchemaError::Load`] when the file cannot be read, [`SchemaError::InFile`] when it is none of a schema.
    pub fn load(name_or_path: &str) -> Result<Self, SchemaError> {
        if let Some(schema) = Self::shipped(name_or_path) {
            return Ok(schema);
        }
        let bytes = std::fs::read(name_or_path).map_err(|cause| SchemaError::Load {
            name: name_or_path.to_owned(),
            shipped: Self::shipped_names().collect::<Vec<_>>().join(", "),
            cause,
        })?;
        let in_file = |fault| SchemaError::InFile { name: name_or_path.to_owned(), fault: Box::new(fault) };
        Self::parse(&bytes).map_err(in_file)
    }

    /// The name of the schema.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version of the normalisation that records pass before encoding.
    pub fn normalisation(&self) -> &str {
        &self.normalisation
    }

    /// The length of a CLK in bits: a multiple of 64 from 64 to 4096.
    pub fn clk_bits(&self) -> usize {
        self.clk_length.bits()
    }

    /// The length of a CLK, after hardening.
    pub fn clk_length(&self) -> ClkLength {
        self.clk_length
    }

    /// The length of the filter that is hardened; without hardening that of the CLK.
    pub(crate) fn filter_length(&self) -> ClkLength {
        self.filter_length
    }

    /// How the bits of a CLK are shared out among the fields.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// How hash positions are drawn.
    pub fn hashing(&self) -> HashingProfile {
        self.hashing
    }

    /// The Dice similarity from which pairs are links, unless a run says otherwise.
    pub fn threshold(&self) -> DiceThreshold {
        self.threshold
    }

    /// The columns of a record, in the order of every record.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The fields that enter the CLK. In a composite layout this is the order of the presence mask: the i-th owns bit i.
    pub fn encoded_fields(&self) -> impl Iterator<Item = (usize, &Field, FieldEncoding)> {
        self.fields.iter().enumerate().filter_map(|(index, field)| Some((index, field, field.encoding?)))
    }

    /// What each bit of the presence mask stands for, lowest bit first: a field, or the fields of a segment with `+`
    /// between them.
    pub fn presence_names(&self) -> Vec<String> {
        let fields = || self.encoded_fields().map(|(_, field, encoding)| (field.name(), encoding.segment));
        match self.layout {
            Layout::Composite => fields().map(|(name, _)| name.to_owned()).collect(),
            Layout::Segmented { segments, .. } => (0..segments)
                .map(|segment| fields().filter(move |field| field.1 == Some(segment)).map(|field| field.0))
                .map(|names| names.collect::<Vec<_>>().join("+"))
                .collect(),
        }
    }

    /// What is done to the filter before it leaves, in this order.
    pub fn hardening(&self) -> &[Step] {
        &self.hardening
    }

    /// What hardening does to densities and thresholds.
    pub fn hardening_model(&self) -> Model {
        Model::new(&self.hardening, hardening::expected_density(&self.fields, self.filter_length))
    }

    /// ρ of the diffusion in millionths; 0 without diffusion.
    pub fn rho_ppm(&self) -> u32 {
        let rho = |step: &Step| if let Step::Diffusion { rho_ppm, .. } = step { Some(*rho_ppm) } else { None };
        self.hardening.iter().find_map(rho).unwrap_or(0)
    }

    /// The profile that the schema belongs to.
    pub fn profile(&self) -> Profile {
        Profile::of(self.layout.segments() as u32, self.rho_ppm())
    }

    /// The blocking keys, in the order of the token file's columns.
    pub fn blocking_keys(&self) -> &[BlockingKey] {
        &self.blocking_keys
    }

    /// The exact tokens, in the order of the token file's columns.
    pub fn exact_tokens(&self) -> &[ExactToken] {
        &self.exact_tokens
    }

    /// The names of the exact tokens, as a token file's header lists them.
    pub fn exact_token_names(&self) -> Vec<String> {
        self.exact_tokens.iter().map(|t| t.name.clone()).collect()
    }

    /// The identity of the schema: BLAKE3 of its canonical form.
    pub fn digest(&self) -> SchemaDigest {
        SchemaDigest::from_bytes(blake3::derive_key(DIGEST_CONTEXT, self.canonical().as_bytes()))
    }

    /// The canonical form: RFC 8785 JSON with every default filled in.
    pub fn canonical(&self) -> String {
        let name_of = |component: &ExactComponent| self.fields[component.field].name.clone();
        let exact_tokens = self.exact_tokens.iter().map(|token| {
            let some = |optional| token.components.iter().filter(move |c| c.optional == optional).map(name_of);
            Canonical::Object(vec![
                ("name", Canonical::text(&token.name)),
                ("required", Canonical::texts(some(false))),
                ("optional", Canonical::texts(some(true))),
            ])
        });
        let mut members = vec![
            ("format", Canonical::text(FORMAT)),
            ("name", Canonical::text(&self.name)),
            ("normalisation", Canonical::text(&self.normalisation)),
            ("layout", self.layout.canonical(self.filter_length)),
            ("hashing", Canonical::text(self.hashing)),
            ("threshold", Canonical::text(self.threshold)),
            ("fields", Canonical::List(self.fields.iter().map(Field::canonical).collect())),
            ("exact_tokens", Canonical::List(exact_tokens.collect())),
        ];
        // Lists that came later are there only when they hold something, so that older schemas keep their digest.
        if !self.hardening.is_empty() {
            members
                .push(("hardening", Canonical::List(self.hardening.iter().map(hardening::canonical_step).collect())));
        }
        if !self.blocking_keys.is_empty() {
            let keys = self.blocking_keys.iter().map(|key| key.canonical(&self.fields));
            members.push(("blocking_keys", Canonical::List(keys.collect())));
        }
        Canonical::Object(members).write()
    }
}

impl Field {
    /// The name of the column.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the column holds.
    pub fn kind(&self) -> FieldKind {
        self.kind
    }

    /// How the field enters the CLK; `None` when it is used by exact tokens only.
    pub fn encoding(&self) -> Option<FieldEncoding> {
        self.encoding
    }

    fn canonical(&self) -> Canonical {
        let mut members = vec![("name", Canonical::text(&self.name)), ("kind", Canonical::text(self.kind))];
        if let Some(encoding) = self.encoding {
            members.push(("encode", encoding.canonical()));
        }
        Canonical::Object(members)
    }
}

impl FieldEncoding {
    /// What is hashed of a value.
    pub fn features(&self) -> Features {
        self.features
    }

    /// How many positions a value draws in all, whatever its length.
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// The segment that the field enters, from 0; `None` in a composite layout.
    pub fn segment(&self) -> Option<usize> {
        self.segment
    }

    fn canonical(&self) -> Canonical {
        let mut members = vec![("bits", Canonical::Integer(self.bits as u64))];
        if let Some(segment) = self.segment {
            members.push(("segment", Canonical::Integer(segment as u64)));
        }
        if let Features::QGrams { q, pad, positional } = self.features {
            members.push(("q", Canonical::Integer(q as u64)));
            members.push(("pad", Canonical::Bool(pad)));
            members.push(("positional", Canonical::Bool(positional)));
        }
        Canonical::Object(members)
    }
}

impl ExactToken {
    /// The name of the token; its column in a token file is `exact_` and this name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The fields that it joins, required ones first.
    pub fn components(&self) -> &[ExactComponent] {
        &self.components
    }
}

impl ExactComponent {
    /// The index of the field among [`LinkageSchema::fields`].
    pub fn field(&self) -> usize {
        self.field
    }

    /// Whether the token exists without this field; its absence is then part of the token.
    pub fn optional(&self) -> bool {
        self.optional
    }
}

impl fmt::Display for HashingProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blake3 => f.write_str("blake3"),
            Self::HmacSha256 => f.write_str("hmac-sha256"),
        }
    }
}

impl fmt::Display for FieldKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kana => "kana",
            Self::KanaUnlengthened => "kana-unlengthened",
            Self::KanaUnvoiced => "kana-unvoiced",
            Self::KanaSorted => "kana-sorted",
            Self::Kanji => "kanji",
            Self::Latin => "latin",
            Self::LatinSorted => "latin-sorted",
            Self::Date => "date",
            Self::Sex => "sex",
            Self::PostalCode => "postal-code",
            Self::InsurerNumber => "insurer-number",
            Self::InsuredSymbol => "insured-symbol",
            Self::InsuredNumber => "insured-number",
            Self::InsuredBranch => "insured-branch",
            Self::Digits => "digits",
            Self::FacilityCode => "facility-code",
            Self::ChartNumber => "chart-number",
        })
    }
}
