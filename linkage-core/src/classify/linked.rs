//! How many of the pairs within clusters are right, by what all pairs of a cluster say.

use std::collections::HashMap;

use rayon::prelude::*;

use super::decide::Evidence;
use super::gold::logit;
use super::{Judged, Model, Tables};
use crate::cluster::{Cluster, MOST_REPAIRED, Member};

/// The largest cluster of which every split in two is thought of; of larger ones only that of single members.
const MOST_MEMBERS: usize = 8;

/// No cluster.
const NONE: u32 = u32::MAX;

/// Which cluster each record is in.
pub(super) struct Places(Vec<Vec<u32>>);

impl Places {
    pub(super) fn new(run: &Tables<'_>, clusters: &[Cluster]) -> Self {
        let mut places: Vec<Vec<u32>> = run.tables.iter().map(|table| vec![NONE; table.rows()]).collect();
        for (number, cluster) in (0..).zip(clusters) {
            for member in &cluster.members {
                places[usize::from(member.database)][member.record as usize] = number;
            }
        }
        Self(places)
    }

    fn of(&self, member: Member) -> u32 {
        self.0[usize::from(member.database)][member.record as usize]
    }

    /// Whether a record's cluster has one of this database.
    fn has(&self, clusters: &[Cluster], member: Member, database: u16) -> bool {
        let cluster = clusters.get(self.of(member) as usize);
        cluster.is_some_and(|cluster| {
            let first = cluster.members.partition_point(|member| member.database < database);
            cluster.members.get(first).is_some_and(|member| member.database == database)
        })
    }

    pub(super) fn together(&self, a: Member, b: Member) -> bool {
        self.of(a) != NONE && self.of(a) == self.of(b)
    }
}

/// What is expected of the pairs of compared databases.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Linked {
    /// Pairs within clusters.
    pub(super) pairs: f64,
    /// How many of them are one person.
    pub(super) right: f64,
    /// Matches that can be told from chance, and are not within a cluster.
    pub(super) left: f64,
}

impl Linked {
    pub(super) fn count(
        run: &Tables<'_>,
        model: &Model,
        clusters: &[Cluster],
        places: &Places,
        judged: &[Vec<Judged>],
        evidence: &Evidence<'_>,
    ) -> Self {
        let mut all = Self::default();
        let mut inside: Vec<(u32, [Member; 2], f64)> = Vec::new();
        for (link, judged) in run.links.iter().zip(judged) {
            for (candidate, judged) in link.candidates.iter().zip(judged) {
                let ([a, b], chance) = (link.members(candidate), f64::from(judged.probability));
                if places.together(a, b) {
                    inside.push((places.of(a), [a, b], logit(chance)));
                } else if candidate.exact || !model.drowns(judged.value.into()) {
                    // A record that has its partner in a deduplicated database has no other there.
                    let taken = |of: Member, other: Member| {
                        run.deduplicated(other.database.into()) && places.has(clusters, of, other.database)
                    };
                    if !taken(a, b) && !taken(b, a) {
                        all.left += chance;
                    }
                }
            }
        }
        inside.par_sort_unstable_by_key(|&(cluster, members, _)| (cluster, members));
        let counted: Vec<Self> = (0..clusters.len() as u32)
            .into_par_iter()
            .map(|number| {
                let [from, to] = [number, number + 1].map(|next| inside.partition_point(|pair| pair.0 < next));
                let judged = inside[from..to].iter().map(|&(_, members, log_odds)| (members, log_odds));
                Self::within(run, model, &clusters[number as usize], &judged.collect(), evidence)
            })
            .collect();
        for of in counted {
            (all.pairs, all.right) = (all.pairs + of.pairs, all.right + of.right);
        }
        all
    }

    /// What is expected of one cluster. `judged` has the log-odds of its candidates, rivals taken into account.
    fn within(
        run: &Tables<'_>,
        model: &Model,
        cluster: &Cluster,
        judged: &HashMap<[Member; 2], f64>,
        evidence: &Evidence<'_>,
    ) -> Self {
        let members = &cluster.members;
        // Composite tokens say too little of pairs that no search has found.
        let others_speak = model.weights().is_some();
        let say = |a: Member, b: Member| {
            judged.get(&[a, b]).copied().or_else(|| if others_speak { evidence.of(a, b) } else { None })
        };
        if members.len() > MOST_MEMBERS {
            return Self::within_large(run, members, judged, say);
        }
        let mut splits = Splits::new(members.len());
        for (b, a) in pairs_of(members.len()) {
            splits.hear(a, b, say(members[a], members[b]));
        }
        let mut all = Self::default();
        for (b, a) in pairs_of(members.len()) {
            if evidence.compared(members[a], members[b]) {
                all.pairs += 1.0;
                all.right += splits.together(a, b);
            }
        }
        all
    }

