//! Figures: what the model claims, and what is so.

use std::collections::HashMap;
use std::io::{Write as _, stdout};
use std::time::Instant;

use linkage_core::classify::{self, Judged, Model, Options, Reason, Review};
use linkage_core::cluster::Member;
use linkage_core::evaluate::{LinkedPair, Quality, Truth, one_to_one, pair_quality};
use serde_json::{Value, json};

use crate::clusters::{self, Method};
use crate::data::Households;
use crate::kinds::{self, KINDS, Kinds};
use crate::{Result, Study};

pub fn report(data: &str, schema: &str, study: &Study, households: &Households, as_json: bool) -> Result<()> {
    let run = study.run();
    let start = Instant::now();
    let model = classify::learn(&run, &study.frequencies, &Options::default());
    let seconds = start.elapsed().as_secs_f64();
    let judged: Vec<Vec<Judged>> = (0..study.found.len()).map(|link| model.judge(&run, link)).collect();

    let pairs = pairs(study, &judged, &model);
    let decision = classify::decide(&run, &model);
    let who = Kinds::new(study, households);
    let (fates, namesakes) = (who.fates(&run, &decision), who.namesakes());
    let clusters: Vec<Method> = clusters::compare(study, &run, &decision, &who);
    let estimates = decision.estimates;
    let interval = |e: classify::Estimate| json!({ "value": e.value, "low": e.low, "high": e.high });
    let merged = model.weights().map_or(&[][..], |weights| weights.merged());
    let document = json!({
        "data": data, "schema": schema,
        "records": study.tables.iter().map(|table| table.tokens.len()).collect::<Vec<_>>(),
        "candidates": study.found.iter().map(|found| found.candidates.len()).sum::<usize>(),
        "learning_seconds": seconds,
        "merged_segments": merged.iter().map(|m| json!({ "segments": m.segments, "bits": m.bits, "lift": m.lift })).collect::<Vec<_>>(),
        "cut": model.cut(),
        "unsupervised": measures(&pairs.own), "hindsight": measures(&pairs.hindsight),
        "supervised": pairs.supervised.as_ref().map(measures), "raw_precision": pairs.raw.precision(),
        "estimates": {
            "matches": interval(estimates.matches), "precision": interval(estimates.precision),
            "recall": interval(estimates.recall), "f1": interval(estimates.f1),
            "raw_precision": estimates.raw_precision, "counted_precision": estimates.counted_precision,
            "warning": estimates.warning, "recall_unknown": estimates.recall_unknown,
        },
        "true_matches": pairs.own.true_positives + pairs.own.false_negatives,
        "review_zone": { "pairs": pairs.review, "true": pairs.review_true },
        "review": review_json(study, &decision.review),
        "different_people": kinds::json(&fates), "namesakes": namesakes,
        "clusters": clusters.iter().map(Method::json).collect::<Vec<_>>(),
    });
    let mut out = stdout().lock();
    if as_json {
        writeln!(out, "{document:#}")?;
        return Ok(());
    }
    writeln!(out, "{data}, {schema}: {} candidates, learnt in {seconds:.1} s", document["candidates"])?;
    for merged in merged {
        let [a, b] = merged.segments;
        writeln!(out, "  segments {a} and {b} merged: {:.1} bits, lift {:.0}", merged.bits, merged.lift)?;
    }
    line(&mut out, "one-to-one, unsupervised", &pairs.own)?;
    line(&mut out, "one-to-one, best threshold in hindsight", &pairs.hindsight)?;
    if let Some(supervised) = &pairs.supervised {
        line(&mut out, "one-to-one, gold sample of 500", supervised)?;
    }
    let e = |e: classify::Estimate| format!("{:.4} ({:.4} to {:.4})", e.value, e.low, e.high);
    writeln!(out, "  expected of clusters: precision {}, recall {}", e(estimates.precision), e(estimates.recall))?;
    writeln!(
        out,
        "  matches {:.0} ({:.0} to {:.0}), really {}; raw precision {:.4} by mixture, {} by counting, really {:.4}{}",
        estimates.matches.value,
        estimates.matches.low,
        estimates.matches.high,
        document["true_matches"],
        estimates.raw_precision,
        estimates.counted_precision.map_or("-".into(), |p| format!("{p:.4}")),
        pairs.raw.precision(),
        if estimates.warning { "; WARNING: the two differ" } else { "" }
    )?;
    if estimates.recall_unknown {
        writeln!(out, "  WARNING: recall is hardly known; matches may be no more alike than strangers are")?;
    }
    writeln!(
        out,
        "  review zone: {} pairs, {} of them true; for review: {}",
        pairs.review, pairs.review_true, document["review"]
    )?;
    writeln!(out, "  clusters                    precision  recall    F1      wrong pairs: {}", KINDS.join(", "))?;
    for method in &clusters {
        writeln!(out, "{}", method.line())?;
    }
    writeln!(out, "  pairs of different people    candidates  linked  in review  kept apart")?;
    for (kind, fate) in KINDS.iter().zip(&fates) {
        writeln!(out, "{}", fate.line(kind))?;
    }
    writeln!(out, "  namesakes, candidates or not: {namesakes}")?;
    Ok(())
}

