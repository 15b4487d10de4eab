//! From pairs that are known to be one person to a linkage schema whose weights fit the data.
//!
//! How well a linkage does hangs on the weights of its fields and hardly on anything else (docs/guides/methodologist.md).
//! A field's weight is how many bits it draws. Here every field gets bits in proportion to its *evidence*: how much more
//! alike its values are in pairs of one person than in random pairs, as Fellegi and Sunter weigh it. Then the threshold
//! is chosen with the tuned encoding. All of it learns from one half of the known people; the other half only judges.
//!
//! Pure: whoever calls reads the files and holds the ids. Nothing that comes out holds a value.

mod budgets;
mod document;
mod error;
mod evidence;
mod halves;
mod threshold;

#[cfg(test)]
mod tests;

use crate::dice::DiceThreshold;
use crate::schema::LinkageSchema;
use crate::secret::LinkageSecret;
pub use error::TuneError;
use halves::Half;
use threshold::Bench;

/// Fewer people than this say nothing about a field.
pub const LEAST_PEOPLE: usize = 50;

/// The context of the throw-away secret; it decides no budget, and the threshold only in the fourth decimal of quality.
const SECRET_CONTEXT: &str = "linkage-engine tune throw-away secret v1";

/// Two tables of normalised records, one value or nothing per field of the schema, and the pairs of rows that are one
/// person. Rows that stand in no pair are taken for other people.
#[derive(Clone, Copy)]
pub struct Sample<'a> {
    /// The left table.
    pub left: &'a [Vec<Option<String>>],
    /// The right table.
    pub right: &'a [Vec<Option<String>>],
    /// Every pair (left row, right row) that is one person.
    pub gold: &'a [(u32, u32)],
}

/// What a caller can choose.
#[derive(Debug, Clone)]
pub struct Options {
    /// The name of the new schema.
    pub name: String,
    /// The share of bits that a whole record sets; `None` keeps the number of positions of the base schema.
    pub density: Option<f64>,
    /// Decides which people are in which half, and which random pairs are drawn.
    pub seed: u64,
}

/// A tuned schema, and what it rests on.
#[derive(Debug, Clone)]
pub struct Tuned {
    /// The schema.
    pub schema: LinkageSchema,
    /// The schema as a document, which [`LinkageSchema::parse`] reads.
    pub document: String,
    /// The encoded fields of the base schema, in its order.
    pub fields: Vec<FieldTuning>,
    /// How many people each half has: to learn from, and to judge by.
    pub people: [usize; 2],
    /// How many random pairs of different people were looked at.
    pub random_pairs: usize,
    /// The tuned schema on the people it was made from.
    pub learnt: Judgement,
    /// The tuned schema on the others: the figure to believe.
    pub held_out: Judgement,
    /// The base schema at its own threshold, on the same others; `None` when it links millions of them.
    pub base: Option<Judgement>,
}

/// What the sample says about one field.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldTuning {
    /// The field.
    pub name: String,
    /// Share of the records that have a value.
    pub completeness: f64,
    /// Share of the pairs of one person that agree wholly, of those in which both have a value.
    pub agreement: f64,
    /// The same share of random pairs.
    pub chance: f64,
    /// What the field is expected to tell about a pair of one person, in bits; missing values tell nothing.
    pub evidence: f64,
    /// Its positions in the base schema, and in the tuned one; 0 when it is left out.
    pub bits: [usize; 2],
}

/// How good the links are at a threshold, counted as for tables of the full size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// The threshold.
    pub threshold: DiceThreshold,
    /// Share of the links that are right.
    pub precision: f64,
    /// Share of the true pairs that are linked.
    pub recall: f64,
    /// Their harmonic mean.
    pub f1: f64,
}

/// Tunes the budgets and the threshold of a schema.
///
/// # Errors
/// [`TuneError`] when fewer than [`LEAST_PEOPLE`] people are in both tables, no field tells them from others, the name
/// or density is not one that a schema can have, or no threshold can be found.
///
/// # Panics
/// When a pair names a row that is not there, or a record has not one entry per field.
pub fn tune(base: &LinkageSchema, sample: Sample<'_>, options: &Options) -> Result<Tuned, TuneError> {
    if let Some(density) = options.density.filter(|density| !(*density > 0.0 && *density <= 0.5)) {
        return Err(TuneError::Density { density });
    }
    let [learn, judge] = halves::split(sample, options.seed);
    let people = [learn.people, judge.people];
    if people[0] + people[1] < LEAST_PEOPLE {
        return Err(TuneError::TooFewPeople { found: people[0] + people[1], least: LEAST_PEOPLE });
    }
    let found = evidence::of_fields(base, sample, &learn, options.seed);
    let bits = budgets::share_out(base, &found.fields, options.density).ok_or(TuneError::NoEvidence)?;
    // Any threshold will do until the tokens can be compared.
    let (draft, _) = document::write(base, &options.name, &bits, base.threshold())?;
    let secret = LinkageSecret::from_bytes(blake3::derive_key(SECRET_CONTEXT, &options.seed.to_le_bytes()));
    let bench = |schema: &LinkageSchema, half: &Half| Bench::new(base, schema, &secret, sample, half);
    let learnt = bench(&draft, &learn)?.best()?;
    let (schema, document) = document::write(base, &options.name, &bits, learnt.threshold)?;
    let held_out = bench(&schema, &judge)?.judge(learnt.threshold)?.ok_or(TuneError::TooManyPairs)?;
    let own = bench(base, &judge)?.judge(base.threshold())?;
    let fields =
        base.encoded_fields().zip(&found.fields).zip(&bits).map(|(((_, field, encoding), found), &bits)| FieldTuning {
            name: field.name().to_owned(),
            completeness: found.completeness,
            agreement: found.agreement,
            chance: found.chance,
            evidence: found.bits,
            bits: [encoding.bits(), bits],
        });
    let fields = fields.collect();
    Ok(Tuned { schema, document, fields, people, random_pairs: found.random_pairs, learnt, held_out, base: own })
}
