//! Links that are learnt from the tokens alone.

use anyhow::Context as _;
use linkage_core::classify::{
    CANDIDATES_PER_RECORD, Candidate, Decision, Link, Options, Tables, count_frequencies, decide, learn,
    search_candidates, search_floor, segment_table,
};
use linkage_core::dice::Kernel;
use linkage_core::evaluate::LinkedPair;
use linkage_core::harden::Step;
use linkage_core::schema::LinkageSchema;

use super::study::Encoded;

/// What was learnt, and the candidates it was learnt from; rows count through all tables.
pub(super) struct Learnt {
    pub(super) candidates: Vec<LinkedPair>,
    /// What is known of each candidate.
    pub(super) chances: Vec<Chance>,
    pub(super) decision: Decision,
}

/// How sure it is that a candidate is one person.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chance {
    /// The chance, which candidates of one record share.
    pub(super) probability: f64,
    /// The log of the odds before rivals are looked at, by which clusters are made.
    pub(super) log_odds: f64,
}

/// Learns from all tables together and decides.
pub(super) fn learnt(encoded: &Encoded, schema: &LinkageSchema, seed: u64) -> anyhow::Result<Learnt> {
    let (bytes, segments) = (schema.clk_length().bytes(), schema.layout().segments());
    let joined = Step::joined(schema.hardening()).unwrap_or(1);
    let cut = encoded.tables.iter().map(|table| Some(segment_table(&table.tokens, bytes, segments)?.diffused(joined)));
    let mut cut: Vec<_> = cut.collect::<Option<_>>().context("the schema has too many segments to learn from")?;
    let deduplicated = vec![true; cut.len()];
    let frequencies = count_frequencies(&mut cut, &deduplicated);
    let kernel = Kernel::detect()?;
    let mut found: Vec<(usize, usize, Vec<Candidate>)> = Vec::new();
    for left in 0..cut.len() {
        for right in left + 1..cut.len() {
            let tables = [&cut[left], &cut[right]];
            let floor = search_floor(tables[0], tables[1], CANDIDATES_PER_RECORD);
            let tokens = [&encoded.tables[left].tokens[..], &encoded.tables[right].tokens[..]];
            found.push((left, right, search_candidates(kernel, tokens, tables, floor)?));
        }
    }
    let links = found.iter().map(|(left, right, candidates)| Link { left: *left, right: *right, candidates }).collect();
    let run = Tables { tables: &cut, deduplicated: &deduplicated, links };
    let model = learn(&run, &frequencies, &Options { seed, ..Options::default() });
    let decision = decide(&run, &model);
    let mut chances = Vec::new();
    for (number, link) in run.links.iter().enumerate() {
        let judged = model.judge(&run, number);
        chances.extend(link.candidates.iter().zip(judged).map(|(candidate, judged)| Chance {
            probability: judged.probability.into(),
            log_odds: model.log_odds(&run, number, candidate),
        }));
    }
    let global = |left: usize, right: usize, c: &Candidate| LinkedPair {
        left: encoded.starts[left] + c.left,
        right: encoded.starts[right] + c.right,
        score: c.score.into(),
        exact: c.exact,
    };
    let candidates = found.iter().flat_map(|(left, right, all)| all.iter().map(|c| global(*left, *right, c))).collect();
    Ok(Learnt { candidates, chances, decision })
}
