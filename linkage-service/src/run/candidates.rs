//! Which pairs of records a run compares, and the certificate of how many it found by that.

use linkage_core::types::DatabaseId;
use linkage_plan::{LinkReport, PlanError, Strategy};

use crate::audit::{Actor, Entry, Label, Outcome};
use crate::config::{Candidates, Matching, Uncertified};
use crate::error::LinkError;
use crate::store::{Certificate, Means, RunRecord};

/// What bands and samples are drawn from. It never changes, so that a repeated run gives the same keys.
const SEED: u64 = 1;

/// The strategy of a run; `None` for all pairs.
pub(super) fn strategy(matching: &Matching) -> Option<Strategy> {
    let (recall, seed) = (matching.recall, SEED);
    match matching.candidates {
        Candidates::AllPairs => None,
        Candidates::Bands => Some(Strategy::Lsh { recall, seed }),
        Candidates::Keyed => Some(Strategy::Keyed { keys: Vec::new(), seed }),
        Candidates::Auto => Some(Strategy::Auto { recall, seed }),
    }
}

/// What a link says of its own completeness; `None` when it compared all pairs, or had nothing to compare.
pub(super) fn certificate(left: &DatabaseId, right: &DatabaseId, report: &LinkReport) -> Option<Certificate> {
    let (measured, demand, means) = match (&report.lsh, &report.keyed) {
        (Some(lsh), _) => {
            let means = Means::Bands {
                bits: lsh.plan.bits(),
                solved: lsh.plan.bands(),
                searched: lsh.bands.bands,
                capped_blocks: lsh.bands.capped_blocks,
                uncompared: lsh.bands.uncompared,
                lost: lsh.bands.lost,
            };
            (lsh.certificate, Some(lsh.certificate.target), means)
        }
        (None, Some(keyed)) => (keyed.completeness, None, Means::Keyed { reduction_ratio: keyed.reduction_ratio() }),
        (None, None) => return None,
    };
    Some(Certificate {
        left: left.clone(),
        right: right.clone(),
        demand,
        sample_rows: measured.rows,
        sample_pairs: measured.pairs,
        found_pairs: measured.found,
        recall: measured.recall,
        lower: measured.lower,
        upper: measured.upper,
        candidates: report.compared,
        means,
    })
}

/// Lets a certificate that shows less than was asked for end the run, unless such runs are to be marked.
pub(super) fn judge(certificate: &Certificate, uncertified: Uncertified) -> Result<(), LinkError> {
    let (Some(demand), Means::Bands { searched, .. }) = (certificate.demand, certificate.means) else { return Ok(()) };
    if certificate.certified() != Some(false) || uncertified == Uncertified::Mark {
        return Ok(());
    }
    Err(LinkError::Uncertified {
        left: certificate.left.clone(),
        right: certificate.right.clone(),
        demand,
        lower: certificate.lower,
        upper: certificate.upper,
        bands: searched,
    })
}

/// The error of a link, with the databases where the planner of bands does not know them.
pub(super) fn explained(error: PlanError, left: &DatabaseId, right: &DatabaseId) -> LinkError {
    match error {
        PlanError::Lsh(source) => LinkError::Bands { left: left.clone(), right: right.clone(), source },
        other => other.into(),
    }
}

/// What the audit log says of every certificate of a run.
pub(super) fn entries(run: &RunRecord) -> impl Iterator<Item = Entry> {
    run.certificates.iter().map(|certificate| entry(run, certificate))
}

fn entry(run: &RunRecord, certificate: &Certificate) -> Entry {
    let object = Label::object("run", &run.id).unwrap_or(Label::fixed("run"));
    let refused = certificate.certified() == Some(false) && !run.state.is_done();
    let outcome = if refused { Outcome::Refused(Label::fixed("not-certified")) } else { Outcome::Allowed };
    let certified = match certificate.certified() {
        Some(true) => "yes",
        Some(false) => "no",
        None => "not-asked",
    };
    // Digits and a point, which are the characters of labels.
    let share = |value: f64| format!("{value:.6}").parse().unwrap_or(Label::fixed("unknown"));
    let mut entry = Entry::new(Actor::service(), Label::fixed("run.certificate"), object, outcome)
        .with(Label::fixed("left"), Label::from(&certificate.left))
        .with(Label::fixed("right"), Label::from(&certificate.right))
        .with(Label::fixed("candidates"), Label::fixed(certificate.means.as_str()))
        .with(Label::fixed("certified"), Label::fixed(certified))
        .with(Label::fixed("recall"), share(certificate.recall))
        .with(Label::fixed("lower"), share(certificate.lower))
        .with(Label::fixed("upper"), share(certificate.upper))
        .with(Label::fixed("sample-rows"), certificate.sample_rows)
        .with(Label::fixed("sample-pairs"), certificate.sample_pairs)
        .with(Label::fixed("sample-found"), certificate.found_pairs)
        .with(Label::fixed("compared"), certificate.candidates);
    if let Some(demand) = certificate.demand {
        entry = entry.with(Label::fixed("demand"), share(demand));
    }
    match certificate.means {
        Means::Bands { bits, solved, searched, capped_blocks, uncompared, lost } => entry
            .with(Label::fixed("bits"), u64::from(bits))
            .with(Label::fixed("bands-solved"), u64::from(solved))
            .with(Label::fixed("bands-searched"), u64::from(searched))
            .with(Label::fixed("capped-blocks"), capped_blocks)
            .with(Label::fixed("capped-pairs"), uncompared)
            .with(Label::fixed("capped-lost"), lost.round() as u64),
        Means::Keyed { reduction_ratio } => entry.with(Label::fixed("reduction-ratio"), share(reduction_ratio)),
    }
}
