//! The TOML shape of a policy file, and the rules that make it a [`Policy`].

use std::collections::{BTreeMap, BTreeSet};

use linkage_core::types::DatabaseId;
use serde::{Deserialize, Deserializer};
use time::macros::format_description;
use time::{Date, UtcOffset};

use super::{Class, ClassRule, Conditions, Database, Environment, Need, Offer, Policy, Revision, Status, ordered};
use crate::error::PolicyError;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    format: String,
    name: String,
    status: Status,
    title: String,
    utc_offset_hours: i8,
    conditions: Conditions,
    class: Vec<ClassTable>,
    database: Vec<DatabaseTable>,
    revision: Vec<RevisionTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassTable {
    id: Class,
    #[serde(default)]
    necessity: bool,
    environments: Option<BTreeSet<Environment>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DatabaseTable {
    id: DatabaseId,
    name: String,
    holder: String,
    offers: Vec<OfferTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfferTable {
    class: Class,
    #[serde(default, deserialize_with = "optional_day")]
    from: Option<Date>,
    #[serde(default)]
    needs: BTreeSet<Need>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevisionTable {
    #[serde(deserialize_with = "day")]
    effective_from: Date,
    basis: String,
    open: Vec<OpenTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenTable {
    class: Class,
    pairs: Vec<(DatabaseId, DatabaseId)>,
}

pub(super) fn parse(text: &str) -> Result<Policy, PolicyError> {
    let file: PolicyFile = toml::from_str(text).map_err(|error| PolicyError::Toml(error.to_string().into()))?;
    if file.format != "policy/1" {
        return Err(rule("format", "this program reads `policy/1`"));
    }
    if file.name.is_empty() || !file.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return Err(rule("name", "lower-case letters, digits and `-`"));
    }
    let offset =
        UtcOffset::from_hms(file.utc_offset_hours, 0, 0).map_err(|_| rule("utc_offset_hours", "between -25 and 25"))?;
    let classes = classes(file.class)?;
    let databases = databases(file.database, &classes)?;
    let revisions = revisions(file.revision, &databases)?;
    Ok(Policy {
        name: file.name,
        status: file.status,
        title: file.title,
        offset,
        conditions: file.conditions,
        classes,
        databases,
        revisions,
    })
}

fn classes(tables: Vec<ClassTable>) -> Result<BTreeMap<Class, ClassRule>, PolicyError> {
    let mut classes = BTreeMap::new();
    for ClassTable { id, necessity, environments } in tables {
        if environments.as_ref().is_some_and(BTreeSet::is_empty) {
            return Err(rule(id, "no environment is left; leave `environments` out when any will do"));
        }
        if classes.insert(id, ClassRule { necessity, environments }).is_some() {
            return Err(rule(id, "the class stands twice"));
        }
    }
    Ok(classes)
}

fn databases(
    tables: Vec<DatabaseTable>,
    classes: &BTreeMap<Class, ClassRule>,
) -> Result<BTreeMap<DatabaseId, Database>, PolicyError> {
    let mut databases = BTreeMap::new();
    for DatabaseTable { id, name, holder, offers: tables } in tables {
        let mut offers = BTreeMap::new();
        for OfferTable { class, from, needs } in tables {
            if !classes.contains_key(&class) {
                return Err(rule(&id, "offers a class that the file does not define"));
            }
            if offers.insert(class, Offer { from, needs }).is_some() {
                return Err(rule(&id, "offers a class twice"));
            }
        }
        if databases.contains_key(&id) {
            return Err(rule(&id, "the database stands twice"));
        }
        databases.insert(id, Database { name, holder, offers });
    }
    Ok(databases)
}

fn revisions(
    tables: Vec<RevisionTable>,
    databases: &BTreeMap<DatabaseId, Database>,
) -> Result<Vec<Revision>, PolicyError> {
    let mut revisions: Vec<Revision> = Vec::with_capacity(tables.len());
    for RevisionTable { effective_from, basis, open: tables } in tables {
        if revisions.last().is_some_and(|before| before.effective_from >= effective_from) {
            return Err(rule(effective_from, "revisions stand in the order of their dates, each date once"));
        }
        let mut open = BTreeSet::new();
        for OpenTable { class, pairs } in tables {
            for (a, b) in pairs {
                let place = format!("revision {effective_from}, {a}–{b}, {class}");
                if a == b {
                    return Err(rule(place, "a database is not paired with itself"));
                }
                let offers = |id| databases.get(id).is_some_and(|database| database.offers.contains_key(&class));
                if !offers(&a) || !offers(&b) {
                    return Err(rule(place, "both databases must stand in the file and offer the class"));
                }
                let (first, second) = ordered(&a, &b);
                if !open.insert((class, first.clone(), second.clone())) {
                    return Err(rule(place, "the pair stands twice"));
                }
            }
        }
        revisions.push(Revision { effective_from, basis, open });
    }
    if revisions.is_empty() {
        return Err(rule("revision", "at least one revision"));
    }
    Ok(revisions)
}

fn rule(place: impl ToString, rule: &'static str) -> PolicyError {
    PolicyError::Rule { place: place.to_string(), rule }
}

fn day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
    let text = String::deserialize(deserializer)?;
    Date::parse(&text, format_description!("[year]-[month]-[day]"))
        .map_err(|_| serde::de::Error::custom("not a calendar day written YYYY-MM-DD"))
}

fn optional_day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Date>, D::Error> {
    day(deserializer).map(Some)
}
