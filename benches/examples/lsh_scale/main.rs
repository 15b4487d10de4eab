//! What finding candidates costs as tables grow: bands with their recall certificate, or all pairs.
//!
//! ```sh
//! cargo run -p linkage-benches --example lsh_scale -- RECORDS THRESHOLD RECALL [SEED]
//! cargo run -p linkage-benches --example lsh_scale -- curve THRESHOLD RECALL RECORDS…
//! cargo run -p linkage-benches --example lsh_scale -- databases COUNT RECORDS THRESHOLD RECALL [SEED]
//! cargo run -p linkage-benches --example lsh_scale -- certificates SEARCHES RECORDS THRESHOLD RECALL
//! ```
//! A RECALL of 1 compares all pairs. The first links two databases of about RECORDS tokens of `person-ja` each; `curve` does so for every RECORDS,
//! each in a process of its own, so that its peak memory is its own; `databases` links every pair of COUNT databases by bands and makes clusters of what
//! it finds; `certificates` compares all pairs of two databases, then searches them by bands SEARCHES times, with other bands and another sample each time,
//! and says how often the certified interval holds the true recall. The tokens are of the synthetic population, with moves, new names, typing errors and
//! gaps. Each prints what it does to stderr as it goes, and a line of CSV to stdout: times by stage, peak memory, candidates, pairs, the certificate, and
//! the recall by truth. `--record FILE`, last, appends the line to a file as well. Linux only.

mod pair;
mod people;
mod record;

use std::error::Error;
use std::io::{Write as _, stderr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use linkage_core::cluster::{Member, ScoredPair, cluster};
use linkage_core::dice::{Kernel, score};

use pair::{Demand, link};
use people::{Database, generate};
use record::{Row, peak_gib, process_cpu_seconds};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "give RECORDS THRESHOLD RECALL [SEED], or `curve` THRESHOLD RECALL RECORDS…, or `databases` COUNT RECORDS THRESHOLD RECALL [SEED], \
                     or `certificates` SEARCHES RECORDS THRESHOLD RECALL";

fn main() -> Result<()> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut record = None;
    if let Some(at) = args.iter().position(|arg| arg == "--record") {
        record = Some(PathBuf::from(args.get(at + 1).ok_or("--record names no file")?));
        args.truncate(at);
    }
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["curve", threshold, recall, records @ ..] if !records.is_empty() => {
            curve(threshold, recall, records, record.as_deref())
        }
        ["databases", count, records, threshold, recall, seed @ ..] => {
            databases(count.parse()?, records.parse()?, demand(threshold, recall, seed)?, record.as_deref())
        }
        ["certificates", searches, records, threshold, recall] => {
            certificates(searches.parse()?, records.parse()?, demand(threshold, recall, &[])?, record.as_deref())
        }
        [records, threshold, recall, seed @ ..] if seed.len() < 2 => {
            let demand = demand(threshold, recall, seed)?;
            let tables = made(2, records.parse()?, demand)?;
            link(&tables[0], &tables[1], demand, &mut |_| ())?.write(record.as_deref())
        }
        _ => Err(USAGE.into()),
    }
}

fn demand(threshold: &str, recall: &str, seed: &[&str]) -> Result<Demand> {
    let seed = seed.first().map_or(Ok(1), |seed| seed.parse())?;
    Ok(Demand { threshold: threshold.parse()?, recall: recall.parse()?, seed, kernel: Kernel::detect()? })
}

fn made(databases: usize, records: u64, demand: Demand) -> Result<Vec<Database>> {
    let began = Instant::now();
    let made = generate(databases, records, demand.seed)?;
    let rows: Vec<String> = made.iter().map(|database| database.tokens.rows().to_string()).collect();
    writeln!(
        stderr(),
        "{} tokens in {:.1} s, {:.2} GB, {} threads, kernel {}",
        rows.join(" × "),
        began.elapsed().as_secs_f64(),
        made.iter().map(|database| database.tokens.bytes() as f64).sum::<f64>() / 1e9,
        rayon::current_num_threads(),
        demand.kernel.name()
    )?;
    Ok(made)
}

/// One point after another, each by this program in a process of its own.
fn curve(threshold: &str, recall: &str, records: &[&str], record: Option<&Path>) -> Result<()> {
    for records in records {
        let mut point = Command::new(std::env::current_exe()?);
        point.args([records, threshold, recall]);
        if let Some(record) = record {
            point.arg("--record").arg(record);
        }
        if !point.status()?.success() {
            return Err(format!("the point of {records} records failed").into());
        }
    }
    Ok(())
}

