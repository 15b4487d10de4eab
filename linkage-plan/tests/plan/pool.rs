//! Every way to find pairs in a pool of 64 MiB: with the right pairs, or refused with what it would need.

use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeBinaryBuilder, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use linkage_core::dice::similarity;
use linkage_plan::{LinkOptions, LinkSession, PlanError, Strategy, TokenTable};

use crate::best::best;
use crate::support::{Draws, Pairs, drain, pairs_of, runtime, session};

const POOL: usize = 64 << 20;

const THRESHOLD: f64 = 0.8;

const SELECT: &str = "SELECT l.row, r.row, dice(l.clk, r.clk) FROM";

struct Record {
    person: usize,
    clk: Vec<u8>,
    key: u32,
}

/// Two tables of people. A third of those on the left are on the right as well, a few of them three times, changed in some bits
/// and now and then with another blocking key. Strangers are far below the threshold.
struct People([Vec<Record>; 2]);

impl People {
    fn new(count: usize, clk_bytes: usize) -> Self {
        let mut draws = Draws(91);
        let mut sides = [Vec::new(), Vec::new()];
        for person in 0..count {
            let mut clk = || (0..clk_bytes).map(|_| (draws.below(256) & draws.below(256)) as u8).collect::<Vec<u8>>();
            let (own, other) = (clk(), clk());
            let key = (person % 20_000) as u32;
            let times = [3, 0, 0, 1, 0, 0, 1, 0, 0][person % 9];
            if times == 0 {
                sides[1].push(Record { person: usize::MAX, clk: other, key });
            }
            for _ in 0..times {
                let mut changed = own.clone();
                for _ in 0..draws.below(clk_bytes as u64) {
                    changed[draws.below(clk_bytes as u64) as usize] ^= 1 << draws.below(8);
                }
                let key = if draws.below(10) == 0 { key + 1 } else { key };
                sides[1].push(Record { person, clk: changed, key });
            }
            sides[0].push(Record { person, clk: own, key });
        }
        Self(sides)
    }

    /// The pairs of one person at or above the threshold, of which `wanted` says yes. Both sides are in the order of the people.
    fn pairs(&self, wanted: impl Fn(&Record, &Record) -> bool) -> Pairs {
        let [left, right] = &self.0;
        let of_people = (0..).zip(right).filter(|(_, record)| record.person < left.len());
        let scored = of_people.map(|(r, b)| (b.person as u32, r, &left[b.person], b));
        let pairs = scored.filter(|(_, _, a, b)| wanted(a, b)).map(|(l, r, a, b)| (l, r, similarity(&a.clk, &b.clk)));
        pairs.filter(|(_, _, score)| *score >= THRESHOLD).map(|(l, r, score)| (l, r, score.to_bits())).collect()
    }

    /// The tables in the pool.
    fn session(&self) -> LinkSession {
        session(table(&self.0[0]), table(&self.0[1]), POOL, 2)
    }
}

fn table(records: &[Record]) -> TokenTable {
    let fields = [("clk", records[0].clk.len() as i32), ("block_name", 16)];
    let batches = records.chunks(8192).map(|records| {
        let [mut clks, mut keys] = fields.map(|(_, bytes)| FixedSizeBinaryBuilder::new(bytes));
        for record in records {
            clks.append_value(&record.clk).unwrap();
            keys.append_value([record.key.to_le_bytes(); 4].as_flattened()).unwrap();
        }
        let schema =
            Schema::new(fields.map(|(name, bytes)| Field::new(name, DataType::FixedSizeBinary(bytes), true)).to_vec());
        let columns: [ArrayRef; 2] = [Arc::new(clks.finish()), Arc::new(keys.finish())];
        RecordBatch::try_new(Arc::new(schema), columns.to_vec()).unwrap()
    });
    TokenTable::try_new(batches.collect()).unwrap()
}

/// What is found in the pool, of which all but the tables' part must have been given back.
fn found(
    session: &LinkSession,
    find: impl AsyncFn(&LinkSession) -> Result<Pairs, PlanError>,
) -> Result<Pairs, PlanError> {
    let tables = session.reserved_bytes();
    let found = runtime().block_on(find(session));
    assert!(tables < POOL && session.reserved_bytes() == tables, "memory is held after the end");
    found
}

/// That it is refused, and that the error says for how many rows how much is needed, which is more than there was.
fn refused(session: &LinkSession, find: impl AsyncFn(&LinkSession) -> Result<Pairs, PlanError>) {
    let error = found(session, find).unwrap_err();
    let PlanError::Memory { rows, needed_bytes, free_bytes, .. } = error else { panic!("{error}") };
    assert!(rows > 0 && needed_bytes > free_bytes && needed_bytes < 2 * POOL as u64, "{error}");
    let message = error.to_string();
    assert!(message.contains(" MiB for ") && message.contains("\nhint: "), "{message}");
}

