//! The links that one schema proposes, and how good they are.

use anyhow::bail;
use linkage_core::cluster::{Cluster, Member, ScoredPair, cluster};
use linkage_core::dice::{DiceThreshold, Kernel};
use linkage_core::evaluate::{
    Candidates, Comparison, LinkedPair, Quality, Spread, bootstrap, by_group, pair_quality, units,
};
use linkage_core::schema::LinkageSchema;

use super::labels::Labels;
use super::results::{About, Measurement};
use super::study::{Encoded, Study};

/// More pairs than this do not help anybody, and would not fit into memory for long.
const MOST_PAIRS: usize = 50_000_000;

/// The quality at one threshold.
pub(super) struct Point {
    pub(super) threshold: f64,
    /// Every pair that the threshold accepts.
    pub(super) raw: Quality,
    /// The same after at most one record of each table was linked to a person.
    pub(super) linked: Quality,
}

/// What one schema is worth on one study.
pub(super) struct Outcome {
    pub(super) schema: LinkageSchema,
    pub(super) encoded: Encoded,
    pub(super) labels: Labels,
    pub(super) exact_pairs: usize,
    pub(super) candidates: Candidates,
    pub(super) points: Vec<Point>,
    /// Intervals at the schema's own threshold.
    pub(super) spread: Option<Spread>,
    /// Column, value and quality at the schema's own threshold.
    pub(super) groups: Vec<(String, String, Quality)>,
    /// The links at the schema's own threshold.
    pub(super) links: Vec<LinkedPair>,
    pub(super) clusters: Vec<Cluster>,
}

impl Outcome {
    pub(super) fn measure(study: &Study, schema: LinkageSchema) -> anyhow::Result<Self> {
        let mut encoded = study.encode(&schema)?;
        let labels = study.labels(&mut encoded)?;
        let own = schema.threshold();
        let thresholds = study.thresholds.with(own);
        let lowest = thresholds.first().copied().unwrap_or(own);
        let pairs = pairs(&encoded, schema.layout().segments(), lowest)?;

        let true_kept = pairs.iter().filter(|pair| labels.truth.contains(pair.left, pair.right)).count() as u64;
        let candidates = Candidates {
            possible: encoded.possible(),
            kept: pairs.len() as u64,
            true_kept,
            true_pairs: labels.truth.len(),
        };
        let mut points = Vec::new();
        let (mut links, mut clusters) = (Vec::new(), Vec::new());
        for threshold in thresholds {
            let accepted = || pairs.iter().filter(|pair| pair.accepted(threshold.as_f64())).copied();
            let found = cluster(accepted().map(|pair| scored(&encoded, pair)).collect(), &[]);
            let linked = links_of(&encoded, &found);
            points.push(Point {
                threshold: threshold.as_f64(),
                raw: pair_quality(accepted(), &labels.truth),
                linked: pair_quality(linked.iter().copied(), &labels.truth),
            });
            if threshold == own {
                (links, clusters) = (linked, found);
            }
        }
        let spread = bootstrap(&units(links.iter().copied(), &labels.truth), study.bootstrap, study.seed);
        let groups = match labels.groups.is_empty() {
            true => Vec::new(),
            false => by_group(links.iter().copied(), &labels.truth, |left, right| labels.groups.of_pair(left, right))
                .into_iter()
                .map(|(group, quality)| {
                    let (column, value) = labels.groups.name(group).clone();
                    (column, value, quality)
                })
                .collect(),
        };
        let exact_pairs = pairs.iter().filter(|pair| pair.exact).count();
        with_scores(&mut links, &pairs);
        Ok(Self { schema, encoded, labels, exact_pairs, candidates, points, spread, groups, links, clusters })
    }

    /// The point at the schema's own threshold.
    pub(super) fn own(&self) -> &Point {
        let own = self.schema.threshold().as_f64();
        self.points.iter().find(|point| point.threshold == own).expect("the schema's own threshold is measured")
    }

    /// The point with the highest F1 after linking; among equals the highest threshold, which makes fewer wrong links on
    /// data that were not seen.
    pub(super) fn best(&self) -> &Point {
        let by_f1 = |a: &&Point, b: &&Point| a.linked.f1().total_cmp(&b.linked.f1());
        self.points.iter().max_by(by_f1).expect("the schema's own threshold is measured")
    }

    pub(super) fn measurements(&self, study: &str) -> Vec<Measurement> {
        let about = About { study, schema: self.schema.name(), decision: "threshold" };
        let own = self.schema.threshold().as_f64();
        let mut all = vec![
            about.measurement("candidates", None, "reduction_ratio", self.candidates.reduction_ratio(), None),
            about.measurement("candidates", None, "pair_completeness", self.candidates.pair_completeness(), None),
        ];
        for point in &self.points {
            let spread = self.spread.as_ref().filter(|_| point.threshold == own);
            all.extend(about.quality("pairs", Some(point.threshold), &point.raw, None));
            all.extend(about.quality("links", Some(point.threshold), &point.linked, spread));
        }
        for (column, value, quality) in &self.groups {
            let group = format!("{column}={value}");
            let measures = about.quality("group", Some(own), quality, None);
            all.extend(measures.into_iter().map(|one| Measurement { group: Some(group.clone()), ..one }));
        }
        all
    }
}

/// Every pair of two tables that a run would propose at this threshold; rows count through all tables.
fn pairs(encoded: &Encoded, segments: usize, threshold: DiceThreshold) -> anyhow::Result<Vec<LinkedPair>> {
    let kernel = Kernel::detect()?;
    let mut all = Vec::new();
    for (left, right) in (0..encoded.tables.len()).flat_map(|l| (l + 1..encoded.tables.len()).map(move |r| (l, r))) {
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

/// Gives links the scores of the candidates; a link that only its cluster makes keeps none.
fn with_scores(links: &mut [LinkedPair], candidates: &[LinkedPair]) {
    let known: std::collections::HashMap<(u32, u32), &LinkedPair> =
        candidates.iter().map(|pair| ((pair.left, pair.right), pair)).collect();
    for link in links {
        if let Some(candidate) = known.get(&(link.left, link.right)) {
            (link.score, link.exact) = (candidate.score, candidate.exact);
        }
    }
}
