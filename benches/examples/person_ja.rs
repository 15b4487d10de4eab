//! Quality of a linkage schema on the synthetic population: each pair of databases after one-to-one assignment, and the
//! clusters over all five, by threshold.
//!
//! `cargo run -p linkage-benches --example person_ja -- PEOPLE SEED LOWEST [SCHEMA]` prints CSV. Everything follows from
//! the seed.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::fs::File;
use std::io::{Write as _, stdout};

use linkage_core::cluster::{Member, ScoredPair, cluster};
use linkage_core::dice::{DiceThreshold, Kernel};
use linkage_core::encode::{Encoder, Token};
use linkage_core::evaluate::{Comparison, LinkedPair, Truth, cluster_quality, one_to_one, pair_quality};
use linkage_core::schema::LinkageSchema;
use linkage_core::secret::LinkageSecret;
use linkage_core::source::{BATCH_ROWS, CsvLayout, CsvSource, RawBatch, Source as _};
use linkage_datasets::{DemoDatabase, DemoManifest, ErrorModel, write_demo};

const STEP_PPM: usize = 20_000;
const HIGHEST_PPM: u32 = 900_000;
const MOST_PAIRS: usize = 50_000_000;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// One database: its tokens, and whose they are.
struct Table {
    tokens: Vec<Token>,
    people: Vec<u64>,
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [people, seed, lowest, schema @ ..] = args.as_slice() else {
        return Err("give PEOPLE SEED LOWEST [SCHEMA]".into());
    };
    let (seed, lowest): (u64, DiceThreshold) = (seed.parse()?, lowest.parse()?);
    let schema = LinkageSchema::load(schema.first().map_or("person-ja", String::as_str))?;

    let folder = tempfile::tempdir()?;
    let manifest = write_demo(folder.path(), people.parse()?, seed, &ErrorModel::default())?;
    let tables = read(&manifest, &schema, seed)?;
    let candidates = compare(&tables, lowest)?;

    let mut out = stdout().lock();
    writeln!(out, "threshold,pairs_precision,pairs_recall,pairs_f1,clusters_precision,clusters_recall,clusters_f1")?;
    for ppm in (lowest.ppm()..=HIGHEST_PPM).step_by(STEP_PPM) {
        let threshold = f64::from(ppm) / 1e6;
        let (mut links, mut truth, mut all) = (Vec::new(), Vec::new(), Vec::new());
        for (left, right, pairs) in &candidates {
            let accepted: Vec<LinkedPair> = pairs.iter().filter(|pair| pair.accepted(threshold)).copied().collect();
            // Rows of different pairs of databases get different numbers, so that one sum is taken over all.
            let (left_offset, right_offset) =
                (u32::from(*left) << 24, u32::from(*right) << 24 | u32::from(*left) << 28);
            links.extend(one_to_one(&accepted).into_iter().map(|pair| LinkedPair {
                left: pair.left | left_offset,
                right: pair.right | right_offset,
                ..pair
            }));
            truth.extend(
                true_pairs(&tables[usize::from(*left)], &tables[usize::from(*right)])
                    .map(|(a, b)| (a | left_offset, b | right_offset)),
            );
            all.extend(accepted.into_iter().map(|pair| ScoredPair {
                left: Member { database: *left, record: pair.left },
                right: Member { database: *right, record: pair.right },
                score: pair.score,
                exact: pair.exact,
            }));
        }
        let pairs = pair_quality(links, &truth.into_iter().collect::<Truth>());
        let clusters = cluster_quality(&cluster(all, &vec![true; tables.len()]), &owners(&tables));
        let figures = [pairs, clusters].map(|q| format!("{:.4},{:.4},{:.4}", q.precision(), q.recall(), q.f1()));
        writeln!(out, "{threshold:.2},{}", figures.join(","))?;
    }
    Ok(())
}

fn read(manifest: &DemoManifest, schema: &LinkageSchema, seed: u64) -> Result<Vec<Table>> {
    let mut owner: HashMap<(String, String), u64> = HashMap::new();
    for row in csv::Reader::from_path(&manifest.truth)?.records() {
        let row = row?;
        owner.insert((row[0].to_owned(), row[1].to_owned()), row[2].parse()?);
    }
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let encoder = Encoder::new(schema, &LinkageSecret::from_bytes(key));
    manifest.databases.iter().map(|database| read_one(database, schema, &encoder, &owner)).collect()
}

fn read_one(
    database: &DemoDatabase,
    schema: &LinkageSchema,
    encoder: &Encoder,
    owner: &HashMap<(String, String), u64>,
) -> Result<Table> {
    let layout = CsvLayout {
        encoding: database.encoding.parse()?,
        fields: schema.fields().iter().map(|field| field.name().to_owned()).collect(),
        map: Vec::new(),
        id_column: Some("record_id".to_owned()),
    };
    let mut source = CsvSource::open(File::open(&database.path)?, &layout)?;
    let (mut batch, mut worker, mut scratch) = (RawBatch::new(), encoder.worker(), String::new());
    let mut table = Table { tokens: Vec::new(), people: Vec::new() };
    while source.read_batch(&mut batch, BATCH_ROWS)? {
        for record in batch.records() {
            let values: Vec<String> = (0..schema.fields().len())
                .map(|field| record.encoding().decode(record.field(field), &mut scratch).text.to_owned())
                .collect();
            let values: Vec<Option<&str>> = values.iter().map(|value| Some(value.as_str())).collect();
            let id = String::from_utf8(record.id().unwrap_or_default().to_vec())?;
            table.people.push(*owner.get(&(database.name.clone(), id)).ok_or("a record that truth lacks")?);
            table.tokens.push(worker.encode_raw(&values).token);
        }
    }
    Ok(table)
}

/// The candidates of every pair of databases.
fn compare(tables: &[Table], lowest: DiceThreshold) -> Result<Vec<(u16, u16, Vec<LinkedPair>)>> {
    let mut candidates = Vec::new();
    for right in 0..tables.len() {
        for left in 0..right {
            let comparison = Comparison::new(&tables[left].tokens, &tables[right].tokens)?;
            let pairs =
                comparison.pairs(Kernel::detect()?, lowest, MOST_PAIRS).ok_or("too many pairs: raise LOWEST")?;
            candidates.push((left as u16, right as u16, pairs));
        }
    }
    Ok(candidates)
}

fn true_pairs(left: &Table, right: &Table) -> impl Iterator<Item = (u32, u32)> {
    let rows: HashMap<u64, u32> = right.people.iter().copied().zip(0..).collect();
    let pairs: HashSet<(u32, u32)> =
        (0u32..).zip(&left.people).filter_map(|(row, person)| Some((row, *rows.get(person)?))).collect();
    pairs.into_iter()
}

fn owners(tables: &[Table]) -> HashMap<Member, u64> {
    (0u16..)
        .zip(tables)
        .flat_map(|(database, table)| {
            (0u32..).zip(&table.people).map(move |(record, person)| (Member { database, record }, *person))
        })
        .collect()
}
