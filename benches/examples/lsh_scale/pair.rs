//! Two databases: by bands, or all pairs.

use std::io::{Write as _, stderr};
use std::time::{Duration, Instant};

use linkage_core::block::TokenRows;
use linkage_core::block::certificate::{RecallSample, SampleRequest};
use linkage_core::block::lsh::{CertifiedSearch, LshDemand, LshLimits, LshPlan, MAX_BANDS, Stage};
use linkage_core::dice::{DiceThreshold, Kernel, Match, search};
use rayon::prelude::*;

use super::Result;
use super::people::{Database, true_pairs, truth};
use super::record::{Row, process_cpu_seconds};

/// Rows of a tile of the exhaustive comparison.
const TILE_ROWS: usize = 8192;

/// What is asked of a link.
#[derive(Clone, Copy)]
pub struct Demand {
    pub threshold: DiceThreshold,
    /// 1 for all pairs.
    pub recall: f64,
    pub seed: u64,
    pub kernel: Kernel,
}

/// Links two databases and hands on the pairs.
pub fn link(left: &Database, right: &Database, demand: Demand, pairs: &mut dyn FnMut(&[Match])) -> Result<Row> {
    if demand.recall >= 1.0 { all_pairs(left, right, demand) } else { by_bands(left, right, demand, pairs) }
}

fn by_bands(left: &Database, right: &Database, demand: Demand, pairs: &mut dyn FnMut(&[Match])) -> Result<Row> {
    let Demand { threshold, recall, seed, kernel } = demand;
    let partners = truth(left, right);
    let tokens = (&left.tokens, &right.tokens);
    let never = || false;
    let (began, cpu_before) = (Instant::now(), process_cpu_seconds()?);
    let plan =
        LshPlan::solve(tokens.0, tokens.1, &LshDemand { threshold, recall, most_bands: MAX_BANDS, seed }, &never)?;
    let solved = began.elapsed();
    let all = tokens.0.rows() as f64 * tokens.1.rows() as f64;
    let per_band = plan.candidates_per_band(all);
    writeln!(stderr(), "solved in {:.2} s: {plan}, {per_band:.2e} candidates per band", solved.as_secs_f64())?;

    let sampling = Instant::now();
    let request = SampleRequest::for_search(tokens.0, tokens.1, recall, seed);
    let sample = RecallSample::draw(tokens.0, tokens.1, threshold, kernel, request, &never, &|_| true)?;
    let sampled = sampling.elapsed();
    writeln!(
        stderr(),
        "exact sample in {:.1} s: {} rows, {} pairs, worth {:.0}, about {:.3e} in all",
        sampled.as_secs_f64(),
        sample.rows(),
        sample.pairs(),
        sample.worth(),
        sample.expected_pairs()
    )?;

    let joining = Instant::now();
    let mut bands = CertifiedSearch::new(tokens.0, tokens.1, plan, kernel, LshLimits::default(), sample, recall)?;
    let (mut right_pairs, mut times) = (0_u64, [Duration::ZERO; 3]);
    let mut found: Vec<Match> = Vec::new();
    loop {
        let (mut at, mut since) = (None, Instant::now());
        let mut clock = |stage: Stage| {
            if let Some(before) = at.replace(stage) {
                times[before as usize] += since.elapsed();
            }
            since = Instant::now();
        };
        found.clear();
        if bands.next_band(&mut found, &never, &|_| true, &mut clock)?.is_none() {
            break;
        }
        right_pairs += found.iter().filter(|pair| partners[pair.left as usize] == pair.right).count() as u64;
        pairs(&found);
        if bands.stats().bands.is_power_of_two() {
            let (stats, lower) = (bands.stats(), bands.certificate().lower);
            let seconds = joining.elapsed().as_secs_f64();
            writeln!(stderr(), "band {}: {seconds:.1} s, from {lower:.4}, {stats:?}", stats.bands)?;
        }
    }
    let joined = joining.elapsed();
    let (stats, certificate) = (bands.stats(), bands.certificate());
    let (whole_s, cpu_s) = (began.elapsed().as_secs_f64(), process_cpu_seconds()? - cpu_before);
    let (people, reachable) = true_pairs(left, right, &partners, threshold);
    writeln!(
        stderr(),
        "{} of {} bands, {certificate}\ntruth: {right_pairs} of {reachable} true pairs above the threshold ({people} in all)",
        stats.bands,
        plan.bands()
    )?;
    Ok(Row {
        strategy: "lsh",
        rows: (tokens.0.rows(), tokens.1.rows()),
        threshold: threshold.to_string(),
        recall,
        plan: Some((plan, stats, certificate)),
        seconds: Some([solved, sampled, times[0], times[1], times[2], joined].map(|time| time.as_secs_f64())),
        whole_s,
        cpu_s,
        pairs: stats.kept,
        true_pairs: Some((right_pairs, reachable, people)),
        ..Row::default()
    })
}

fn all_pairs(left: &Database, right: &Database, demand: Demand) -> Result<Row> {
    let Demand { threshold, kernel, .. } = demand;
    let partners = truth(left, right);
    let (began, cpu_before) = (Instant::now(), process_cpu_seconds()?);
    let tiles = |rows: &TokenRows| -> Vec<usize> { (0..rows.rows()).step_by(TILE_ROWS).collect() };
    let blocks: Vec<_> = tiles(&right.tokens)
        .into_par_iter()
        .map(|from| (from, right.tokens.block(from..(from + TILE_ROWS).min(right.tokens.rows()))))
        .collect();
    let (pairs, right_pairs) = tiles(&left.tokens)
        .into_par_iter()
        .map(|from| {
            let block = left.tokens.block(from..(from + TILE_ROWS).min(left.tokens.rows()));
            let (mut pairs, mut right_pairs, mut found) = (0_u64, 0_u64, Vec::new());
            for (right_from, right) in &blocks {
                found.clear();
                search(kernel, &block, 0..block.rows(), right, 0..right.rows(), threshold, &mut found);
                pairs += found.len() as u64;
                let is_right = |pair: &&Match| partners[from + pair.left as usize] == *right_from as u32 + pair.right;
                right_pairs += found.iter().filter(is_right).count() as u64;
            }
            (pairs, right_pairs)
        })
        .reduce(|| (0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    let (whole_s, cpu_s) = (began.elapsed().as_secs_f64(), process_cpu_seconds()? - cpu_before);
    let (people, reachable) = true_pairs(left, right, &partners, threshold);
    Ok(Row {
        strategy: "exhaustive",
        rows: (left.tokens.rows(), right.tokens.rows()),
        threshold: threshold.to_string(),
        recall: 1.0,
        whole_s,
        cpu_s,
        pairs,
        true_pairs: Some((right_pairs, reachable, people)),
        ..Row::default()
    })
}
