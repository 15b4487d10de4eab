//! What a gold sample gains.

use std::io::{Write as _, stdout};

use linkage_core::classify::{self, Candidate, GoldPair, Options};
use linkage_core::evaluate::{LinkedPair, Quality, Truth, one_to_one, pair_quality};

use crate::report::true_pairs;
use crate::{Result, Study};

/// Pairs that somebody looks at.
const SIZES: [usize; 3] = [200, 1000, 5000];
/// Samples of each size.
const SAMPLES: u64 = 5;

/// How the pairs of a sample are drawn.
#[derive(Clone, Copy, PartialEq)]
enum Drawn {
    /// From all candidates.
    AtRandom,
    /// From those in the review zone.
    FromReview,
}

/// F1 of one-to-one links without a sample and with samples of several sizes.
pub fn run(data: &str, schema: &str, study: &Study) -> Result<()> {
    let run = study.run();
    let model = classify::learn(&run, &study.frequencies, &Options::default());
    let truth: Vec<_> = run.links.iter().map(|link| true_pairs(study, link.left, link.right)).collect();
    let judged: Vec<_> = (0..run.links.len()).map(|link| model.judge(&run, link)).collect();
    let quality = |judged: &dyn Fn(usize) -> Vec<classify::Judged>| -> Quality {
        let (mut links, mut all, mut from) = (Vec::new(), Vec::new(), [0; 2]);
        for (number, link) in run.links.iter().enumerate() {
            let judged = judged(number);
            let linked = link.candidates.iter().zip(&judged);
            let linked = linked.filter(|(c, j)| c.exact || f64::from(j.probability) >= model.cut());
            let shift = |(a, b): (u32, u32)| (a + from[0], b + from[1]);
            links.extend(linked.map(|(c, j)| {
                let (left, right) = shift((c.left, c.right));
                LinkedPair { left, right, score: j.value.into(), exact: c.exact }
            }));
            all.extend(truth[number].iter().copied().map(shift));
            from = [from[0] + study.cut[link.left].rows() as u32, from[1] + study.cut[link.right].rows() as u32];
        }
        let all: Truth = all.into_iter().collect();
        pair_quality(one_to_one(&links), &all)
    };
    let mut out = stdout().lock();
    writeln!(out, "data,schema,drawn,pairs,matches_among_them,precision,recall,f1,lowest_f1")?;
    let without = quality(&|link| judged[link].clone());
    let (p, r, f) = (without.precision(), without.recall(), without.f1());
    writeln!(out, "{data},{schema},none,0,0,{p:.4},{r:.4},{f:.4},{f:.4}")?;
    for (drawn, name) in [(Drawn::AtRandom, "at random"), (Drawn::FromReview, "from review")] {
        let mut all: Vec<(usize, usize)> = Vec::new();
        for (link, judged) in judged.iter().enumerate() {
            let of = (0..judged.len()).filter(|&at| {
                let zone = model.zone(judged[at].probability.into());
                let exact = run.links[link].candidates[at].exact;
                drawn == Drawn::AtRandom || zone == classify::Zone::Review && !exact
            });
            all.extend(of.map(|at| (link, at)));
        }
        for size in SIZES {
            let (mut matches, mut sums, mut lowest, mut samples) = (0, [0.0; 3], 1.0_f64, 0.0);
            for sample in 0..SAMPLES {
                let gold: Vec<GoldPair> = sampled(&all, size, sample)
                    .into_iter()
                    .map(|(link, at)| {
                        let Candidate { left, right, .. } = run.links[link].candidates[at];
                        GoldPair { link, left, right, matched: truth[link].contains(&(left, right)) }
                    })
                    .collect();
                let Some(corrected) = model.clone().correct(&run, &gold) else { continue };
                let is = quality(&|link| corrected.judge(&run, link));
                matches += gold.iter().filter(|pair| pair.matched).count();
                samples += 1.0;
                let figures = [is.precision(), is.recall(), is.f1()];
                sums.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += figure);
                lowest = lowest.min(is.f1());
            }
            let [p, r, f] = sums.map(|sum| sum / samples);
            let (pairs, matches) = (size.min(all.len()), matches as f64 / samples);
            writeln!(out, "{data},{schema},{name},{pairs},{matches:.1},{p:.4},{r:.4},{f:.4},{lowest:.4}")?;
        }
    }
    Ok(())
}

/// So many of all, each as likely as any other; the same for the same number of the sample.
fn sampled(all: &[(usize, usize)], size: usize, sample: u64) -> Vec<(usize, usize)> {
    let mut order: Vec<(u64, usize)> = (0..all.len()).map(|at| (mix(at as u64 ^ sample << 48), at)).collect();
    order.sort_unstable();
    order.iter().take(size).map(|&(_, at)| all[at]).collect()
}

fn mix(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
