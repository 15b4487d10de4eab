//! Densities and similarities before and after hardening (docs/spec/hardening.md).

use super::Step;
use crate::dice::DiceThreshold;

/// Over how much Dice the pairs of different people above a well-chosen threshold fall to a third (1/e). It is the one number
/// that arithmetic cannot know, measured in docs/spec/hardening.md.
const FALL_OFF: f64 = 0.01;

/// Noise lifts no pair further than this, in standard deviations: one in 10⁹.
const FARTHEST: f64 = 6.0;

/// What a list of steps does to filters of an expected density.
///
/// Everything is a *bias*, 1 − 2·share: of the share of set bits, and of the share of bits in which two filters differ.
/// An exclusive or of independent bits multiplies biases, so each step maps a bias by a power or a factor.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    steps: Vec<Step>,
    /// The expected share of set bits before all steps.
    density: f64,
}

impl Model {
    /// The model of these steps on filters of this expected density, in (0, 1).
    pub fn new(steps: &[Step], density: f64) -> Self {
        Self { steps: steps.to_vec(), density }
    }

    /// The model that follows from the steps alone: diffusion states the density of its input. `None` without diffusion.
    pub fn from_steps(steps: &[Step]) -> Option<Self> {
        let place = steps.iter().position(|step| matches!(step, Step::Diffusion { .. }))?;
        let Step::Diffusion { density_ppm, .. } = steps[place] else { return None };
        let bias =
            steps[..place].iter().rev().fold(1.0 - f64::from(density_ppm) / 500_000.0, |bias, step| undo(step, bias));
        Some(Self::new(steps, (1.0 - bias) / 2.0))
    }

    /// The steps.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The expected share of set bits before hardening.
    pub fn density_before(&self) -> f64 {
        self.density
    }

    /// The expected share of set bits after hardening; after diffusion close to (1 − ρ)/2.
    pub fn density_after(&self) -> f64 {
        let bias = self.steps.iter().fold(1.0 - 2.0 * self.density, |bias, step| match step {
            Step::Balance => 0.0,
            step => apply(step, bias, 1),
        });
        (1.0 - bias) / 2.0
    }

    /// The Dice similarity to expect after hardening of a pair that has `before`, in 0..=1, both filters being of the
    /// expected density.
    pub fn dice_after(&self, before: f64) -> f64 {
        // Dice 2x/(a+b) and the differing share (a+b−2x)/l determine each other once a/l and b/l are known.
        let differing = 2.0 * self.density * (1.0 - before);
        let bias = self.steps.iter().fold(1.0 - 2.0 * differing, |bias, step| apply(step, bias, 2));
        1.0 - (1.0 - bias) / 2.0 / (2.0 * self.density_after())
    }

    /// An estimate, in 0..=1, of the Dice similarity before hardening of two filters that differ in `differing` of `bits` bits
    /// after it. Both are taken to be of the expected density; at low similarities it is mostly noise: see
    /// docs/spec/hardening.md.
    pub fn estimate_before(&self, differing: u32, bits: usize) -> f64 {
        let bias = 1.0 - 2.0 * f64::from(differing) / bits as f64;
        let bias = self.steps.iter().rev().fold(bias, |bias, step| undo(step, bias));
        (1.0 - (1.0 - bias) / 2.0 / (2.0 * self.density)).clamp(0.0, 1.0)
    }

    /// The standard deviation, after hardening to `bits` bits, of the similarity of pairs that have `before`: which bits
    /// are joined is chance, and so are the popcounts that result. None without a step that draws.
    pub fn noise_after(&self, before: f64, bits: usize) -> f64 {
        if !self.steps.iter().any(|step| !matches!(step, Step::Salt { .. } | Step::Balance)) {
            return 0.0;
        }
        let balanced = self.steps.contains(&Step::Balance);
        let (density, dice) = (self.density_after(), self.dice_after(before));
        let differing = (1.0 - dice) * 2.0 * density;
        // Balanced filters all have the same popcount, and say everything twice.
        let (bits, counts) = if balanced {
            (bits as f64 / 2.0, 0.0)
        } else {
            let both = density - differing / 2.0;
            (bits as f64, 2.0 * (density * (1.0 - density) + both - density * density))
        };
        let variance = differing * (1.0 - differing) + (1.0 - dice).powi(2) * counts;
        (variance / bits).sqrt() / (2.0 * density)
    }

    /// The threshold after hardening to `bits` bits that lets about as many pairs of different people through as `before`
    /// does, to the nearest ten-thousandth: [`Self::dice_after`] raised for the noise, which lifts some of the many pairs
    /// just below.
    pub fn threshold_after(&self, before: DiceThreshold, bits: usize) -> DiceThreshold {
        let before = before.as_f64();
        let (dice, noise) = (self.dice_after(before), self.noise_after(before, bits));
        let slope = (self.dice_after(before + 1e-4) - self.dice_after(before - 1e-4)) / 2e-4;
        // A tail of exp(−x/h), blurred by noise of variance s², is exp(s²/2h²) times as high: that of s²/2h further right.
        let lift = noise * noise / (2.0 * slope * FALL_OFF);
        let parts = ((dice + lift.min(FARTHEST * noise)) * 10_000.0).round().clamp(1.0, 10_000.0) as u32;
        DiceThreshold::from_ppm(parts * 100).expect("1 to 10,000 ten-thousandths are in (0, 1]")
    }
}

/// The bias after a step. `filters` is 1 for a density, and 2 for a difference, in which the noise of both sides adds up.
fn apply(step: &Step, bias: f64, filters: i32) -> f64 {
    match step {
        Step::Diffusion { inputs, .. } => bias.powi(*inputs as i32),
        Step::XorFold | Step::Rule90 => bias * bias,
        Step::Blip { flip_ppm } => bias * (1.0 - f64::from(*flip_ppm) / 1e6).powi(filters),
        Step::Salt { .. } | Step::Balance => bias,
    }
}

/// The bias of a difference before a step; a negative one is noise, and stands for none.
fn undo(step: &Step, bias: f64) -> f64 {
    match step {
        Step::Diffusion { inputs, .. } => bias.max(0.0).powf(1.0 / f64::from(*inputs)),
        Step::XorFold | Step::Rule90 => bias.max(0.0).sqrt(),
        Step::Blip { flip_ppm } => (bias / (1.0 - f64::from(*flip_ppm) / 1e6).powi(2)).min(1.0),
        Step::Salt { .. } | Step::Balance => bias,
    }
}
