//! Precision and recall without truth, with intervals, and a second opinion.

use super::Tables;
use super::drowned::{Captured, Drowned};
use super::linked::Linked;
use super::measure::Measure;
use super::mixture::{Counted, Mixture, Values};
use super::multiplicity::Multiplicity;
use super::tail::{Axis, BINS, Passed};

/// Groups of records; each is left out once (delete-a-group jackknife, Kott 2001).
const GROUPS: u32 = 20;
/// Two estimates of precision that differ by more than this, beyond their interval, cannot both be trusted.
const TOLERANCE: f64 = 0.02;
/// Recall that is known to no better than this is not known.
const WIDEST: f64 = 0.05;
/// Standard deviation of the logarithm of what is expected of wrong links over what is so, by the same runs as that of
/// matches that drown.
const DOUBT: f64 = 0.5;
/// Standard deviations on either side of a 95 % interval.
const WIDE: f64 = 1.96;

/// A number with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Estimate {
    /// The same where beside all else so many may be more or fewer, of at most so many.
    fn give_or_take(self, doubt: f64, most: f64) -> Self {
        let low = (self.value - (self.value - self.low).hypot(doubt)).max(0.0);
        Self { value: self.value, low, high: (self.value + (self.high - self.value).hypot(doubt)).min(most) }
    }
}

/// What one expects of the links of a run, without truth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimates {
    /// Pairs within clusters, over all pairs of databases that were compared.
    pub links: u64,
    /// Pairs of records that are one person, found or not.
    pub matches: Estimate,
    /// Share of the links that are right.
    pub precision: Estimate,
    /// Share of the matches that were linked.
    pub recall: Estimate,
    /// Harmonic mean of the two.
    pub f1: Estimate,
    /// Precision of all pairs above the value that this chance stands for, before assignment: by the mixture.
    pub raw_precision: f64,
    /// The same from how many rows have 0, 1, 2 … such pairs (Blakely and Salmond 2002); none if no row has two and
    /// nothing can be said.
    pub counted_precision: Option<f64>,
    /// Whether the two contradict each other: then look at a sample of links before you trust any of these numbers.
    pub warning: bool,
    /// Whether recall is known to no better than 0.05: so many matches may be no more alike than strangers are that only
    /// other evidence, such as a further field or another database, can tell.
    pub recall_unknown: bool,
}

/// The mixture, and the same without each group of records in turn.
#[derive(Debug, Clone)]
pub(super) struct Fitted {
    pub(super) mixture: Mixture,
    links: Vec<Counted>,
    without: Vec<(Mixture, Vec<Counted>)>,
    /// By link, by bin: all candidates, and left rows that have none, one, … in this bin or above are counted from it.
    multiplicity: Vec<Multiplicity>,
    captured: Captured,
}

