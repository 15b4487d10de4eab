//! Links that are learnt from the tokens alone.

use anyhow::{Context as _, bail};
use linkage_core::classify::{
    CANDIDATES_PER_RECORD, Candidate, Correction, Decision, GoldPair, Link, Model, Options, Tables, count_frequencies,
    decide, learn, search_candidates, search_floor, segment_table,
};
use linkage_core::dice::Kernel;
use linkage_core::evaluate::LinkedPair;
use linkage_core::harden::Step;
use linkage_core::schema::LinkageSchema;

use super::labels::LabelledPair;
use super::study::Encoded;

/// What was learnt, and the candidates it was learnt from; rows count through all tables.
pub(super) struct Learnt {
    pub(super) candidates: Vec<LinkedPair>,
    /// What is known of each candidate.
    pub(super) chances: Vec<Chance>,
    pub(super) decision: Decision,
    pub(super) gold: Option<Gold>,
}

/// What a gold sample said.
pub(super) struct Gold {
    /// The pairs of the sample, candidates or not.
    pub(super) labels: usize,
    pub(super) correction: Correction,
}

/// How sure it is that a candidate is one person.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chance {
    /// The chance, which candidates of one record share.
    pub(super) probability: f64,
    /// The log of the odds before rivals are looked at, by which clusters are made.
    pub(super) log_odds: f64,
}

/// Learns from all tables together, lets a gold sample correct what was learnt, and decides.
pub(super) fn learnt(
    encoded: &Encoded,
    schema: &LinkageSchema,
    seed: u64,
    gold: Option<&[LabelledPair]>,
) -> anyhow::Result<Learnt> {
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
    let mut model = learn(&run, &frequencies, &Options { seed, ..Options::default() });
    if let Some(gold) = gold {
        model = corrected(model, &run, encoded, gold)?;
    }
    let gold = gold.zip(model.gold()).map(|(gold, said)| Gold { labels: gold.len(), correction: said.clone() });
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
    Ok(Learnt { candidates, chances, decision, gold })
}

fn corrected(model: Model, run: &Tables<'_>, encoded: &Encoded, gold: &[LabelledPair]) -> anyhow::Result<Model> {
    let number = |left: usize, right: usize| run.links.iter().position(|link| (link.left, link.right) == (left, right));
    let pairs = gold.iter().filter_map(|&([left, right], matched)| {
        // Rows count through all tables, so that the smaller is of the earlier one.
        let [(left_table, left), (right_table, right)] = [left, right].map(|row| encoded.locate(row));
        Some(GoldPair { link: number(left_table, right_table)?, left, right, matched })
    });
    let pairs: Vec<GoldPair> = pairs.collect();
    let matches = pairs.iter().filter(|pair| pair.matched).count();
    match model.correct(run, &pairs) {
        Some(model) => Ok(model),
        None if matches == 0 => bail!("no label of the gold sample is a match\nhint: {BOTH_KINDS}"),
        None if matches == pairs.len() => bail!("every label of the gold sample is a match\nhint: {BOTH_KINDS}"),
        None => bail!(
            "the labels of the gold sample that are of candidates are all matches, or all not\nhint: {BOTH_KINDS}"
        ),
    }
}

/// What a gold sample must have.
const BOTH_KINDS: &str = "label candidates of both kinds, such as those of a chance from 0.05 to 0.95; pairs that are no more alike than strangers say nothing";
