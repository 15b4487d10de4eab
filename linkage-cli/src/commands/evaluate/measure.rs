//! The links that one schema proposes, and how good they are.

use std::collections::HashMap;

use anyhow::bail;
use linkage_core::classify::Decision;
use linkage_core::cluster::{Cluster, Member, ScoredPair, cluster};
use linkage_core::dice::{DiceThreshold, Kernel};
use linkage_core::evaluate::{
    Candidates, Comparison, Interval, LinkedPair, Quality, Spread, bootstrap, pair_quality, units,
};
use linkage_core::schema::LinkageSchema;

use super::groups::{self, Subgroup};
use super::labels::Labels;
use super::learnt::{Chance, Gold, Learnt, learnt};
use super::results::{About, Measurement};
use super::study::{Decide, Encoded, Study};

/// More pairs than this do not help anybody, and would not fit into memory for long.
pub(super) const MOST_PAIRS: usize = 50_000_000;

/// The quality at one threshold.
pub(super) struct Point {
    pub(super) threshold: f64,
    /// Every pair that the threshold accepts.
    pub(super) raw: Quality,
    /// The same after at most one record of each table was linked to a person.
    pub(super) linked: Quality,
}

impl Point {
    /// The quality of the pairs that a threshold accepts, and of the clusters that are made of them, which come with it.
    fn measure(threshold: f64, accepted: Vec<LinkedPair>, encoded: &Encoded, labels: &Labels) -> (Self, Vec<Cluster>) {
        let judged = |pair: &LinkedPair| labels.judges(pair.left, pair.right);
        let found = cluster(accepted.iter().map(|pair| scored(encoded, *pair)).collect(), &[]);
        let raw = pair_quality(accepted.into_iter().filter(judged), &labels.truth);
        let linked = pair_quality(links_of(encoded, &found).into_iter().filter(judged), &labels.truth);
        (Self { threshold, raw, linked }, found)
    }
}

/// What one schema is worth on one study.
pub(super) struct Outcome {
    pub(super) schema: LinkageSchema,
    pub(super) decide: Decide,
    pub(super) encoded: Encoded,
    pub(super) labels: Labels,
    pub(super) exact_pairs: usize,
    pub(super) candidates: Candidates,
    /// By threshold of similarity; where links are learnt, by that of the chance, and before clusters are repaired.
    pub(super) points: Vec<Point>,
    /// The quality of the links.
    pub(super) quality: Quality,
    /// That of the links which a run by the schema's blocking keys would find, where it has some.
    pub(super) keyed: Option<Quality>,
    /// Links whose pair nobody has judged.
    pub(super) without_label: usize,
    /// The draws that were wanted for intervals.
    pub(super) draws: u32,
    pub(super) spread: Option<Spread>,
    /// The quality of the links by subgroup.
    pub(super) groups: Vec<Subgroup>,
    pub(super) links: Vec<LinkedPair>,
    /// The chance of each link, where it is learnt; a link that only its cluster makes has none of its own.
    pub(super) chances: Vec<Option<f64>>,
    pub(super) clusters: Vec<Cluster>,
    /// What the tokens alone let expect.
    pub(super) learnt: Option<Decision>,
    /// What a gold sample said of the chances.
    pub(super) gold: Option<Gold>,
}