impl Fitted {
    pub(super) fn fit(tables: &Tables<'_>, measure: &Measure, values: &[Values<'_>]) -> Self {
        let axis = Axis::new(values);
        let start = axis.first_guess(values);
        let count = |share: f64, belongs: &dyn Fn(u32) -> bool| -> Vec<Counted> {
            let links = tables.links.iter().zip(values);
            links.map(|(link, values)| Counted::new(tables.rows(link), link, values, axis, share, belongs)).collect()
        };
        let passed = |posteriors: &[Vec<f64>], sure: usize, belongs: &(dyn Fn(u32) -> bool + Sync)| -> Vec<Passed> {
            let of = |(number, posterior): (usize, &Vec<f64>)| {
                Passed::count(tables, number, &values[number], posterior, sure, axis, belongs)
            };
            posteriors.iter().enumerate().map(of).collect()
        };
        let links = count(1.0, &|_| true);
        let mixture = Mixture::iterate(&links, axis, start, |posteriors, sure| passed(posteriors, sure, &|_| true));
        let posteriors: Vec<Vec<f64>> =
            (0..links.len()).map(|link| (0..BINS).map(|bin| mixture.posterior(link, bin)).collect()).collect();
        let without = (0..GROUPS)
            .map(|group| {
                let belongs = move |row: u32| group_of(row) != group;
                let links = count(1.0 - 1.0 / f64::from(GROUPS), &belongs);
                // What was passed over hardly depends on the group left out; so it is counted once per group.
                let passed = passed(&posteriors, mixture.sure, &belongs);
                (Mixture::iterate(&links, axis, start, |_, _| passed.clone()), links)
            })
            .collect();
        let multiplicity =
            tables.links.iter().zip(values).map(|(link, v)| Multiplicity::count(tables, link, v, &mixture)).collect();
        let captured = Captured::count(tables, measure, values, &mixture);
        Self { mixture, links, without, multiplicity, captured }
    }

    /// The chance from which on linking gives the highest expected F1: half of that F1 (Lipton, Elkan and Naryanaswamy
    /// 2014). Lower chances add more wrong links than right ones are worth.
    pub(super) fn best_cut(&self) -> f64 {
        let mut cells: Vec<(f64, f64)> = Vec::new();
        let (mut links, mut truly) = (0.0, 0.0);
        for (number, link) in self.links.iter().enumerate() {
            (links, truly) = (links + link.exact, truly + link.exact);
            cells.extend((0..BINS).map(|bin| (self.mixture.posterior(number, bin), link.assigned[bin])));
        }
        cells.sort_by(|a, b| b.0.total_cmp(&a.0));
        let seen: f64 = self.mixture.fits.iter().map(|fit| fit.matches).sum();
        let matches = seen + self.drowned().expected;
        let mut best = 0.0_f64;
        for (chance, count) in cells {
            (links, truly) = (links + count, truly + count * chance);
            best = best.max(2.0 * truly / (links + matches).max(1e-9));
        }
        best / 2.0
    }

    /// What to expect of the pairs within clusters, which were made of the links from this chance on.
    ///
    /// What the jackknife draws anew are the one-to-one links from this chance on: wrong and missed pairs are as unsure as
    /// theirs.
    pub(super) fn estimates(&self, cut: f64, linked: &Linked) -> Estimates {
        let chosen: Vec<Vec<bool>> = (0..self.links.len())
            .map(|link| (0..BINS).map(|bin| self.mixture.posterior(link, bin) >= cut).collect())
            .collect();
        let without: Vec<Figures> = self.without.iter().map(|(m, links)| figures(m, links, &chosen)).collect();
        // Of one-to-one links more are wrong than within clusters, so that what is drawn anew is how many times as many.
        let spread = |of: fn(&Figures) -> f64| {
            let mean = without.iter().map(of).sum::<f64>() / f64::from(GROUPS);
            let squares: f64 = without.iter().map(|figures| (of(figures) - mean).powi(2)).sum();
            (f64::from(GROUPS - 1) / f64::from(GROUPS) * squares).sqrt() / mean.max(1.0)
        };
        let wrong = linked.pairs - linked.right;
        let wrong = number(wrong, DOUBT.hypot(spread(Figures::wrong)), linked.pairs);
        let drowned = self.drowned();
        let missed = linked.left + drowned.expected;
        let most: f64 = self.links.iter().map(|link| link.rows[0].min(link.rows[1])).sum();
        let spread_of_missed = drowned.spread.hypot(spread(Figures::left) * linked.left / missed.max(1.0));
        let most = (most - linked.right).max(0.0);
        let missed = number(missed, spread_of_missed, most).give_or_take(WIDE * self.mixture.doubt(), most);
        let right = [linked.pairs - wrong.high, linked.pairs - wrong.low];
        let precision = Estimate {
            value: part(linked.right, wrong.value),
            low: part(right[0], wrong.high),
            high: part(right[1], wrong.low),
        };
        let recall = Estimate {
            value: part(linked.right, missed.value),
            low: part(right[0], missed.high),
            high: part(right[1], missed.low),
        };
        let (raw_precision, counted_precision) = self.second_opinion(&chosen);
        let beyond = TOLERANCE + (precision.high - precision.low) / 2.0;
        Estimates {
            links: linked.pairs.round() as u64,
            matches: Estimate {
                value: linked.right + missed.value,
                low: right[0] + missed.low,
                high: right[1] + missed.high,
            },
            precision,
            recall,
            f1: Estimate {
                value: harmonic(precision.value, recall.value),
                low: harmonic(precision.low, recall.low),
                high: harmonic(precision.high, recall.high),
            },
            raw_precision,
            counted_precision,
            warning: counted_precision.is_some_and(|counted| (counted - raw_precision).abs() > beyond),
            recall_unknown: recall.high - recall.low > WIDEST,
        }
    }

    /// Matches whose values drown in chance.
    fn drowned(&self) -> Drowned {
        self.captured.with_tail(&self.mixture, &self.links, self.strangers())
    }

    /// The mean place of the candidates, nearly all of which are strangers.
    fn strangers(&self) -> f64 {
        let [all, places] = self.multiplicity.iter().fold([0.0; 2], |[all, places], m| {
            // Of what is in each bin or above, the sum counts each candidate once per bin up to its own.
            [all + m.pairs[0], places + m.pairs[1..].iter().sum::<f64>()]
        });
        places / f64::max(all, 1.0)
    }

    /// Precision before assignment, by the mixture and by counting rows.
    fn second_opinion(&self, chosen: &[Vec<bool>]) -> (f64, Option<f64>) {
        let (mut pairs, mut wrong_by_count, mut wrong_by_mixture) = (0.0, 0.0, 0.0);
        for (number, (multiplicity, chosen)) in self.multiplicity.iter().zip(chosen).enumerate() {
            let Some(from) = chosen.iter().position(|chosen| *chosen) else { continue };
            let all = multiplicity.pairs[from];
            if all == 0.0 {
                continue;
            }
            pairs += all;
            wrong_by_count += multiplicity.wrong_per_row(from) * multiplicity.rows;
            let by_chance = self.mixture.by_chance(number, from, &self.links[number]);
            wrong_by_mixture += by_chance.min(all);
        }
        if pairs == 0.0 {
            return (1.0, None);
        }
        (1.0 - wrong_by_mixture / pairs, Some(1.0 - (wrong_by_count / pairs).min(1.0)))
    }
}