/// The same two databases by all pairs, and by bands again and again: how often the certified interval holds the recall.
fn certificates(searches: u64, records: u64, demand: Demand, record: Option<&Path>) -> Result<()> {
    if demand.recall >= 1.0 {
        return Err("give a RECALL below 1".into());
    }
    let databases = made(2, records, demand)?;
    let (left, right) = (&databases[0], &databases[1]);
    let all = link(left, right, Demand { recall: 1.0, ..demand }, &mut |_| ())?;
    all.write(record)?;
    let (mut holding, mut certified, mut wrong) = (0, 0, 0);
    for seed in 1..=searches {
        let row = Row { all_pairs: Some(all.pairs), ..link(left, right, Demand { seed, ..demand }, &mut |_| ())? };
        let (_, _, certificate) = row.plan.as_ref().ok_or("bands were not searched")?;
        let recall = row.pairs as f64 / all.pairs as f64;
        holding += u64::from((certificate.lower..=certificate.upper).contains(&recall));
        certified += u64::from(certificate.certified());
        wrong += u64::from(certificate.certified() && recall < demand.recall);
        writeln!(stderr(), "search {seed}: truly {} of {} pairs, {recall:.5}", row.pairs, all.pairs)?;
        row.write(record)?;
    }
    writeln!(
        stderr(),
        "{holding} of {searches} intervals hold the true recall; {certified} searches are certified, {wrong} of them wrongly"
    )?;
    Ok(())
}

/// Every pair of the databases by bands, and the clusters of what that finds.
fn databases(count: usize, records: u64, demand: Demand, record: Option<&Path>) -> Result<()> {
    if demand.recall >= 1.0 || !(2..=16).contains(&count) {
        return Err("give a COUNT of 2 to 16 and a RECALL below 1".into());
    }
    let databases = made(count, records, demand)?;
    let (began, cpu_before) = (Instant::now(), process_cpu_seconds()?);
    let mut scored: Vec<ScoredPair> = Vec::new();
    let (mut found, mut of_truth) = (0, (0, 0, 0));
    for left in 0..count {
        for right in left + 1..count {
            let (l, r) = (&databases[left], &databases[right]);
            let member = |database: usize, record| Member { database: database as u16, record };
            let mut take = |pairs: &[linkage_core::dice::Match]| {
                scored.extend(pairs.iter().map(|pair| {
                    let ones = (l.tokens.popcount(pair.left as usize), r.tokens.popcount(pair.right as usize));
                    let score = score(pair.intersection, ones.0, ones.1);
                    let (left, right) = (member(left, pair.left), member(right, pair.right));
                    ScoredPair { left, right, score, exact: false }
                }));
            };
            let row = link(l, r, demand, &mut take)?;
            let (right_pairs, above, all) = row.true_pairs.unwrap_or_default();
            (found, of_truth) = (found + row.pairs, (of_truth.0 + right_pairs, of_truth.1 + above, of_truth.2 + all));
            Row { databases: format!("{} and {} of {count}", left + 1, right + 1), ..row }.write(record)?;
        }
    }
    let linked = began.elapsed().as_secs_f64();
    let clusters = cluster(scored, &vec![true; count]);
    let (whole_s, cpu_s) = (began.elapsed().as_secs_f64(), process_cpu_seconds()? - cpu_before);
    let right = clusters.iter().filter(|cluster| {
        let person = |member: &Member| databases[usize::from(member.database)].people[member.record as usize];
        cluster.members.windows(2).all(|two| person(&two[0]) == person(&two[1]))
    });
    writeln!(
        stderr(),
        "{count} databases: pairs in {linked:.1} s, {} clusters in {:.1} s, {} of them of one person, {:.2} GiB at most",
        clusters.len(),
        whole_s - linked,
        right.count(),
        peak_gib()?
    )?;
    let rows = (databases[0].tokens.rows(), databases[count - 1].tokens.rows());
    Row {
        strategy: "all database pairs, and clusters",
        databases: format!("all {count}"),
        rows,
        threshold: demand.threshold.to_string(),
        recall: demand.recall,
        whole_s,
        cpu_s,
        pairs: found,
        true_pairs: Some(of_truth),
        ..Row::default()
    }
    .write(record)
}