impl Outcome {
    pub(super) fn measure(study: &Study, schema: LinkageSchema, decide: Decide) -> anyhow::Result<Self> {
        let mut encoded = study.encode(&schema)?;
        let labels = study.labels(&mut encoded)?;
        let own = schema.threshold();
        let judged = |pair: &LinkedPair| labels.judges(pair.left, pair.right);
        let (mut points, mut clusters, mut decision, mut chances) = (Vec::new(), Vec::new(), None, Vec::new());
        let mut gold = None;
        let pairs = match decide {
            Decide::Learnt => {
                let sample = study.gold(&mut encoded)?;
                let Learnt { candidates, chances: of_candidates, decision: learnt, gold: said } =
                    learnt(&encoded, &schema, study.seed, sample.as_deref())?;
                gold = said;
                clusters.clone_from(&learnt.clusters);
                for threshold in study.thresholds.values() {
                    let known = candidates.iter().zip(&of_candidates);
                    let accepted = known.filter(|(pair, chance)| pair.exact || chance.probability >= threshold);
                    let accepted = accepted.map(|(pair, chance)| LinkedPair { score: chance.log_odds, ..*pair });
                    points.push(Point::measure(threshold, accepted.collect(), &encoded, &labels).0);
                }
                (decision, chances) = (Some(learnt), of_candidates);
                candidates
            }
            Decide::Threshold => {
                let thresholds = study.thresholds.with(own);
                let lowest = thresholds.first().copied().unwrap_or(own);
                let pairs = pairs(&encoded, schema.layout().segments(), lowest)?;
                for threshold in thresholds {
                    let accepted = pairs.iter().filter(|pair| pair.accepted(threshold.as_f64())).copied();
                    let (point, found) = Point::measure(threshold.as_f64(), accepted.collect(), &encoded, &labels);
                    points.push(point);
                    if threshold == own {
                        clusters = found;
                    }
                }
                pairs
            }
        };
        let keyed = (decide == Decide::Threshold && !schema.blocking_keys().is_empty()).then(|| {
            // Exact tokens are joined before candidates are looked for.
            let wanted = |pair: &&LinkedPair| pair.accepted(own.as_f64()) && (pair.exact || agree(&encoded, pair));
            let accepted = pairs.iter().filter(wanted).copied().collect();
            Point::measure(own.as_f64(), accepted, &encoded, &labels).0.linked
        });
        let candidates = candidates(&encoded, &schema, &labels, decide, &pairs);
        let mut links = links_of(&encoded, &clusters);
        let known = || links.iter().copied().filter(judged);
        let without_label = links.len() - known().count();
        let quality = pair_quality(known(), &labels.truth);
        let spread = bootstrap(&units(known(), &labels.truth), study.bootstrap, study.seed);
        let groups = labels.groups.measure(known(), &labels.truth);
        let exact_pairs = pairs.iter().filter(|pair| pair.exact).count();
        let chances = with_scores(&mut links, &pairs, &chances);
        Ok(Self {
            schema,
            decide,
            encoded,
            labels,
            exact_pairs,
            candidates,
            points,
            quality,
            keyed,
            without_label,
            draws: study.bootstrap,
            spread,
            groups,
            links,
            chances,
            clusters,
            learnt: decision,
            gold,
        })
    }

    /// Whether rows of the files could not be read.
    pub(super) fn set_rows_aside(&self) -> bool {
        self.encoded.tables.iter().any(|table| table.malformed_rows > 0)
    }

    /// The threshold that the links were chosen by.
    pub(super) fn threshold(&self) -> Option<f64> {
        (self.decide == Decide::Threshold).then(|| self.schema.threshold().as_f64())
    }

    /// The point with the highest F1 after linking; among equals the highest threshold, which makes fewer wrong links on
    /// data that were not seen.
    pub(super) fn best(&self) -> Option<&Point> {
        self.points.iter().max_by(|a, b| a.linked.f1().total_cmp(&b.linked.f1()))
    }

    pub(super) fn measurements(&self, study: &str) -> Vec<Measurement> {
        let about = About { study, schema: self.schema.name(), decision: self.decide.name() };
        let mut all = vec![
            about.measurement("candidates", None, "reduction_ratio", self.candidates.reduction_ratio(), None),
            about.measurement("candidates", None, "pair_completeness", self.candidates.pair_completeness(), None),
        ];
        if let Some(keyed) = &self.keyed {
            all.extend(about.quality("candidates", self.threshold(), keyed, None));
        }
        for point in &self.points {
            all.extend(about.quality("pairs", Some(point.threshold), &point.raw, None));
            // The links' own threshold comes below, with its intervals.
            if Some(point.threshold) != self.threshold() {
                all.extend(about.quality("links", Some(point.threshold), &point.linked, None));
            }
        }
        all.extend(about.quality("links", self.threshold(), &self.quality, self.spread.as_ref()));
        if let Some(learnt) = &self.learnt {
            let of = &learnt.estimates;
            for (name, estimate) in [("precision", of.precision), ("recall", of.recall), ("f1", of.f1)] {
                let interval = Interval { low: estimate.low, high: estimate.high };
                all.push(about.measurement("estimate", None, name, estimate.value, Some(interval)));
            }
            all.push(about.measurement("estimate", None, "review_pairs", learnt.review.total() as f64, None));
            all.push(about.measurement("estimate", None, "warning", f64::from(u8::from(of.warning)), None));
            let unknown = f64::from(u8::from(of.recall_unknown));
            all.push(about.measurement("estimate", None, "recall_unknown", unknown, None));
        }
        if let Some(Gold { correction: said, .. }) = &self.gold {
            let interval = Interval { low: said.threshold.low, high: said.threshold.high };
            all.push(about.measurement("estimate", None, "gold_half", said.threshold.value, Some(interval)));
            all.push(about.measurement("estimate", None, "gold_pairs", said.pairs as f64, None));
        }
        all.extend(groups::measurements(&self.groups, &about, self.threshold()));
        all
    }
}

