//! Hardening: what is done to the bits of a filter before it leaves the site (docs/spec/encoding.md, §8).
//!
//! Every step is a function of the filter and of a key, so the same record gives the same bytes wherever it is encoded.

mod balance;
mod blip;
mod diffusion;
mod linear;
#[cfg(test)]
mod tests;

use crate::clk::{Clk, ClkLength};
use crate::encode::hash::KeyedHash;
use crate::harden::Step;
use crate::schema::LinkageSchema;
use crate::secret::{KeyUse, LinkageSecret};

/// The steps of a schema, ready to be done.
pub(super) struct Hardener {
    steps: Vec<BitStep>,
    length: ClkLength,
}

enum BitStep {
    Diffusion(diffusion::Diffusion),
    XorFold,
    Rule90,
    Balance(balance::Balance),
    Blip(blip::Blip),
}

impl Hardener {
    /// The steps of a schema that change bits; `None` when there is none.
    pub(super) fn new(schema: &LinkageSchema, secret: &LinkageSecret) -> Option<Self> {
        let digest = schema.digest();
        let mut bits = schema.filter_length().bits();
        let mut steps = Vec::new();
        for step in schema.hardening() {
            let hash = |kind: &str| {
                KeyedHash::new(schema.hashing(), &secret.key(schema.hashing(), KeyUse::Hardening, &digest, kind))
            };
            match step {
                // Salt changes keys, not bits: see `super::salt`.
                Step::Salt { .. } => {}
                Step::Diffusion { inputs, .. } => {
                    let diffusion = diffusion::Diffusion::new(&hash("diffusion"), bits, *inputs as usize);
                    steps.push(BitStep::Diffusion(diffusion));
                }
                Step::XorFold => steps.push(BitStep::XorFold),
                Step::Rule90 => steps.push(BitStep::Rule90),
                Step::Balance => steps.push(BitStep::Balance(balance::Balance::new(&hash("balance"), bits))),
                Step::Blip { flip_ppm } => steps.push(BitStep::Blip(blip::Blip::new(hash("blip"), *flip_ppm))),
            }
            bits = step.length_after(bits);
        }
        (!steps.is_empty()).then_some(Self { steps, length: schema.clk_length() })
    }

    /// The hardened form of a filter. An empty one stays empty: two records without identifiers must never look alike.
    pub(super) fn apply(&self, filter: &Clk) -> Clk {
        let mut clk = Clk::empty(self.length);
        if filter.popcount() == 0 {
            return clk;
        }
        let mut words = filter.words().to_vec();
        for step in &self.steps {
            words = match step {
                BitStep::Diffusion(diffusion) => diffusion.apply(&words),
                BitStep::XorFold => linear::xor_fold(&words),
                BitStep::Rule90 => linear::rule90(&words),
                BitStep::Balance(balance) => balance.apply(&words),
                BitStep::Blip(blip) => blip.apply(&words),
            };
        }
        clk.words_mut().copy_from_slice(&words);
        clk
    }
}