struct Figures {
    links: f64,
    truly: f64,
    /// Matches whose values do not drown in chance.
    seen: f64,
}

impl Figures {
    fn wrong(&self) -> f64 {
        (self.links - self.truly).max(0.0)
    }

    /// Matches that can be told from chance, but are no links.
    fn left(&self) -> f64 {
        (self.seen - self.truly).max(0.0)
    }
}

fn figures(mixture: &Mixture, links: &[Counted], chosen: &[Vec<bool>]) -> Figures {
    let mut figures = Figures { links: 0.0, truly: 0.0, seen: 0.0 };
    for (number, (link, chosen)) in links.iter().zip(chosen).enumerate() {
        let mut add = |pairs: f64, chance: f64, chosen: bool| {
            figures.seen += pairs * chance;
            if chosen {
                (figures.links, figures.truly) = (figures.links + pairs, figures.truly + pairs * chance);
            }
        };
        add(link.exact, 1.0, true);
        (mixture.from..BINS).for_each(|bin| add(link.assigned[bin], mixture.posterior(number, bin), chosen[bin]));
    }
    figures
}

/// A number of pairs that is expected to be so much, with this standard deviation of its logarithm, and is at most so much.
fn number(expected: f64, spread: f64, most: f64) -> Estimate {
    let factor = (WIDE * spread).exp();
    let [low, high] = [expected / factor, expected * factor];
    // The number itself is a Poisson number of its expectation.
    Estimate {
        value: expected.min(most),
        low: (low - WIDE * low.sqrt()).max(0.0).min(most),
        high: (high + WIDE * high.sqrt() + WIDE * WIDE / 2.0).min(most),
    }
}

/// The share of the first in both; of nothing, all.
fn part(of: f64, rest: f64) -> f64 {
    if of + rest > 0.0 { of / (of + rest) } else { 1.0 }
}

fn harmonic(a: f64, b: f64) -> f64 {
    if a + b > 0.0 { 2.0 * a * b / (a + b) } else { 0.0 }
}

/// A row's group: by its number, scattered, so that a group is no stretch of the file.
fn group_of(row: u32) -> u32 {
    let scattered = u64::from(row).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    ((scattered * u64::from(GROUPS)) >> 32) as u32
}
