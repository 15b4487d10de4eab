//! The one number by which a candidate is judged.

use rayon::prelude::*;

use super::composite::FieldBits;
use super::em::Weights;
use super::{Candidate, Tables};

/// Where values come from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Measure {
    /// Match weights of the segments.
    Segments(Weights),
    /// What composite tokens say over the fields that both have.
    Composite(FieldBits),
}

impl Measure {
    /// What the popcounts of these tables teach.
    pub(super) fn composite(tables: &Tables<'_>) -> Self {
        Self::Composite(FieldBits::learn(tables.tables))
    }

    /// The value of a candidate of this link.
    pub(super) fn value(&self, tables: &Tables<'_>, link: usize, candidate: &Candidate) -> f64 {
        match self {
            Self::Segments(weights) => weights.weight(candidate.pattern),
            Self::Composite(_) => self.value_of_rows(tables, link, candidate.left, candidate.right),
        }
    }

    /// The value of two rows of this link, whether they are a candidate or not.
    pub(super) fn value_of_rows(&self, tables: &Tables<'_>, link: usize, left: u32, right: u32) -> f64 {
        let [a, b] = [tables.links[link].left, tables.links[link].right].map(|table| &tables.tables[table]);
        match self {
            Self::Segments(weights) => weights.weight(a.pattern(left, b, right)),
            Self::Composite(bits) => bits.value(a, left, b, right),
        }
    }

    /// The values of all candidates, by link.
    pub(super) fn values(&self, tables: &Tables<'_>) -> Vec<Vec<f32>> {
        let of = |(number, link): (usize, &super::Link<'_>)| {
            link.candidates.par_iter().map(|candidate| self.value(tables, number, candidate) as f32).collect()
        };
        tables.links.iter().enumerate().map(of).collect()
    }

    pub(super) fn weights(&self) -> Option<&Weights> {
        match self {
            Self::Segments(weights) => Some(weights),
            Self::Composite(_) => None,
        }
    }
}
