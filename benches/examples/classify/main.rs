//! Quality of links without truth: weights, chances, zones, estimates and clusters, judged by a truth that they do not see.
//!
//! - `cargo run -p linkage-benches --example classify -- febrl FOLDER SCHEMA SEED [--json]`: two files a.csv and b.csv, as
//!   `datasets/febrl4.py` writes them.
//! - `cargo run -p linkage-benches --example classify -- population PEOPLE SCHEMA SEED [--namesakes=N] [--json]`: the five databases of
//!   the synthetic population, in which N people may bear the name, birth date and sex of a stranger.
//! - either with `--claims`: what is claimed without truth against what is so, as CSV; of a population also with raised
//!   error rates, without exact tokens, and of each two databases alone.
//! - either with `--gold`: what gold samples gain, as CSV.
//! - `cargo run -p linkage-benches --example classify -- scale PAIRS`: time and memory of learning from so many candidates.
//!
//! SCHEMA is a shipped linkage schema or a path, such as those in `benches/schemas`. Everything follows from the seed.

mod claims;
mod clusters;
mod data;
mod gold;
mod kinds;
mod report;
mod scale;

use std::error::Error;
use std::path::Path;

use linkage_core::classify::{self, Candidate, Frequencies, Link, SegmentTable, Tables};
use linkage_core::dice::Kernel;
use linkage_core::harden::Step;
use linkage_core::schema::LinkageSchema;
use linkage_datasets::ErrorModel;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The candidates of two databases.
pub struct Found {
    left: usize,
    right: usize,
    candidates: Vec<Candidate>,
}

/// Data and candidates.
pub struct Study {
    tables: Vec<data::Table>,
    cut: Vec<SegmentTable>,
    deduplicated: Vec<bool>,
    frequencies: Frequencies,
    found: Vec<Found>,
}

impl Study {
    fn run(&self) -> Tables<'_> {
        let link = |found: &'_ Found| Link { left: found.left, right: found.right, candidates: &[] };
        let mut links: Vec<Link<'_>> = self.found.iter().map(link).collect();
        links.iter_mut().zip(&self.found).for_each(|(link, found)| link.candidates = &found.candidates);
        Tables { tables: &self.cut, deduplicated: &self.deduplicated, links }
    }
}

fn main() -> Result<()> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let [json, claims, gold] = ["--json", "--claims", "--gold"].map(|name| args.iter().any(|arg| arg == name));
    let namesakes = args.iter().find_map(|arg| arg.strip_prefix("--namesakes=")).map_or(Ok(0), str::parse)?;
    args.retain(|arg| !arg.starts_with("--"));
    if let [kind, pairs] = &args[..]
        && kind == "scale"
    {
        return scale::run(pairs.parse()?);
    }
    let [kind, what, schema, seed] = &args[..] else {
        return Err("give febrl FOLDER SCHEMA SEED, population PEOPLE SCHEMA SEED, or scale PAIRS".into());
    };
    let (schema, seed) = (LinkageSchema::load(schema)?, seed.parse()?);
    let data = format!("{kind} {what}");
    let (tables, households) = match kind.as_str() {
        "febrl" => {
            let tables = data::febrl(Path::new(what), &schema, seed)?;
            if claims {
                return claims::febrl(&data, tables, &schema);
            }
            (tables, data::Households::default())
        }
        "population" => {
            let people = what.parse()?;
            if claims {
                return claims::population(people, seed, &schema);
            }
            let tables = data::population(people, seed, namesakes, &schema, seed, &ErrorModel::default())?;
            (tables, data::Households::of(people, seed))
        }
        _ => return Err("the first argument is febrl, population or scale".into()),
    };
    let study = prepare(tables, &schema)?;
    if gold {
        gold::run(&data, schema.name(), &study)
    } else {
        report::report(&data, schema.name(), &study, &households, json)
    }
}

fn prepare(tables: Vec<data::Table>, schema: &LinkageSchema) -> Result<Study> {
    let (clk_bytes, segments) = (schema.clk_length().bytes(), schema.layout().segments());
    let joined = Step::joined(schema.hardening()).unwrap_or(1);
    let cut = |table: &data::Table| Some(classify::segment_table(&table.tokens, clk_bytes, segments)?.diffused(joined));
    let cut = tables.iter().map(cut);
    let mut cut = cut.collect::<Option<Vec<_>>>().ok_or("the tokens cannot be cut into these segments")?;
    let kernel = Kernel::detect()?;
    let deduplicated = vec![true; tables.len()];
    let frequencies = classify::count_frequencies(&mut cut, &deduplicated);
    let mut found = Vec::new();
    for right in 0..tables.len() {
        for left in 0..right {
            let sides = [&cut[left], &cut[right]];
            let floor = classify::search_floor(sides[0], sides[1], classify::CANDIDATES_PER_RECORD);
            let tokens = [&tables[left].tokens[..], &tables[right].tokens[..]];
            let candidates = classify::search_candidates(kernel, tokens, sides, floor)?;
            found.push(Found { left, right, candidates });
        }
    }
    Ok(Study { tables, cut, deduplicated, frequencies, found })
}