/// The review list by reason: pairs, those of one person, and those that are linked.
fn review_json(study: &Study, review: &Review) -> Value {
    let person = |member: Member| study.tables[usize::from(member.database)].people[member.record as usize];
    let of = |reason: Reason| {
        let of = || review.pairs.iter().filter(|doubt| doubt.reason == reason);
        let is_true = |doubt: &&classify::Doubt| person(doubt.left) == person(doubt.right);
        let linked = || of().filter(|doubt| doubt.linked);
        json!({ "pairs": of().count(), "true": of().filter(is_true).count(), "linked": linked().count(),
            "linked_true": linked().filter(is_true).count() })
    };
    json!({ "cohesion": of(Reason::Cohesion), "rival": of(Reason::Rival), "chance": of(Reason::Chance), "unlisted": review.unlisted })
}

fn line(out: &mut impl std::io::Write, what: &str, q: &Quality) -> std::io::Result<()> {
    writeln!(out, "  {what:<42} P {:.4}  R {:.4}  F1 {:.4}", q.precision(), q.recall(), q.f1())
}

fn measures(q: &Quality) -> Value {
    json!({ "precision": q.precision(), "recall": q.recall(), "f1": q.f1() })
}

struct Pairs {
    own: Quality,
    hindsight: Quality,
    supervised: Option<Quality>,
    raw: Quality,
    review: usize,
    review_true: usize,
}

/// One-to-one links over all pairs of databases; rows of each get numbers of their own.
fn pairs(study: &Study, judged: &[Vec<Judged>], model: &Model) -> Pairs {
    let (mut truth, mut by_value, mut accepted, mut raw) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut review, mut review_true) = (0, 0);
    let (mut from, mut gold_links) = ([0_u32; 2], Vec::new());
    let (run, gold) = (study.run(), gold(study));
    for (number, (found, judged)) in study.found.iter().zip(judged).enumerate() {
        let matched = true_pairs(study, found.left, found.right);
        let linked = |(c, score): (&classify::Candidate, f64)| LinkedPair {
            left: c.left + from[0],
            right: c.right + from[1],
            score,
            exact: c.exact,
        };
        let candidates = || found.candidates.iter();
        by_value.extend(candidates().zip(judged.iter().map(|j| f64::from(j.value))).map(linked));
        let chances = candidates().zip(judged.iter().map(|j| f64::from(j.probability)));
        accepted.extend(chances.clone().filter(|(c, p)| c.exact || *p >= model.cut()).map(linked));
        let sure = |(c, j): &(&classify::Candidate, &Judged)| !c.exact && f64::from(j.probability) >= model.cut();
        let lowest = candidates().zip(judged).filter(sure).map(|(_, j)| j.value);
        let lowest = lowest.fold(f32::INFINITY, f32::min);
        raw.extend(
            candidates().zip(judged).filter(|(c, j)| !c.exact && j.value >= lowest).map(|(c, _)| linked((c, 0.0))),
        );
        for (candidate, judged) in candidates().zip(judged) {
            if !candidate.exact && model.zone(judged.probability.into()) == classify::Zone::Review {
                review += 1;
                review_true += usize::from(matched.contains(&(candidate.left, candidate.right)));
            }
        }
        if let Some(gold) = &gold {
            let judged = gold.judge(&run, number);
            let chances = candidates().zip(judged.iter().map(|j| f64::from(j.probability)));
            gold_links.extend(chances.filter(|(c, p)| c.exact || *p >= model.cut()).map(linked));
        }
        truth.extend(matched.into_iter().map(|(a, b)| (a + from[0], b + from[1])));
        from = [from[0] + study.cut[found.left].rows() as u32, from[1] + study.cut[found.right].rows() as u32];
    }
    let truth: Truth = truth.into_iter().collect();
    let assigned = one_to_one(&by_value);
    Pairs {
        own: pair_quality(one_to_one(&accepted), &truth),
        hindsight: hindsight(&assigned, &truth),
        supervised: gold.map(|_| pair_quality(one_to_one(&gold_links), &truth)),
        raw: pair_quality(raw, &truth),
        review,
        review_true,
    }
}

pub fn true_pairs(study: &Study, left: usize, right: usize) -> std::collections::HashSet<(u32, u32)> {
    let right: HashMap<u64, u32> = study.tables[right].people.iter().copied().zip(0..).collect();
    let left = (0u32..).zip(&study.tables[left].people);
    left.filter_map(|(row, person)| Some((row, *right.get(person)?))).collect()
}

/// The best of all thresholds on the value, over the assigned pairs.
fn hindsight(assigned: &[LinkedPair], truth: &Truth) -> Quality {
    let mut ordered = assigned.to_vec();
    ordered.sort_by(|a, b| b.exact.cmp(&a.exact).then(b.score.total_cmp(&a.score)));
    let (mut right, mut best) = (0.0, (0.0, 0));
    for (at, pair) in ordered.iter().enumerate() {
        right += f64::from(u8::from(truth.contains(pair.left, pair.right)));
        let f1 = 2.0 * right / ((at + 1) as f64 + truth.len() as f64);
        if f1 > best.0 {
            best = (f1, at + 1);
        }
    }
    pair_quality(ordered[..best.1].iter().copied(), truth)
}

/// A model from 500 candidates that somebody has looked at, spread evenly over all.
fn gold(study: &Study) -> Option<Model> {
    let all: usize = study.found.iter().map(|found| found.candidates.len()).sum();
    let mut sample = Vec::new();
    for (link, found) in study.found.iter().enumerate() {
        let matched = true_pairs(study, found.left, found.right);
        sample.extend(found.candidates.iter().step_by((all / 500).max(1)).map(|candidate| classify::GoldPair {
            link,
            left: candidate.left,
            right: candidate.right,
            matched: matched.contains(&(candidate.left, candidate.right)),
        }));
    }
    classify::learn_from_gold(&study.run(), &study.frequencies, &sample, &Options::default())
}
