//! Precision and recall without truth, with intervals, and a second opinion.

use super::mixture::{Counted, Mixture, Values};
use super::tail::{Axis, BINS, passed_over};
use super::{Link, Tables};

/// Groups of records; each is left out once (delete-a-group jackknife, Kott 2001).
const GROUPS: u32 = 20;
/// Two estimates of precision that differ by more than this, beyond their interval, cannot both be trusted.
const TOLERANCE: f64 = 0.02;

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

/// What one expects of the links of a run, without truth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimates {
    /// One-to-one links at this chance and above, over all pairs of databases.
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
}

/// The mixture, and the same without each group of records in turn.
#[derive(Debug, Clone)]
pub(super) struct Fitted {
    pub(super) mixture: Mixture,
    links: Vec<Counted>,
    without: Vec<(Mixture, Vec<Counted>)>,
    /// By link, by bin: all candidates, and left rows that have none, one, … in this bin or above are counted from it.
    multiplicity: Vec<Multiplicity>,
}

/// Of one link: by bin, candidates and left rows with at least one candidate, in this bin or above.
#[derive(Debug, Clone)]
struct Multiplicity {
    rows: f64,
    pairs: Vec<f64>,
    rows_with: Vec<f64>,
}

impl Fitted {
    pub(super) fn fit(tables: &Tables<'_>, values: &[Values<'_>]) -> Self {
        let axis = Axis::new(values);
        let start = axis.first_guess(values);
        let count = |share: f64, belongs: &dyn Fn(u32) -> bool| -> Vec<Counted> {
            let links = tables.links.iter().zip(values);
            links.map(|(link, values)| Counted::new(tables.rows(link), link, values, axis, share, belongs)).collect()
        };
        let passed = |posteriors: &[Vec<f64>], belongs: &(dyn Fn(u32) -> bool + Sync)| {
            let mut wrong = vec![0.0; BINS];
            for (number, posterior) in posteriors.iter().enumerate() {
                let passed = passed_over(tables, number, &values[number], posterior, axis, belongs);
                wrong.iter_mut().zip(passed).for_each(|(sum, passed)| *sum += passed);
            }
            wrong
        };
        let links = count(1.0, &|_| true);
        let mixture = Mixture::iterate(&links, axis, start, |posteriors| passed(posteriors, &|_| true));
        let posteriors: Vec<Vec<f64>> =
            (0..links.len()).map(|link| (0..BINS).map(|bin| mixture.posterior(link, bin)).collect()).collect();
        let without = (0..GROUPS)
            .map(|group| {
                let belongs = move |row: u32| group_of(row) != group;
                let links = count(1.0 - 1.0 / f64::from(GROUPS), &belongs);
                // What was passed over hardly depends on the group left out; so it is counted once per group.
                let wrong = passed(&posteriors, &belongs);
                (Mixture::iterate(&links, axis, start, |_| wrong.clone()), links)
            })
            .collect();
        let multiplicity =
            tables.links.iter().zip(values).map(|(link, v)| Multiplicity::count(tables, link, v, axis)).collect();
        Self { mixture, links, without, multiplicity }
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
        let matches =
            self.mixture.fits.iter().map(|fit| fit.matches).sum::<f64>() * (1.0 + self.mixture.missed(&self.links));
        let mut best = 0.0_f64;
        for (chance, count) in cells {
            (links, truly) = (links + count, truly + count * chance);
            best = best.max(2.0 * truly / (links + matches).max(1e-9));
        }
        best / 2.0
    }

    /// What to expect of the one-to-one links from this chance on.
    pub(super) fn estimates(&self, cut: f64) -> Estimates {
        let chosen: Vec<Vec<bool>> = (0..self.links.len())
            .map(|link| (0..BINS).map(|bin| self.mixture.posterior(link, bin) >= cut).collect())
            .collect();
        let all = figures(&self.mixture, &self.links, &chosen);
        let without: Vec<Figures> = self.without.iter().map(|(m, links)| figures(m, links, &chosen)).collect();
        let spread = |of: fn(&Figures) -> f64| {
            let mean = without.iter().map(of).sum::<f64>() / f64::from(GROUPS);
            let squares: f64 = without.iter().map(|figures| (of(figures) - mean).powi(2)).sum();
            (f64::from(GROUPS - 1) / f64::from(GROUPS) * squares).sqrt()
        };
        let precision =
            share(all.precision(), spread(Figures::precision).hypot(all.chance_spread / all.links.max(1.0)));
        let recall = share(all.recall(), spread(Figures::recall).hypot(all.chance_spread / all.matches.max(1.0)));
        let wide = 1.96 * spread(|figures| figures.matches) / (1.0 - 1.0 / f64::from(GROUPS));
        let (raw_precision, counted_precision) = self.second_opinion(&chosen);
        let beyond = TOLERANCE + (precision.high - precision.low) / 2.0;
        Estimates {
            links: all.links.round() as u64,
            matches: Estimate { value: all.matches, low: (all.matches - wide).max(0.0), high: all.matches + wide },
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
        }
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

impl Multiplicity {
    fn count(tables: &Tables<'_>, link: &Link<'_>, values: &Values<'_>, axis: Axis) -> Self {
        let rows = tables.rows(link)[0];
        let mut highest = vec![None; rows];
        let mut pairs = vec![0.0; BINS];
        for (candidate, &value) in link.candidates.iter().zip(values.value) {
            let bin = axis.bin(value.into());
            if !candidate.exact {
                pairs[bin] += 1.0;
                let best = &mut highest[candidate.left as usize];
                *best = Some(best.map_or(bin, |best: usize| best.max(bin)));
            }
        }
        let mut rows_with = vec![0.0; BINS];
        highest.into_iter().flatten().for_each(|bin| rows_with[bin] += 1.0);
        for bin in (0..BINS - 1).rev() {
            pairs[bin] += pairs[bin + 1];
            rows_with[bin] += rows_with[bin + 1];
        }
        Self { rows: rows as f64, pairs, rows_with }
    }

    /// λ, the mean number of wrong pairs of a row, from two counts: with a true pair for a share θ of the rows and a
    /// Poisson number of wrong ones, μ = θ + λ pairs per row and P(none) = (1 − θ)·e^−λ.
    fn wrong_per_row(&self, from: usize) -> f64 {
        let (mean, none) = (self.pairs[from] / self.rows, 1.0 - self.rows_with[from] / self.rows);
        let (mut low, mut high) = ((mean - 1.0).max(0.0), mean);
        for _ in 0..60 {
            let lambda = (low + high) / 2.0;
            if (1.0 - mean + lambda) * (-lambda).exp() < none { low = lambda } else { high = lambda }
        }
        (low + high) / 2.0
    }
}

struct Figures {
    links: f64,
    truly: f64,
    matches: f64,
    /// Standard deviation of the number of right links, were every chance exact.
    chance_spread: f64,
}

impl Figures {
    fn precision(&self) -> f64 {
        if self.links > 0.0 { self.truly / self.links } else { 1.0 }
    }

    fn recall(&self) -> f64 {
        if self.matches > 0.0 { (self.truly / self.matches).min(1.0) } else { 1.0 }
    }
}

fn figures(mixture: &Mixture, links: &[Counted], chosen: &[Vec<bool>]) -> Figures {
    let (mut count, mut truly, mut variance) = (0.0, 0.0, 0.0);
    for (number, (link, chosen)) in links.iter().zip(chosen).enumerate() {
        (count, truly) = (count + link.exact, truly + link.exact);
        for bin in (0..BINS).filter(|&bin| chosen[bin]) {
            let (pairs, chance) = (link.assigned[bin], mixture.posterior(number, bin));
            count += pairs;
            truly += pairs * chance;
            variance += pairs * chance * (1.0 - chance);
        }
    }
    let matches = mixture.fits.iter().map(|fit| fit.matches).sum::<f64>() * (1.0 + mixture.missed(links));
    Figures { links: count, truly, matches, chance_spread: variance.sqrt() }
}

/// A share and its interval, made on the logit scale so that it stays within 0 and 1.
fn share(value: f64, spread: f64) -> Estimate {
    let inner = value.clamp(1e-6, 1.0 - 1e-6);
    let (logit, wide) = ((inner / (1.0 - inner)).ln(), 1.96 * spread / (inner * (1.0 - inner)));
    let back = |x: f64| 1.0 / (1.0 + (-x).exp());
    // A spread wider than the share itself says nothing on the logit scale; there it is taken as it is.
    if wide > 8.0 {
        return Estimate { value, low: (value - 1.96 * spread).max(0.0), high: (value + 1.96 * spread).min(1.0) };
    }
    Estimate { value, low: back(logit - wide).min(value), high: back(logit + wide).max(value) }
}

fn harmonic(a: f64, b: f64) -> f64 {
    if a + b > 0.0 { 2.0 * a * b / (a + b) } else { 0.0 }
}

/// A row's group: by its number, scattered, so that a group is no stretch of the file.
fn group_of(row: u32) -> u32 {
    let scattered = u64::from(row).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    ((scattered * u64::from(GROUPS)) >> 32) as u32
}
