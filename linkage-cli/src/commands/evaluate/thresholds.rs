//! The thresholds to measure at, as exact as the engine takes them.

use std::str::FromStr;

use linkage_core::dice::DiceThreshold;
use serde::Deserialize;

/// Ascending, each once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Thresholds(Vec<DiceThreshold>);

impl TryFrom<String> for Thresholds {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl Thresholds {
    /// As numbers.
    pub(super) fn values(&self) -> impl Iterator<Item = f64> {
        self.0.iter().map(|threshold| threshold.as_f64())
    }

    /// These and one more.
    pub(super) fn with(&self, own: DiceThreshold) -> Vec<DiceThreshold> {
        let mut all = self.0.clone();
        all.push(own);
        all.sort_unstable();
        all.dedup();
        all
    }
}

impl FromStr for Thresholds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let threshold = |text: &str| text.trim().parse::<DiceThreshold>().map_err(|error| error.to_string());
        let mut list = match text.split_once("..") {
            None => text.split(',').map(threshold).collect::<Result<Vec<_>, _>>()?,
            Some((from, rest)) => {
                let (to, step) =
                    rest.split_once(':').ok_or("write a range as from..to:step, for example 0.5..0.95:0.05")?;
                let (from, to, step) = (threshold(from)?, threshold(to)?, threshold(step)?);
                if from > to {
                    return Err("the range ends before it begins".to_owned());
                }
                (from.ppm()..=to.ppm()).step_by(step.ppm() as usize).filter_map(DiceThreshold::from_ppm).collect()
            }
        };
        list.sort_unstable();
        list.dedup();
        Ok(Self(list))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<String, String> {
        let list = text.parse::<Thresholds>()?.0;
        Ok(list.iter().map(|threshold| threshold.to_string()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn ranges_and_lists_are_exact() {
        assert_eq!(shown("0.7..0.8:0.05").unwrap(), shown("0.8,0.75,0.70,0.7").unwrap());
        assert_eq!(shown("0.1..0.3:0.1").unwrap(), shown("0.1,0.2,0.3").unwrap());
        assert_eq!(shown("0.85").unwrap(), "0.85");
    }

    #[test]
    fn what_is_no_threshold_is_refused() {
        for text in ["", "1.8", "0.9..0.5:0.1", "0.5..0.9", "0.5..0.9:0", "0.5,,0.6", "0.5..x:0.1"] {
            assert!(text.parse::<Thresholds>().is_err(), "{text}");
        }
    }
}
