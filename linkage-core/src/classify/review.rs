//! What somebody should look at.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::cluster::{Member, ReviewPair, Rivals};

/// Pairs of a review list at most: more than anybody looks at, and a bound on memory.
pub const MOST_REVIEWED: usize = 100_000;

/// Why a pair is in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It is in a cluster that holds together by little, and of its pairs speaks most against it.
    Cohesion,
    /// It, or the other, would be a link if another candidate were not about as good: of one record, or of records that are
    /// one person, with two records of one deduplicated database.
    Rival,
    /// Its chance is neither that of a link nor that of a non-link.
    Chance,
}

/// A pair in doubt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Doubt {
    /// One record.
    pub left: Member,
    /// The other record, of a later database.
    pub right: Member,
    /// log of the odds that they are one person, rivals of the same two databases taken into account.
    pub log_odds: f64,
    /// Why it is in doubt; of several reasons the first in the order of [`Reason`].
    pub reason: Reason,
    /// Whether both records are in one cluster all the same.
    pub linked: bool,
}

/// The pairs in doubt, those first that are most so.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Review {
    /// At most [`MOST_REVIEWED`] pairs, each once, in the order of their records.
    pub pairs: Vec<Doubt>,
    /// How many more are in doubt, less so than those listed: by reason, then by how far their chance is from one half.
    pub unlisted: u64,
}

impl Review {
    /// Every pair in doubt, listed or not.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.pairs.len() as u64 + self.unlisted
    }
}

/// The pairs in doubt, as far as they are known.
pub(super) struct Doubts {
    /// Those of clusters that hold together by little, and of greedy merging: why, and their log-odds.
    merging: HashMap<(Member, Member), (Reason, f64)>,
    /// Candidates, each with its chance.
    listed: Vec<(Doubt, f64)>,
    unlisted: u64,
}

impl Doubts {
    pub(super) fn new(cohesion: &[ReviewPair], rivals: &[Rivals]) -> Self {
        let mut merging = HashMap::new();
        let rivals = rivals.iter().flat_map(|rivals| [rivals.kept, rivals.barred]);
        merging.extend(rivals.map(|pair| ((pair.left, pair.right), (Reason::Rival, pair.score))));
        // Of two reasons this one stays.
        merging.extend(cohesion.iter().map(|pair| ((pair.left, pair.right), (Reason::Cohesion, pair.log_odds))));
        Self { merging, listed: Vec::new(), unlisted: 0 }
    }

    /// Takes a candidate in doubt, with its chance.
    pub(super) fn push(&mut self, doubt: Doubt, chance: f64) {
        if !self.merging.contains_key(&(doubt.left, doubt.right)) {
            self.listed.push((doubt, chance));
        }
        if self.listed.len() >= 2 * MOST_REVIEWED {
            self.cut();
        }
    }

    /// Leaves the pairs that are most in doubt.
    fn cut(&mut self) {
        if self.listed.len() > MOST_REVIEWED {
            self.listed.select_nth_unstable_by(MOST_REVIEWED, most_in_doubt);
            self.unlisted += (self.listed.len() - MOST_REVIEWED) as u64;
            self.listed.truncate(MOST_REVIEWED);
        }
    }

    /// The list; `linked` says whether two records are in one cluster.
    pub(super) fn finish(mut self, linked: impl Fn(Member, Member) -> bool) -> Review {
        let merging = std::mem::take(&mut self.merging);
        self.listed.extend(merging.into_iter().map(|((left, right), (reason, log_odds))| {
            (Doubt { left, right, log_odds, reason, linked: false }, 1.0 / (1.0 + (-log_odds).exp()))
        }));
        self.cut();
        let mut pairs: Vec<Doubt> = self.listed.into_iter().map(|(doubt, _)| doubt).collect();
        pairs.iter_mut().for_each(|pair| pair.linked = linked(pair.left, pair.right));
        pairs.sort_unstable_by_key(|pair| (pair.left, pair.right));
        Review { pairs, unlisted: self.unlisted }
    }
}

fn most_in_doubt((a, a_chance): &(Doubt, f64), (b, b_chance): &(Doubt, f64)) -> Ordering {
    let from_half = |chance: &f64| (chance - 0.5).abs();
    (a.reason.cmp(&b.reason))
        .then_with(|| from_half(a_chance).total_cmp(&from_half(b_chance)))
        .then_with(|| (a.left, a.right).cmp(&(b.left, b.right)))
}
