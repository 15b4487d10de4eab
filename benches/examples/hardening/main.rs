//! What hardening does to similarities, and what it leaves to be seen.
//!
//! - `cargo run -p linkage-benches --example hardening -- febrl FOLDER SEED`: `person-en` and `person-en-hardened` on two files
//!   a.csv and b.csv, as `datasets/febrl4.py` writes them.
//! - `cargo run -p linkage-benches --example hardening -- population PEOPLE SEED`: `person-ja` and `person-ja-hardened` on the
//!   five databases of the synthetic population.
//!
//! Prints CSV: first precision and recall at thresholds before and after; then the pairs of different people at or above each threshold before and after, and the mapped threshold; then, by
//! similarity before, its mean and spread after beside the model's; then what can be learnt of a token. Everything follows
//! from the seed.

#[path = "../classify/data.rs"]
#[allow(dead_code, reason = "the other example asks who lives with whom")]
mod data;
mod leak;
mod map;
mod quality;

use std::error::Error;
use std::io::{Write as _, stdout};
use std::path::Path;

use linkage_core::dice::DiceThreshold;
use linkage_core::schema::LinkageSchema;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The records of every database under one schema and secret.
type Tables = Vec<data::Table>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [kind, what, seed] = &args[..] else {
        return Err("give febrl FOLDER SEED or population PEOPLE SEED".into());
    };
    let seed: u64 = seed.parse()?;
    let (plain, name) = match kind.as_str() {
        "febrl" => ("person-en", "surname"),
        "population" => ("person-ja", "family_kana"),
        _ => return Err("febrl or population?".into()),
    };
    // The people are those of the seed, and only the secret differs.
    let tables = |schema: &LinkageSchema, secret: u64| -> Result<Tables> {
        match kind.as_str() {
            "febrl" => data::febrl(Path::new(what), schema, secret),
            _ => data::population(what.parse()?, seed, 0, schema, secret, &linkage_datasets::ErrorModel::default()),
        }
    };
    let shipped = |name: &str| LinkageSchema::shipped(name).ok_or("no such schema");
    let (schema, hardened) = (shipped(plain)?, shipped(&format!("{plain}-hardened"))?);
    let (before, after) = (tables(&schema, seed)?, tables(&hardened, seed)?);
    let mut out = stdout().lock();
    writeln!(out, "schema,threshold,precision,recall,f1")?;
    quality::write(&mut out, &schema, &before, &[schema.threshold()])?;
    quality::write(&mut out, &hardened, &after, &around(&schema, &hardened)?)?;
    writeln!(out)?;
    map::write(&mut out, (&schema, &before), (&hardened, &after))?;
    writeln!(out)?;
    // Whoever attacks has names of his own and no secret: he encodes them with one that he makes up.
    let attackers = tables(&schema, seed + 1)?;
    let names = tables(&leak::names_alone(&schema, name)?, seed)?;
    leak::write(&mut out, &attackers, &names, &[(schema.name(), &before), (hardened.name(), &after)])?;
    Ok(())
}

/// The threshold that arithmetic expects, that of the schema, and some on both sides.
fn around(plain: &LinkageSchema, hardened: &LinkageSchema) -> Result<Vec<DiceThreshold>> {
    let expected = hardened.hardening_model().dice_after(plain.threshold().as_f64());
    let mapped = hardened.threshold().as_f64();
    let all =
        [expected, mapped - 0.02, mapped - 0.01, mapped, mapped + 0.01, mapped + 0.02, mapped + 0.03, mapped + 0.04];
    all.iter()
        .map(|at| DiceThreshold::from_ppm((at * 1e6).round() as u32).ok_or_else(|| "no threshold".into()))
        .collect()
}
