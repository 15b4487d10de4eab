//! How far the measures would move on other people of the same kind.

use super::quality::Quality;

/// From here to there, both within.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// 95 % intervals of the measures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Of precision.
    pub precision: Interval,
    /// Of recall.
    pub recall: Interval,
    /// Of F1.
    pub f1: Interval,
    /// Of F*.
    pub f_star: Interval,
}

/// The standard normal quantile of a two-sided 95 % interval.
const Z: f64 = 1.959_963_984_540_054;

impl Interval {
    /// The 95 % interval of a share by Wilson (1927): sensible at 0 and 1 and for few cases; all of [0, 1] for none.
    #[must_use]
    pub fn wilson(part: u64, whole: u64) -> Self {
        if whole == 0 {
            return Self { low: 0.0, high: 1.0 };
        }
        Self::of_share(part as f64 / whole as f64, whole as f64)
    }

    /// The same of a share that was seen in units `(part, whole)` of which each is right or wrong as one, such as the pairs of
    /// a person: Wilson's interval at the effective number of cases (Korn and Graubard 1998), which is the number of units
    /// when nothing differs between them.
    #[must_use]
    pub fn clustered(units: &[(u64, u64)]) -> Self {
        let sum = units.iter().fold((0, 0), |sum, unit| (sum.0 + unit.0, sum.1 + unit.1));
        if sum.1 == 0 {
            return Self { low: 0.0, high: 1.0 };
        }
        let (whole, share) = (sum.1 as f64, sum.0 as f64 / sum.1 as f64);
        let squares: f64 = units.iter().map(|(part, n)| (*part as f64 - share * *n as f64).powi(2)).sum();
        let count = units.iter().filter(|(_, n)| *n > 0).count() as f64;
        let effective = if squares > 0.0 { share * (1.0 - share) * whole * whole / squares } else { count };
        Self::of_share(share, effective.clamp(1.0, whole))
    }

    fn of_share(share: f64, n: f64) -> Self {
        let centre = share + Z * Z / (2.0 * n);
        let reach = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + Z * Z / n;
        // Rounding must not move the ends past what was seen.
        Self { low: ((centre - reach) / scale).clamp(0.0, share), high: ((centre + reach) / scale).clamp(share, 1.0) }
    }
}

/// Fewer units than this say nothing of other people: one more or less would move everything.
pub const FEWEST_UNITS: usize = 10;

/// 95 % percentile intervals from `replicates` draws of the units with Poisson weights (Chamandy et al. 2012), which
/// differ from draws with replacement by the size of the draw alone. The same seed gives the same intervals.
///
/// A draw in which nothing is linked or true has no precision or recall, and is passed over.
///
/// `None` without replicates, and for fewer than [`FEWEST_UNITS`].
#[must_use]
pub fn bootstrap(units: &[Quality], replicates: u32, seed: u64) -> Option<Spread> {
    if replicates == 0 || units.len() < FEWEST_UNITS {
        return None;
    }
    let mut measures: [Vec<f64>; 4] = Default::default();
    for replicate in 0..replicates {
        let mut sum = Quality::default();
        let stream = mix(seed ^ mix(u64::from(replicate) + 1));
        for (index, unit) in units.iter().enumerate() {
            let weight = poisson(mix(stream.wrapping_add(index as u64)));
            sum.true_positives += weight * unit.true_positives;
            sum.false_positives += weight * unit.false_positives;
            sum.false_negatives += weight * unit.false_negatives;
        }
        if sum == Quality::default() {
            continue;
        }
        let drawn = [sum.precision(), sum.recall(), sum.f1(), sum.f_star()];
        measures.iter_mut().zip(drawn).for_each(|(all, one)| all.push(one));
    }
    let [precision, recall, f1, f_star] = measures.map(middle);
    Some(Spread { precision: precision?, recall: recall?, f1: f1?, f_star: f_star? })
}

/// The middle 95 % of some values.
fn middle(mut values: Vec<f64>) -> Option<Interval> {
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let at = |share: f64| values[((last as f64) * share).round() as usize];
    Some(Interval { low: at(0.025), high: at(0.975) })
}

/// A Poisson number of mean 1 from 64 random bits.
fn poisson(bits: u64) -> u64 {
    let uniform = (bits >> 11) as f64 / (1u64 << 53) as f64;
    let (mut count, mut mass) = (0, (-1.0f64).exp());
    let mut below = mass;
    while uniform >= below && count < 20 {
        count += 1;
        mass /= count as f64;
        below += mass;
    }
    count
}

/// SplitMix64 (Steele, Lea and Flood 2014): spreads a counter over all 64 bits.
fn mix(counter: u64) -> u64 {
    let mut z = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