/// What a run would look at: all pairs; those that agree on a blocking key where the schema has some; or those that are near
/// enough to learn from.
fn candidates(
    encoded: &Encoded,
    schema: &LinkageSchema,
    labels: &Labels,
    decide: Decide,
    pairs: &[LinkedPair],
) -> Candidates {
    let truth = &labels.truth;
    let all = Candidates::all(encoded.possible(), truth.len());
    match decide {
        Decide::Learnt => {
            let true_kept = pairs.iter().filter(|pair| truth.contains(pair.left, pair.right)).count() as u64;
            Candidates { kept: pairs.len() as u64, true_kept, ..all }
        }
        Decide::Threshold if schema.blocking_keys().is_empty() => all,
        Decide::Threshold => {
            let mut keyed = Candidates { kept: 0, true_kept: 0, ..all };
            for (left, right) in encoded.pairs_of_tables() {
                let starts = (encoded.starts[left], encoded.starts[right]);
                let is_true = |a: u32, b: u32| truth.contains(starts.0 + a, starts.1 + b);
                keyed.add_keyed(&encoded.tables[left].tokens, &encoded.tables[right].tokens, is_true);
            }
            keyed
        }
    }
}

/// Whether the records of a pair agree on a blocking key, in one pass or another.
fn agree(encoded: &Encoded, pair: &LinkedPair) -> bool {
    let [left, right] = [pair.left, pair.right].map(|row| {
        let (table, row) = encoded.locate(row);
        &encoded.tables[table].tokens[row as usize].blocking
    });
    left.iter().zip(right).any(|(left, right)| left.is_some() && left == right)
}

/// Every pair of two tables that a run would propose at this threshold; rows count through all tables.
fn pairs(encoded: &Encoded, segments: usize, threshold: DiceThreshold) -> anyhow::Result<Vec<LinkedPair>> {
    let kernel = Kernel::detect()?;
    let mut all = Vec::new();
    for (left, right) in encoded.pairs_of_tables() {
        let (a, b) = (&encoded.tables[left].tokens, &encoded.tables[right].tokens);
        let comparison = Comparison::segmented(a, b, segments)?;
        let Some(found) = comparison.pairs(kernel, threshold, MOST_PAIRS - all.len()) else {
            bail!("more than {MOST_PAIRS} pairs reach {threshold}\nhint: raise the lowest of --thresholds");
        };
        let starts = (encoded.starts[left], encoded.starts[right]);
        let global = |pair: LinkedPair| LinkedPair { left: pair.left + starts.0, right: pair.right + starts.1, ..pair };
        all.extend(found.into_iter().map(global));
    }
    Ok(all)
}

fn scored(encoded: &Encoded, pair: LinkedPair) -> ScoredPair {
    let member = |row| {
        let (table, row) = encoded.locate(row);
        Member { database: table as u16, record: row }
    };
    ScoredPair { left: member(pair.left), right: member(pair.right), score: pair.score, exact: pair.exact }
}

/// Every pair of records of different tables in one cluster; the score is that of no pair yet.
fn links_of(encoded: &Encoded, clusters: &[Cluster]) -> Vec<LinkedPair> {
    let mut links = Vec::new();
    for cluster in clusters {
        for (index, a) in cluster.members.iter().enumerate() {
            let row = |member: &Member| encoded.starts[usize::from(member.database)] + member.record;
            let others = cluster.members[index + 1..].iter().filter(|b| b.database != a.database);
            links.extend(others.map(|b| LinkedPair { left: row(a), right: row(b), score: f64::NAN, exact: false }));
        }
    }
    links
}

/// Gives links the scores of the candidates, and returns their chances; a link that only its cluster makes has neither.
fn with_scores(links: &mut [LinkedPair], candidates: &[LinkedPair], chances: &[Chance]) -> Vec<Option<f64>> {
    let known: HashMap<(u32, u32), usize> =
        (0..).zip(candidates).map(|(at, pair)| ((pair.left, pair.right), at)).collect();
    let of_candidate = |link: &mut LinkedPair| {
        let at = *known.get(&(link.left, link.right))?;
        (link.score, link.exact) = (candidates[at].score, candidates[at].exact);
        chances.get(at).map(|chance| chance.probability)
    };
    links.iter_mut().map(of_candidate).collect()
}
