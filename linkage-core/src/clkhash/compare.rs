//! clkhash's comparisons: from a value to the texts that are hashed. Texts that repeat are kept, as clkhash keeps them.

use serde::Deserialize;

/// How values of a column are compared, and so what is hashed of them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, tag = "type", rename_all = "camelCase")]
pub(super) enum Comparison {
    /// Substrings of `n` characters of the value between n − 1 spaces.
    Ngram {
        /// Characters per substring.
        n: usize,
        /// Whether the place of the substring, from 1, stands before it.
        #[serde(default)]
        positional: bool,
    },
    /// The whole value.
    Exact {},
    /// Points around a number (Vatsalan and Christen 2015).
    #[serde(rename_all = "camelCase")]
    Numeric {
        /// The largest distance at which two numbers still share a point.
        threshold_distance: f64,
        /// Points on either side.
        resolution: u32,
        /// Decimal places that count.
        #[serde(default, rename = "fractional_precision")]
        fractional_precision: u32,
    },
}

/// The value cannot be compared in this way.
#[derive(Debug)]
pub(super) struct NotANumber;

/// Far beyond any number that identifies a person, and within reach of exact arithmetic.
const MAX_MAGNITUDE: i128 = 1 << 100;

impl Comparison {
    pub(super) fn check(&self) -> Result<(), &'static str> {
        match self {
            Self::Ngram { n, .. } if !(1..=64).contains(n) => Err("`n` must be from 1 to 64"),
            Self::Numeric { resolution: 0, .. } => Err("`resolution` must be at least 1"),
            Self::Numeric { resolution, .. } if *resolution > 10_000 => Err("`resolution` is above 10000"),
            Self::Numeric { fractional_precision, .. } if *fractional_precision > 15 => {
                Err("`fractional_precision` is above 15")
            }
            Self::Numeric { threshold_distance, .. } if *threshold_distance > 1e15 => {
                Err("`thresholdDistance` is above 10 to the power of 15")
            }
            Self::Numeric { .. } if self.interval() < 1 => {
                Err("`thresholdDistance` must be above 0, and not lost by `fractional_precision`")
            }
            _ => Ok(()),
        }
    }

    /// The distance of two points, in units of the last decimal place.
    fn interval(&self) -> i128 {
        match self {
            Self::Numeric { threshold_distance, fractional_precision, .. } => {
                (threshold_distance * 10f64.powi(*fractional_precision as i32)).round_ties_even() as i128
            }
            _ => 0,
        }
    }

    /// What is hashed of a value; nothing for an empty one.
    pub(super) fn texts(&self, value: &str, texts: &mut Vec<String>) -> Result<(), NotANumber> {
        texts.clear();
        if value.is_empty() {
            return Ok(());
        }
        match self {
            Self::Ngram { n, positional } => {
                let pads = std::iter::repeat_n(' ', n - 1);
                let padded: Vec<char> = pads.clone().chain(value.chars()).chain(pads).collect();
                texts.extend(padded.windows(*n).enumerate().map(|(place, gram)| {
                    let gram: String = gram.iter().collect();
                    if *positional { format!("{} {gram}", place + 1) } else { gram }
                }));
            }
            Self::Exact {} => texts.push(value.to_owned()),
            Self::Numeric { resolution, fractional_precision, .. } => {
                let interval = self.interval();
                let scaled = number(value, *fractional_precision)? * 2 * i128::from(*resolution);
                let residue = scaled.rem_euclid(interval);
                let centre = if residue == 0 {
                    scaled
                } else if (residue as f64) < interval as f64 / 2.0 {
                    scaled - residue
                } else {
                    scaled + (interval - residue)
                };
                let resolution = i128::from(*resolution);
                texts.extend((-resolution..=resolution).map(|step| (centre + step * interval).to_string()));
            }
        }
        Ok(())
    }
}

/// The number times ten to the power of `places`, rounded as Python rounds.
fn number(value: &str, places: u32) -> Result<i128, NotANumber> {
    let within = |number: i128| if number.abs() <= MAX_MAGNITUDE { Ok(number) } else { Err(NotANumber) };
    if let Some(integer) = super::format::integer_text(value) {
        let integer: i128 = integer.parse().map_err(|_| NotANumber)?;
        return within(within(integer)?.checked_mul(10i128.pow(places)).ok_or(NotANumber)?);
    }
    let float: f64 = value.trim().parse().map_err(|_| NotANumber)?;
    let scaled = if places > 0 { (float * 10f64.powi(places as i32)).round_ties_even() } else { float.trunc() };
    if scaled.is_finite() && scaled.abs() <= MAX_MAGNITUDE as f64 { within(scaled as i128) } else { Err(NotANumber) }
}