async fn linked(session: &LinkSession, strategy: Strategy, top_k: Option<u32>) -> Result<Pairs, PlanError> {
    let options = LinkOptions { top_k, ..LinkOptions::new("0.8".parse().unwrap(), vec![]) };
    let found = drain(session.link_by("ndb", "dpc", &options, strategy).await?).await?;
    let pairs: Pairs = found.iter().map(|pair| (pair.left, pair.right, pair.score.to_bits())).collect();
    assert_eq!(pairs.len(), found.len(), "a pair came twice");
    Ok(pairs)
}

async fn queried(session: &LinkSession, query: &str, operator: &str) -> Result<Pairs, PlanError> {
    let plan = session.explain_sql(query).await?;
    assert!(plan.contains(operator), "{plan}");
    Ok(pairs_of(&session.sql(query).await?))
}

#[test]
fn bands_run_in_64_mib_or_say_what_they_need() {
    let bands = async |session: &LinkSession| linked(session, Strategy::Lsh { recall: 0.95, seed: 5 }, None).await;
    let people = People::new(50_000, 128);
    let (all, found) = (people.pairs(|_, _| true), found(&people.session(), bands).unwrap());
    assert!(found.is_subset(&all) && found.len() as f64 >= 0.95 * all.len() as f64, "{} of {}", found.len(), all.len());
    refused(&People::new(115_000, 128).session(), bands);
}

#[test]
fn blocking_keys_run_in_64_mib_or_say_what_they_need() {
    let keyed = async |session: &LinkSession| linked(session, Strategy::Keyed { keys: vec![], seed: 3 }, None).await;
    let people = People::new(50_000, 128);
    let (all, found) = (people.pairs(|a, b| a.key == b.key), found(&people.session(), keyed).unwrap());
    assert!(found == all && all.len() > 10_000, "{} of {}", found.len(), all.len());
    refused(&People::new(115_000, 128).session(), keyed);
}

#[test]
fn a_join_within_blocks_runs_in_64_mib_or_says_what_it_needs() {
    let query = format!("{SELECT} ndb l JOIN dpc r ON dice(l.clk, r.clk) >= 0.8 AND l.block_name = r.block_name");
    let blocked = async |session: &LinkSession| queried(session, &query, "BlockedDiceJoinExec").await;
    let people = People::new(50_000, 128);
    let (all, found) = (people.pairs(|a, b| a.key == b.key), found(&people.session(), blocked).unwrap());
    assert!(found == all && all.len() > 10_000, "{} of {}", found.len(), all.len());
    refused(&People::new(115_000, 128).session(), blocked);
}

/// CLKs of 4096 bits, so that few rows fill the pool and are compared in a second.
const WIDE: usize = 512;

#[test]
fn the_best_pairs_are_found_in_64_mib_or_it_is_said_what_they_need() {
    let (people, many) = (People::new(16_000, WIDE), People::new(45_000, WIDE));
    let all = people.pairs(|_, _| true);
    let session = people.session();
    for (of, side) in [(0, "l.row"), (1, "r.row")] {
        let query = format!(
            "{SELECT} ndb l JOIN dpc r ON dice(l.clk, r.clk) >= 0.8
             QUALIFY row_number() OVER (PARTITION BY {side} ORDER BY dice(l.clk, r.clk) DESC, l.row, r.row) <= 1"
        );
        let window = async |session: &LinkSession| queried(session, &query, "best 1 of each right row").await;
        let expected = best(&all, 1, |pair| [pair.0, pair.1][of]);
        assert!(found(&session, window).unwrap() == expected && expected.len() > 3000, "{side}");
        refused(&many.session(), window);
    }
    let link = async |session: &LinkSession| linked(session, Strategy::Exhaustive, Some(2)).await;
    assert!(found(&session, link).unwrap() == best(&all, 2, |pair| pair.0));
    refused(&many.session(), link);
}

#[test]
fn a_self_join_runs_in_64_mib_or_says_what_it_needs() {
    let query = format!("{SELECT} ndb l JOIN ndb r ON dice(l.clk, r.clk) >= 0.8 AND l.row < r.row");
    let within = async |session: &LinkSession| queried(session, &query, "left.row < right.row").await;
    // All in one table, the right ones behind the left ones.
    let one_table = |count: usize| {
        let People([mut all, right]) = People::new(count, WIDE);
        all.extend(right);
        (session(table(&all), table(&all[..1]), POOL, 2), all)
    };
    let (session, all) = one_table(16_000);
    let mut by_person: Vec<(u32, &Record)> = (0..).zip(&all).filter(|(_, record)| record.person < all.len()).collect();
    by_person.sort_by_key(|(row, record)| (record.person, *row));
    let mut expected = Pairs::new();
    for rows in by_person.chunk_by(|a, b| a.1.person == b.1.person) {
        for (at, (l, a)) in rows.iter().enumerate() {
            let scored = rows[at + 1..].iter().map(|(r, b)| (*l, *r, similarity(&a.clk, &b.clk)));
            expected.extend(scored.filter(|pair| pair.2 >= THRESHOLD).map(|(l, r, score)| (l, r, score.to_bits())));
        }
    }
    let found = found(&session, within).unwrap();
    assert!(found == expected && expected.len() > 3000, "{} of {}", found.len(), expected.len());
    refused(&one_table(30_000).0, within);
}
