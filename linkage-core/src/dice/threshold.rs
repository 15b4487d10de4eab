//! The Dice threshold as an exact ratio of integers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::ThresholdError;

/// What one part of the ratio counts: a millionth.
const PARTS: u64 = 1_000_000;

/// Decimals that a threshold may have, so that it is a whole number of millionths.
pub(super) const DECIMALS: usize = 6;

/// A Dice similarity in (0, 1], kept in parts per million.
///
/// Pairs are accepted by integers alone, `2·i·10⁶ ≥ ppm·(pa + pb)`, so every kernel and every CPU returns the same
/// pairs. For filters of up to 4096 bits this rule agrees with the floating point one, `2i/(pa+pb) ≥ t`: two different
/// ratios of that size lie at least 10⁻¹⁰ apart, far more than a rounding error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DiceThreshold {
    ppm: u32,
}

impl DiceThreshold {
    /// The threshold of `ppm` millionths; `None` outside 1..=1,000,000.
    pub const fn from_ppm(ppm: u32) -> Option<Self> {
        if ppm >= 1 && ppm as u64 <= PARTS { Some(Self { ppm }) } else { None }
    }

    /// The threshold that a double stands for, when it is exactly the double nearest to a decimal number of at most six
    /// decimals in (0, 1].
    ///
    /// `None` for any other double: the integer rule could then disagree with `dice(a, b) >= t` as SQL computes it.
    pub fn from_f64(value: f64) -> Option<Self> {
        if !(value > 0.0 && value <= 1.0) {
            return None;
        }
        let threshold = Self::from_ppm((value * PARTS as f64).round() as u32)?;
        (threshold.as_f64() == value).then_some(threshold)
    }

    /// The double nearest to the threshold.
    pub fn as_f64(self) -> f64 {
        // Both operands are exact and division rounds correctly, so this is the nearest double.
        f64::from(self.ppm) / PARTS as f64
    }

    /// The threshold in parts per million, 1..=1,000,000.
    pub const fn ppm(self) -> u32 {
        self.ppm
    }

    /// The fewest common bits with which two filters match whose popcounts add up to `popcount_sum`.
    ///
    /// At least 1, so an empty filter never matches, not even another empty one: there Dice is 0/0, and two records
    /// without identifiers must not link.
    pub const fn min_intersection(self, popcount_sum: u32) -> u32 {
        let least = (self.ppm as u64 * popcount_sum as u64).div_ceil(2 * PARTS) as u32;
        if least == 0 { 1 } else { least }
    }

    /// Whether filters of popcounts `pa` and `pb` with `intersection` common bits match.
    pub const fn accepts(self, intersection: u32, pa: u32, pb: u32) -> bool {
        intersection >= self.min_intersection(pa + pb)
    }
}

impl FromStr for DiceThreshold {
    type Err = ThresholdError;

    fn from_str(text: &str) -> Result<Self, ThresholdError> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        if whole.is_empty()
            || decimals.is_empty()
            || !(whole.bytes().chain(decimals.bytes())).all(|b| b.is_ascii_digit())
        {
            return Err(ThresholdError::NotADecimal);
        }
        let significant = decimals.trim_end_matches('0');
        if significant.len() > DECIMALS {
            return Err(ThresholdError::TooManyDecimals);
        }
        let mut ppm: u32 = match whole.trim_start_matches('0') {
            "" => 0,
            "1" => PARTS as u32,
            _ => return Err(ThresholdError::OutOfRange),
        };
        for (place, digit) in significant.bytes().enumerate() {
            ppm += u32::from(digit - b'0') * 10_u32.pow((DECIMALS - 1 - place) as u32);
        }
        Self::from_ppm(ppm).ok_or(ThresholdError::OutOfRange)
    }
}

impl fmt::Display for DiceThreshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (u64::from(self.ppm) / PARTS, u64::from(self.ppm) % PARTS);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let decimals = format!("{rest:06}");
        write!(f, "{whole}.{}", decimals.trim_end_matches('0'))
    }
}

