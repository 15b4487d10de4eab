//! Which databases may be linked with which, in which class of data, from which day: the law as dated data.
//!
//! A policy file is parsed once and valid ever after. What it does not list is closed.

mod file;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use linkage_core::types::DatabaseId;
use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime, UtcOffset};

use crate::error::PolicyError;

/// A count as it may be shown: what is smaller than the smallest cell reads as "<10".
pub fn shown(count: u64, smallest_cell: u64) -> String {
    if count < smallest_cell { format!("<{smallest_cell}") } else { count.to_string() }
}

/// How closely released data may point at a person. Data of two classes are never linked with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// 匿名化: nobody can be identified.
    Anonymised,
    /// 仮名化: nobody can be identified without other data.
    Pseudonymised,
    /// 顕名: persons are named.
    Identified,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anonymised => "anonymised",
            Self::Pseudonymised => "pseudonymised",
            Self::Identified => "identified",
        })
    }
}

/// Where a project works with what it receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Environment {
    /// The platform's Visiting解析環境: nothing can be downloaded elsewhere.
    Visiting,
    /// The project's own premises.
    OwnPremises,
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Visiting => "visiting",
            Self::OwnPremises => "own-premises",
        })
    }
}

/// What a permit must declare before a database gives data of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// The consent of the living persons concerned.
    Consent,
    /// The user is certified under 次世代医療基盤法.
    CertifiedUser,
    /// That the committee accepts the risk of max-quality tokens, which leak more than others (docs/disclosure.md). No
    /// policy asks for it; runs on such tokens do.
    MaxQualityRisk,
}

/// Whether a policy may be used on real data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// In force.
    Law,
    /// Proposed: for demonstrations and planning.
    Proposal,
}

/// What every permit must fulfil under a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conditions {
    /// The purpose must be declared to be of substantial public interest.
    pub substantial_public_interest: bool,
    /// A purpose that advertises or promotes a product or service is refused.
    pub advertising_refused: bool,
    /// A hearing body must be named for every database.
    pub hearing_for_every_database: bool,
}

/// What a class demands of a permit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassRule {
    /// The permit must say why anonymised data would not do.
    pub necessity: bool,
    /// The environments into which keys may be released; `None` when any will do.
    pub environments: Option<BTreeSet<Environment>>,
}

/// A database and what it offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    name: String,
    holder: String,
    offers: BTreeMap<Class, Offer>,
}

/// One class that a database offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    from: Option<Date>,
    needs: BTreeSet<Need>,
}

/// The pairs that are open from a day on, until the next revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    effective_from: Date,
    basis: String,
    open: BTreeSet<(Class, DatabaseId, DatabaseId)>,
}

/// A parsed policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    name: String,
    status: Status,
    title: String,
    offset: UtcOffset,
    conditions: Conditions,
    classes: BTreeMap<Class, ClassRule>,
    databases: BTreeMap<DatabaseId, Database>,
    revisions: Vec<Revision>,
}

impl Policy {
    /// Parses a policy file (TOML, `format = "policy/1"`, unknown keys refused).
    ///
    /// # Errors
    /// When the text is not of that shape, or names a database, class or date that contradicts another.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        file::parse(text)
    }

    /// One of the policies that ship with the service: `law` or `proposal-2024`.
    pub fn shipped(name: &str) -> Option<Self> {
        let text = match name {
            "law" => include_str!("../../policies/law.toml"),
            "proposal-2024" => include_str!("../../policies/proposal-2024.toml"),
            _ => return None,
        };
        Some(Self::parse(text).expect("the shipped policies are parsed by this crate's tests"))
    }

    /// The name that permits refer to.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One line for people.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Whether this is the law or a proposal.
    pub fn status(&self) -> Status {
        self.status
    }

    /// What every permit must fulfil.
    pub fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    /// What a class demands; `None` when the policy does not know the class.
    pub fn class_rule(&self, class: Class) -> Option<&ClassRule> {
        self.classes.get(&class)
    }

    /// A database of the policy.
    pub fn database(&self, id: &DatabaseId) -> Option<&Database> {
        self.databases.get(id)
    }

    /// All databases, by id.
    pub fn databases(&self) -> impl Iterator<Item = (&DatabaseId, &Database)> {
        self.databases.iter()
    }

    /// The calendar day of an instant where the policy is in force.
    pub fn day_of(&self, instant: OffsetDateTime) -> Date {
        // An instant that has no day there, at the very end of the calendar, keeps the day that it has.
        instant.checked_to_offset(self.offset).unwrap_or(instant).date()
    }

    /// The revision in force on a day; `None` before the first.
    pub fn revision_at(&self, day: Date) -> Option<&Revision> {
        self.revisions.iter().rev().find(|revision| revision.effective_from <= day)
    }

    /// All revisions, oldest first.
    pub fn revisions(&self) -> &[Revision] {
        &self.revisions
    }
}

impl Database {
    /// The 正式名称.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who holds it.
    pub fn holder(&self) -> &str {
        &self.holder
    }

    /// The offer of a class on a day, if there is one.
    pub fn offer(&self, class: Class, day: Date) -> Option<&Offer> {
        self.offers.get(&class).filter(|offer| offer.from.is_none_or(|from| from <= day))
    }

    /// The classes offered on a day.
    pub fn classes_at(&self, day: Date) -> impl Iterator<Item = Class> {
        self.offers.keys().copied().filter(move |class| self.offer(*class, day).is_some())
    }
}

impl Offer {
    /// What a permit must declare.
    pub fn needs(&self) -> &BTreeSet<Need> {
        &self.needs
    }
}

impl Revision {
    /// The first day on which it is in force.
    pub fn effective_from(&self) -> Date {
        self.effective_from
    }

    /// What it rests on: a decree, a report.
    pub fn basis(&self) -> &str {
        &self.basis
    }

    /// Whether two databases may be linked in a class; the order of the two does not matter.
    pub fn is_open(&self, a: &DatabaseId, b: &DatabaseId, class: Class) -> bool {
        let (first, second) = ordered(a, b);
        self.open.contains(&(class, first.clone(), second.clone()))
    }

    /// The open pairs of a class, each once, in alphabetical order.
    pub fn pairs(&self, class: Class) -> impl Iterator<Item = (&DatabaseId, &DatabaseId)> {
        self.open.iter().filter(move |pair| pair.0 == class).map(|(_, a, b)| (a, b))
    }
}

fn ordered<'a>(a: &'a DatabaseId, b: &'a DatabaseId) -> (&'a DatabaseId, &'a DatabaseId) {
    if a <= b { (a, b) } else { (b, a) }
}