    /// The same of many members: each may be a stranger to all others, and a pair is right if neither is.
    fn within_large(
        run: &Tables<'_>,
        members: &[Member],
        judged: &HashMap<[Member; 2], f64>,
        say: impl Fn(Member, Member) -> Option<f64>,
    ) -> Self {
        let mut across = vec![Across::default(); members.len()];
        if members.len() <= MOST_REPAIRED {
            for (b, a) in pairs_of(members.len()) {
                let said = say(members[a], members[b]);
                [a, b].into_iter().for_each(|at| across[at].hear(said));
            }
        } else {
            for (pair, &log_odds) in judged {
                let at = pair.map(|member| members.partition_point(|other| *other < member));
                at.into_iter().for_each(|at| across[at].hear(Some(log_odds)));
            }
        }
        let mut by_table = vec![[0.0; 2]; run.tables.len()];
        for (member, across) in members.iter().zip(&across) {
            let [count, belong] = &mut by_table[usize::from(member.database)];
            (*count, *belong) = (*count + 1.0, *belong + 1.0 / (1.0 + across.odds_against()));
        }
        let mut all = Self::default();
        for link in &run.links {
            let [left, right] = [by_table[link.left], by_table[link.right]];
            (all.pairs, all.right) = (all.pairs + left[0] * right[0], all.right + left[1] * right[1]);
        }
        all
    }
}

/// What is said across a split in two. The records of one person say the same again and again, so that what speaks for one
/// person counts once, by the pair that speaks most for it, and what speaks against, by the pair that speaks most against it.
#[derive(Debug, Clone, Copy, Default)]
struct Across {
    most_for: f64,
    most_against: f64,
}

impl Across {
    fn hear(&mut self, log_odds: Option<f64>) {
        let log_odds = log_odds.unwrap_or(0.0);
        self.most_for = self.most_for.max(log_odds);
        self.most_against = self.most_against.min(log_odds);
    }

    /// The odds that the two parts are two people.
    fn odds_against(self) -> f64 {
        (-self.most_for - self.most_against).exp()
    }
}

/// All splits in two of a cluster of a few members. The last member is always on the far side, which counts each once.
struct Splits {
    size: usize,
    across: Vec<Across>,
}

impl Splits {
    fn new(size: usize) -> Self {
        Self { size, across: vec![Across::default(); 1 << (size - 1)] }
    }

    /// The splits that part two members, each as a set of those on the near side.
    fn between(&self, a: usize, b: usize) -> impl Iterator<Item = usize> + use<> {
        (1..1_usize << (self.size - 1)).filter(move |side| (side >> a ^ side >> b) & 1 == 1)
    }

    fn hear(&mut self, a: usize, b: usize, log_odds: Option<f64>) {
        self.between(a, b).for_each(|side| self.across[side].hear(log_odds));
    }

    /// The chance that two members are one person, if all are or one split is true.
    fn together(&self, a: usize, b: usize) -> f64 {
        1.0 / (1.0 + self.between(a, b).map(|side| self.across[side].odds_against()).sum::<f64>())
    }
}

/// Every two of so many, the smaller second.
fn pairs_of(size: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..size).flat_map(|b| (0..b).map(move |a| (b, a)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rule read word by word, over sides as lists.
    fn naive(size: usize, said: &[Option<f64>], a: usize, b: usize) -> f64 {
        let mut against = 0.0;
        for side in 0..1_u32 << size {
            let near = |member: usize| side >> member & 1 == 1;
            // Each split is met twice; and a split that keeps the two together is none here.
            if !near(a) || near(b) {
                continue;
            }
            let across = (0..size).flat_map(|x| (0..size).map(move |y| (x, y))).filter(|&(x, y)| near(x) && !near(y));
            let across: Vec<f64> = across.filter_map(|(x, y)| said[x.min(y) * size + x.max(y)]).collect();
            let [most, least] = [f64::max, f64::min].map(|of| across.iter().copied().fold(0.0, of));
            against += (-(most + least)).exp();
        }
        1.0 / (1.0 + against)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn chances_within_a_cluster_equal_the_naive_reference(
            size in 2_usize..7,
            said in prop::collection::vec(prop::option::of(-6.0_f64..14.0), 36),
        ) {
            let mut splits = Splits::new(size);
            for (b, a) in pairs_of(size) {
                splits.hear(a, b, said[a * size + b]);
            }
            for (b, a) in pairs_of(size) {
                let (own, naive) = (splits.together(a, b), naive(size, &said, a, b));
                prop_assert!((own - naive).abs() < 1e-9, "{own} for {naive}");
            }
        }
    }

    #[test]
    fn two_records_have_the_chance_that_was_judged_and_a_third_can_vouch_for_them_or_deny_it() {
        let chance = |said: [f64; 3]| {
            let mut splits = Splits::new(3);
            [(0, 1), (0, 2), (1, 2)].into_iter().zip(said).for_each(|((a, b), said)| splits.hear(a, b, Some(said)));
            splits.together(0, 1)
        };
        let mut two = Splits::new(2);
        two.hear(0, 1, Some(2.0));
        assert!((two.together(0, 1) - 1.0 / (1.0 + (-2.0_f64).exp())).abs() < 1e-12);
        assert!(chance([-1.0, 9.0, 9.0]) > 0.99);
        assert!(chance([3.0, 9.0, -6.0]) < 0.06);
        // What is said thrice is not surer than what is said once.
        assert!(chance([2.0, 2.0, 2.0]) < two.together(0, 1));
    }
}