impl TryFrom<String> for DiceThreshold {
    type Error = ThresholdError;

    fn try_from(text: String) -> Result<Self, ThresholdError> {
        text.parse()
    }
}

impl From<DiceThreshold> for String {
    fn from(threshold: DiceThreshold) -> Self {
        threshold.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::super::score;
    use super::*;

    #[test]
    fn decimals_are_read_exactly_and_shown_shortest() {
        for (text, ppm, shown) in [
            ("0.85", 850_000, "0.85"),
            ("0.80", 800_000, "0.8"),
            ("1", 1_000_000, "1"),
            ("1.000", 1_000_000, "1"),
            ("01.0", 1_000_000, "1"),
            ("0.000001", 1, "0.000001"),
            ("0.857143", 857_143, "0.857143"),
            ("0.8500000000", 850_000, "0.85"),
        ] {
            let threshold: DiceThreshold = text.parse().unwrap();
            assert_eq!((threshold.ppm(), threshold.to_string().as_str()), (ppm, shown), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused_with_a_hint() {
        use ThresholdError::{NotADecimal, OutOfRange, TooManyDecimals};
        for (text, error) in [
            ("", NotADecimal),
            ("85%", NotADecimal),
            (".85", NotADecimal),
            ("0.", NotADecimal),
            ("-0.5", NotADecimal),
            ("+0.5", NotADecimal),
            ("1e-1", NotADecimal),
            ("NaN", NotADecimal),
            ("0.8.5", NotADecimal),
            ("0.1234567", TooManyDecimals),
            ("0", OutOfRange),
            ("0.000000", OutOfRange),
            ("1.000001", OutOfRange),
            ("85", OutOfRange),
            ("99999999999999999999", OutOfRange),
        ] {
            let refused = text.parse::<DiceThreshold>().unwrap_err();
            assert_eq!(refused, error, "{text}");
            assert!(refused.to_string().contains("\nhint: "), "{text}");
        }
    }

    #[test]
    fn every_threshold_survives_text_and_double() {
        for ppm in 1..=1_000_000 {
            let threshold = DiceThreshold::from_ppm(ppm).unwrap();
            assert_eq!(DiceThreshold::from_f64(threshold.as_f64()), Some(threshold));
            if ppm % 97 == 0 {
                assert_eq!(threshold.to_string().parse(), Ok(threshold));
                assert_eq!(DiceThreshold::from_f64(threshold.to_string().parse().unwrap()), Some(threshold));
            }
        }
    }

    #[test]
    fn a_double_that_is_no_six_decimal_number_is_none() {
        let next = f64::from_bits(0.85_f64.to_bits() + 1);
        for value in [0.0, -0.85, 1.0 + f64::EPSILON, f64::NAN, f64::INFINITY, 2.0 / 3.0, 0.1 + 0.2, next, 1e-7] {
            assert_eq!(DiceThreshold::from_f64(value), None, "{value}");
        }
    }

    #[test]
    fn integers_and_doubles_accept_the_same_pairs() {
        for text in
            ["0.000001", "0.333333", "0.5", "0.666667", "0.7", "0.8", "0.85", "0.857143", "0.9", "0.999999", "1"]
        {
            let threshold: DiceThreshold = text.parse().unwrap();
            for sum in 1..=8192_u32 {
                let least = threshold.min_intersection(sum);
                for intersection in 0..=sum / 2 {
                    let by_double = f64::from(2 * intersection) / f64::from(sum) >= threshold.as_f64();
                    assert_eq!(intersection >= least, by_double, "{intersection} of {sum} at {text}");
                }
            }
        }
    }

    #[test]
    fn empty_filters_never_match() {
        let lowest = DiceThreshold::from_ppm(1).unwrap();
        assert!(!lowest.accepts(0, 0, 0));
        assert!(!lowest.accepts(0, 0, 400));
        assert!(lowest.accepts(1, 400, 400));
        assert_eq!(score(0, 0, 0), 0.0);
    }
}
