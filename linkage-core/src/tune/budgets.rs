//! From evidence to positions: in proportion, within what a filter can hold.

use super::evidence::Evidence;
use crate::schema::{Layout, LinkageSchema};

/// A field that tells less than this is left out: it would cost density and tell nothing.
const LEAST_EVIDENCE: f64 = 0.05;

/// A field with fewer positions than this cannot show partial agreement.
const LEAST_BITS: f64 = 8.0;

/// One encoded field.
#[derive(Clone, Copy)]
struct Claim {
    /// Its filter: the segment, or 0.
    filter: usize,
    evidence: f64,
    /// What it gets at least; 0 when it is left out.
    least: f64,
}

/// The positions of every encoded field, in the order of the schema; `None` when no field tells anything.
///
/// Their sum is that of the base schema, or what sets the wanted share of the bits. In a segmented layout a filter that
/// is full passes the rest on to the others, and the best field of every filter stays, since none may be empty.
pub(super) fn share_out(base: &LinkageSchema, found: &[Evidence], density: Option<f64>) -> Option<Vec<usize>> {
    let filters = base.layout().segments();
    let bits = match base.layout() {
        Layout::Composite => base.filter_length().bits(),
        Layout::Segmented { segment_bits, .. } => segment_bits,
    };
    // The rule of the schema: a fuller filter tells records apart less and less.
    let most = (bits * 7 / 10) as f64;
    let kept: usize = base.encoded_fields().map(|(_, _, encoding)| encoding.bits()).sum();
    let total = match density {
        None => kept as f64,
        Some(density) => filters as f64 * (1.0 - density).ln() / (1.0 - 1.0 / bits as f64).ln(),
    };
    if found.iter().all(|found| found.bits < LEAST_EVIDENCE) {
        return None;
    }
    let mut claims: Vec<Claim> = (base.encoded_fields().zip(found))
        .map(|((_, _, encoding), found)| Claim {
            filter: encoding.segment().unwrap_or(0),
            evidence: if found.bits < LEAST_EVIDENCE { 0.0 } else { found.bits },
            least: if found.bits < LEAST_EVIDENCE { 0.0 } else { found.features.ceil().max(LEAST_BITS) },
        })
        .collect();
    for filter in 0..filters {
        let fields: Vec<usize> = (0..claims.len()).filter(|&field| claims[field].filter == filter).collect();
        let best = fields.iter().max_by(|&&a, &&b| found[a].bits.total_cmp(&found[b].bits).then(b.cmp(&a)));
        if let Some(&best) = best.filter(|_| fields.iter().all(|&field| claims[field].least == 0.0)) {
            claims[best].least = LEAST_BITS;
        }
        // No more is promised than the filter can hold.
        let promised: f64 = fields.iter().map(|&field| claims[field].least).sum();
        let share = (most.min(total / filters as f64) / promised).min(1.0);
        fields.iter().for_each(|&field| claims[field].least *= share);
    }
    let total = total.min(most * filters as f64);
    let rate = rising_to(total, |rate| (0..filters).map(|filter| fill(&claims, filter, rate).min(most)).sum());
    let mut budgets = vec![0; claims.len()];
    for filter in 0..filters {
        // A filter that this rate would overfill has a lower one of its own.
        let full = fill(&claims, filter, rate) > most;
        let rate = if full { rising_to(most, |rate| fill(&claims, filter, rate)) } else { rate };
        let exact: Vec<f64> = claims.iter().map(|c| if c.filter == filter { c.at(rate) } else { 0.0 }).collect();
        whole(&exact, most, &mut budgets);
    }
    Some(budgets)
}

impl Claim {
    fn at(&self, rate: f64) -> f64 {
        if self.least == 0.0 { 0.0 } else { self.least.max(rate * self.evidence) }
    }
}

/// What the fields of a filter get in all at so many positions per bit of evidence.
fn fill(claims: &[Claim], filter: usize, rate: f64) -> f64 {
    claims.iter().filter(|claim| claim.filter == filter).map(|claim| claim.at(rate)).sum()
}

/// The rate at which a sum that rises with it comes to `total`, by halving.
fn rising_to(total: f64, sum: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, 1e9);
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if sum(middle) < total { low = middle } else { high = middle }
    }
    low
}

/// Whole numbers with the same sum, the largest remainders rounded up, and no more in all than `most`.
fn whole(exact: &[f64], most: f64, budgets: &mut [usize]) {
    let sum = (exact.iter().sum::<f64>().round()).min(most) as usize;
    let mut order: Vec<usize> = (0..exact.len()).filter(|&field| exact[field] > 0.0).collect();
    order.iter().for_each(|&field| budgets[field] = (exact[field] as usize).max(1));
    let given: usize = order.iter().map(|&field| budgets[field]).sum();
    order.sort_by(|&a, &b| exact[b].fract().total_cmp(&exact[a].fract()).then(a.cmp(&b)));
    order.iter().take(sum.saturating_sub(given)).for_each(|&field| budgets[field] += 1);
}
