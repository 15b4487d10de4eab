//! The steps of hardening, and their one-line form in a token file's header.

use std::fmt;
use std::str::FromStr;

use crate::dice::DiceThreshold;
use crate::schema::is_name;

/// More inputs than this mean a density so low that hardening is the wrong remedy.
const MAX_INPUTS: u32 = 64;

/// One step of hardening, with everything that decides what it does to numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// A value enters the keys of all other fields.
    Salt {
        /// The field whose value it is.
        field: String,
        /// How much of the value.
        take: Take,
    },
    /// Every output bit is the exclusive or of `inputs` keyed input bits.
    Diffusion {
        /// ρ, in millionths: the most that (1 − 2·density)^inputs may be.
        rho_ppm: u32,
        /// The expected density of the bits that go in, in millionths.
        density_ppm: u32,
        /// How many bits enter an output bit: see [`Step::diffusion`].
        inputs: u32,
    },
    /// Both halves are joined by exclusive or: half as many bits.
    XorFold,
    /// Every bit becomes the exclusive or of its two neighbours.
    Rule90,
    /// The bits and their complement, in keyed order: twice as many bits, exactly half of them set.
    Balance,
    /// Every bit is replaced by a coin's with probability `flip`.
    Blip {
        /// The probability in millionths.
        flip_ppm: u32,
    },
}

/// How much of a value is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Take {
    /// All of it.
    Whole,
    /// Its first characters, or all if there are fewer.
    Prefix(usize),
    /// The year of a date.
    Year,
    /// The sound of kana, folded strongly.
    Phonetic,
}

/// The named trade-offs between quality and what a token gives away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Profile {
    /// One weighted filter, for a linkage unit that is trusted not to attack.
    Standard,
    /// One weighted filter and diffusion with ρ of at most 0.03.
    Hardened,
    /// A filter per group of fields. It needs an explicit sign-off of the risk.
    MaxQuality,
}

/// A text that is no step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a step of hardening\nhint: docs/spec/token-file.md lists them")]
pub struct StepError;

impl Step {
    /// Diffusion of bits of this density with the fewest inputs, at least two, that reach ρ. Both in millionths.
    ///
    /// `None` when more than 64 inputs would be needed, ρ is not in (0, 1), or the density not in (0, 0.5].
    pub fn diffusion(rho_ppm: u32, density_ppm: u32) -> Option<Self> {
        if !(1..1_000_000).contains(&rho_ppm) || !(1..=500_000).contains(&density_ppm) {
            return None;
        }
        let (bias, rho) = (1.0 - f64::from(density_ppm) / 500_000.0, f64::from(rho_ppm) / 1e6);
        // One input would be a permutation, which hides nothing. Products of doubles are the same on every machine.
        let (mut inputs, mut reached) = (2, bias * bias);
        while reached > rho {
            inputs += 1;
            reached *= bias;
            if inputs > MAX_INPUTS {
                return None;
            }
        }
        Some(Self::Diffusion { rho_ppm, density_ppm, inputs })
    }

    /// The length after the step of a filter that has `bits` before.
    pub fn length_after(&self, bits: usize) -> usize {
        match self {
            Self::XorFold => bits / 2,
            Self::Balance => bits * 2,
            _ => bits,
        }
    }

    /// How many bits of a filter enter each bit of its token, where diffusion is all that these steps do to bits; 1 where
    /// nothing is done to them, and `None` where other steps hide it.
    #[must_use]
    pub fn joined(steps: &[Self]) -> Option<u32> {
        steps.iter().try_fold(1, |joined: u32, step| match step {
            Self::Salt { .. } => Some(joined),
            Self::Diffusion { inputs, .. } if joined == 1 => Some(*inputs),
            _ => None,
        })
    }

    /// For BLIP, ε per bit: ln((1 − f/2) / (f/2)).
    pub fn epsilon_per_bit(&self) -> Option<f64> {
        let Self::Blip { flip_ppm } = self else { return None };
        let half = f64::from(*flip_ppm) / 2e6;
        Some(((1.0 - half) / half).ln())
    }
}

impl Profile {
    /// The profile of tokens with so many segments and this ρ in millionths (0: no diffusion).
    pub fn of(segments: u32, rho_ppm: u32) -> Self {
        match (segments, rho_ppm) {
            (2.., _) => Self::MaxQuality,
            (_, 1..=30_000) => Self::Hardened,
            _ => Self::Standard,
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Standard => "standard",
            Self::Hardened => "hardened",
            Self::MaxQuality => "max-quality",
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Salt { field, take } => write!(f, "salt {field} {take}"),
            Self::Diffusion { rho_ppm, density_ppm, inputs } => {
                write!(f, "diffusion rho {} density {} inputs {inputs}", decimal(*rho_ppm), decimal(*density_ppm))
            }
            Self::XorFold => f.write_str("xor-fold"),
            Self::Rule90 => f.write_str("rule90"),
            Self::Balance => f.write_str("balance"),
            Self::Blip { flip_ppm } => write!(f, "blip flip {}", decimal(*flip_ppm)),
        }
    }
}

impl FromStr for Step {
    type Err = StepError;

    fn from_str(text: &str) -> Result<Self, StepError> {
        let words: Vec<&str> = text.split(' ').collect();
        let step = match *words.as_slice() {
            ["salt", field, ref take @ ..] if is_name(field, b'_', 32) => {
                Some(Self::Salt { field: field.to_owned(), take: Take::from_words(take).ok_or(StepError)? })
            }
            ["diffusion", "rho", rho, "density", density, "inputs", _] => {
                Self::diffusion(millionths(rho)?, millionths(density)?)
            }
            ["xor-fold"] => Some(Self::XorFold),
            ["rule90"] => Some(Self::Rule90),
            ["balance"] => Some(Self::Balance),
            ["blip", "flip", flip] => Some(Self::Blip { flip_ppm: millionths(flip)? }),
            _ => None,
        };
        // A step has one spelling, and as many inputs as follow from its ρ and density.
        step.filter(|step| step.to_string() == text).ok_or(StepError)
    }
}

impl Take {
    fn from_words(words: &[&str]) -> Option<Self> {
        match *words {
            ["whole"] => Some(Self::Whole),
            ["year"] => Some(Self::Year),
            ["phonetic"] => Some(Self::Phonetic),
            ["prefix", count] => count.parse().ok().filter(|count| (1..=16).contains(count)).map(Self::Prefix),
            _ => None,
        }
    }
}

impl fmt::Display for Take {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("whole"),
            Self::Prefix(count) => write!(f, "prefix {count}"),
            Self::Year => f.write_str("year"),
            Self::Phonetic => f.write_str("phonetic"),
        }
    }
}

/// Reads a decimal in (0, 1) with at most six decimals.
pub(crate) fn millionths(text: &str) -> Result<u32, StepError> {
    let ppm = text.parse::<DiceThreshold>().map_err(|_| StepError)?.ppm();
    if ppm < 1_000_000 { Ok(ppm) } else { Err(StepError) }
}

/// Millionths below one, as the shortest decimal.
pub(crate) fn decimal(ppm: u32) -> String {
    format!("0.{}", format!("{ppm:06}").trim_end_matches('0'))
}
