//! Pairs of different people, by who they are, and what becomes of them.

use std::collections::{HashMap, HashSet};

use linkage_core::classify::{Decision, Tables};
use linkage_core::cluster::Member;
use serde_json::{Map, Value, json};

use crate::Study;
use crate::data::Households;

/// Two of one household born on one day; two of one household; strangers whose records have one name in kana, one birth date
/// and one sex; other strangers.
pub const KINDS: [&str; 4] = ["twins", "family", "namesakes", "strangers"];

const NAMESAKES: usize = 2;

/// Who the records are of.
pub struct Kinds<'a> {
    study: &'a Study,
    households: &'a Households,
}

/// What became of the pairs of one kind, records of two databases.
#[derive(Default, Clone, Copy)]
pub struct Fate {
    candidates: usize,
    linked: usize,
    in_review: usize,
}

impl<'a> Kinds<'a> {
    pub fn new(study: &'a Study, households: &'a Households) -> Self {
        Self { study, households }
    }

    /// Which of [`KINDS`] two records are; none where they are one person.
    pub fn of(&self, a: Member, b: Member) -> Option<usize> {
        let table = |member: Member| &self.study.tables[usize::from(member.database)];
        let person = |member: Member| table(member).people[member.record as usize];
        let name = |member: Member| table(member).names[member.record as usize];
        if person(a) == person(b) {
            return None;
        }
        let strangers = if name(a).is_some() && name(a) == name(b) { NAMESAKES } else { NAMESAKES + 1 };
        Some(self.households.relation(person(a), person(b)).unwrap_or(strangers))
    }

    /// What became of the pairs of each kind.
    pub fn fates(&self, run: &Tables<'_>, decision: &Decision) -> [Fate; KINDS.len()] {
        let mut fates = [Fate::default(); KINDS.len()];
        let mut candidates = HashSet::new();
        for link in &run.links {
            for candidate in link.candidates {
                let member = |table: usize, record| Member { database: table as u16, record };
                let (a, b) = (member(link.left, candidate.left), member(link.right, candidate.right));
                if let Some(kind) = self.of(a, b) {
                    fates[kind].candidates += 1;
                    candidates.insert((a, b));
                }
            }
        }
        for cluster in &decision.clusters {
            for (at, &a) in cluster.members.iter().enumerate() {
                for &b in cluster.members[at + 1..].iter().filter(|b| b.database != a.database) {
                    if let Some(kind) = self.of(a, b) {
                        fates[kind].linked += 1;
                        // A cluster may join what no search has found.
                        fates[kind].candidates += usize::from(candidates.insert((a, b)));
                    }
                }
            }
        }
        for doubt in decision.review.pairs.iter().filter(|doubt| !doubt.linked) {
            if let Some(kind) = self.of(doubt.left, doubt.right) {
                fates[kind].in_review += 1;
                fates[kind].candidates += usize::from(candidates.insert((doubt.left, doubt.right)));
            }
        }
        fates
    }

    /// Pairs of records of two databases that are namesakes, candidates or not.
    pub fn namesakes(&self) -> usize {
        let mut by_name: HashMap<u64, Vec<Member>> = HashMap::new();
        for (database, table) in (0u16..).zip(&self.study.tables) {
            for (record, name) in (0u32..).zip(&table.names) {
                if let Some(name) = name {
                    by_name.entry(*name).or_default().push(Member { database, record });
                }
            }
        }
        let pairs = by_name
            .values()
            .flat_map(|of| of.iter().enumerate().flat_map(|(at, a)| of[at + 1..].iter().map(move |b| (*a, *b))));
        pairs.filter(|(a, b)| a.database != b.database && self.of(*a, *b) == Some(NAMESAKES)).count()
    }
}

impl Fate {
    fn apart(&self) -> usize {
        self.candidates - self.linked - self.in_review
    }

    pub fn line(&self, kind: &str) -> String {
        let Self { candidates, linked, in_review } = self;
        format!("  {kind:<28} {candidates:>9} {linked:>7} {in_review:>10} {:>11}", self.apart())
    }
}

/// Fates as JSON, by kind.
pub fn json(fates: &[Fate]) -> Value {
    let of = |fate: &Fate| json!({ "candidates": fate.candidates, "linked": fate.linked, "in_review": fate.in_review, "kept_apart": fate.apart() });
    KINDS.iter().zip(fates).map(|(kind, fate)| (kind.to_string(), of(fate))).collect::<Map<String, Value>>().into()
}
