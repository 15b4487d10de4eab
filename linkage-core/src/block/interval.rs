//! How sure a share is that was counted on a sample.

/// The Clopper–Pearson interval (1934) of a share: `found` of `of` independent trials, at this two-sided confidence.
///
/// It is exact in that the true share lies outside it with a probability of at most `1 − confidence`, however few the
/// trials. `found` and `of` may be fractions: effective sample sizes are (Korn and Graubard 1998).
pub fn clopper_pearson(found: f64, of: f64, confidence: f64) -> (f64, f64) {
    if of <= 0.0 {
        return (0.0, 1.0);
    }
    let tail = (1.0 - confidence) / 2.0;
    let missed = of - found;
    let lower = if found <= 0.0 { 0.0 } else { beta_quantile(tail, found, missed + 1.0) };
    let upper = if missed <= 0.0 { 1.0 } else { beta_quantile(1.0 - tail, found + 1.0, missed) };
    (lower, upper)
}

/// The fewest pairs whose interval lies above `target` when the share `expected` of them is found; `None` when
/// `expected` is not above `target`.
pub fn pairs_needed(target: f64, expected: f64, confidence: f64) -> Option<u64> {
    if expected <= target {
        return None;
    }
    let enough = |pairs: u64| clopper_pearson((pairs as f64 * expected).floor(), pairs as f64, confidence).0 >= target;
    let mut high = 16_u64;
    while !enough(high) {
        high = high.checked_mul(2).filter(|pairs| *pairs < 1 << 40)?;
    }
    let mut low = high / 2;
    // Not quite monotone, because found pairs are whole; the largest gap is one pair, which no caller will notice.
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if enough(middle) { high = middle } else { low = middle }
    }
    Some(high)
}

/// The point below which a Beta(a, b) variable lies with this probability, by bisection.
fn beta_quantile(probability: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if beta_cdf(middle, a, b) < probability { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// The regularised incomplete beta function, by its continued fraction (Lentz).
fn beta_cdf(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp();
    // The fraction converges fast on one side of the mean only.
    if x < (a + 1.0) / (a + b + 2.0) {
        front * fraction(x, a, b) / a
    } else {
        1.0 - front * fraction(1.0 - x, b, a) / b
    }
}

fn fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away = |value: f64| if value.abs() < TINY { TINY } else { value };
    let (mut c, mut d) = (1.0, 1.0 / away(1.0 - (a + b) * x / (a + 1.0)));
    let mut value = d;
    for step in 1..500 {
        let m = f64::from(step);
        for term in [
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0)),
        ] {
            d = 1.0 / away(1.0 + term * d);
            c = away(1.0 + term / c);
            value *= c * d;
        }
        if (c * d - 1.0).abs() < 1e-14 {
            break;
        }
    }
    value
}

/// The logarithm of the gamma function for positive arguments (Lanczos, g = 7).
fn ln_gamma(x: f64) -> f64 {
    const COEFFICIENTS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let base = x + 7.5;
    let sum = COEFFICIENTS
        .iter()
        .zip(1..)
        .fold(0.999_999_999_999_809_9, |sum, (coefficient, at)| sum + coefficient / (x + f64::from(at)));
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * base.ln() - base + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_tables() {
        // binom.test(x, n)$conf.int of R 4.3.
        for (found, of, lower, upper) in [
            (0.0, 10.0, 0.0, 0.308_497_1),
            (10.0, 10.0, 0.691_502_9, 1.0),
            (7.0, 10.0, 0.347_547_1, 0.933_260_5),
            (495.0, 500.0, 0.976_818_5, 0.996_743_3),
            (367.0, 367.0, 0.989_998_9, 1.0),
        ] {
            let (low, high) = clopper_pearson(found, of, 0.95);
            assert!((low - lower).abs() < 2e-5 && (high - upper).abs() < 2e-5, "{found} of {of}: {low} {high}");
        }
        assert_eq!(clopper_pearson(0.0, 0.0, 0.95), (0.0, 1.0));
    }

    #[test]
    fn the_interval_covers_the_truth_as_often_as_it_says() {
        for (of, share) in [(20_u32, 0.9_f64), (200, 0.99), (50, 0.5)] {
            // The exact probability of all outcomes whose interval holds the true share.
            let covered: f64 = (0..=of)
                .filter(|found| {
                    let (low, high) = clopper_pearson(f64::from(*found), f64::from(of), 0.95);
                    (low..=high).contains(&share)
                })
                .map(|found| {
                    let (n, k) = (f64::from(of), f64::from(found));
                    let ways = ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0);
                    (ways + k * share.ln() + (n - k) * (1.0 - share).ln()).exp()
                })
                .sum();
            assert!(covered >= 0.95, "{of} {share}: {covered}");
        }
    }

    #[test]
    fn the_pairs_needed_are_enough() {
        assert_eq!(pairs_needed(0.99, 1.0, 0.95), Some(368));
        assert_eq!(pairs_needed(0.99, 0.99, 0.95), None);
        let pairs = pairs_needed(0.99, 0.997, 0.95).unwrap();
        assert!((500..2000).contains(&pairs), "{pairs}");
        assert!(clopper_pearson((pairs as f64 * 0.997).floor(), pairs as f64, 0.95).0 >= 0.99);
    }
}
