//! What was wrong with the rows, by row and rule, without any of their values.

use std::collections::BTreeMap;

use linkage_core::normalise::Rule;
use linkage_core::source::NameNote;
use serde_json::{Value, json};

use crate::figure::hidden;

/// Why a whole row is not in the token file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SetAside {
    WrongFieldCount,
    Malformed,
    NoRecordId,
    UnreadableRecordId,
    NothingPresent,
    NoName,
    DuplicateRecordId,
}

impl SetAside {
    // One more variant is one more entry here: the length is that of the last one.
    const ALL: [Self; Self::DuplicateRecordId as usize + 1] = [
        Self::WrongFieldCount,
        Self::Malformed,
        Self::NoRecordId,
        Self::UnreadableRecordId,
        Self::NothingPresent,
        Self::NoName,
        Self::DuplicateRecordId,
    ];

    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::WrongFieldCount => "wrong-field-count",
            Self::Malformed => "malformed",
            Self::NoRecordId => "no-record-id",
            Self::UnreadableRecordId => "unreadable-record-id",
            Self::NothingPresent => "nothing-present",
            Self::NoName => "no-name",
            Self::DuplicateRecordId => "duplicate-record-id",
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::WrongFieldCount => "another number of fields than the header",
            Self::Malformed => "a record that cannot be read to its end",
            Self::NoRecordId => "no record id",
            Self::UnreadableRecordId => "a record id that cannot be decoded",
            Self::NothingPresent => "no field left to encode",
            Self::NoName => "a person whom the files with the names do not have",
            Self::DuplicateRecordId => "the record id of an earlier row",
        }
    }
}

/// What became of a value that breaks a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    Missing,
    Kept,
    /// Kept, where each character that cannot be read became a wildcard.
    KeptWithWildcards,
}

impl Effect {
    const ALL: [Self; Self::KeptWithWildcards as usize + 1] = [Self::Missing, Self::Kept, Self::KeptWithWildcards];

    fn text(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Kept => "kept",
            Self::KeptWithWildcards => "kept, with wildcards",
        }
    }
}

/// A count and the first rows that it counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) count: u64,
    first: Vec<u64>,
}

impl Rows {
    /// How many row numbers are kept: enough to find the cause, few enough to hold for every rule.
    const KEPT: usize = 100;

    pub(crate) fn add(&mut self, row: u64) {
        self.count += 1;
        self.keep(row);
    }

    pub(crate) fn append(&mut self, other: &Self) {
        self.count += other.count;
        other.first.iter().for_each(|&row| self.keep(row));
    }

    fn state(&self) -> Value {
        json!([self.count, self.first])
    }

    fn from_state(state: &Value) -> Option<Self> {
        let first = state[1].as_array()?.iter().map(Value::as_u64).collect::<Option<_>>()?;
        Some(Self { count: state[0].as_u64()?, first })
    }

    /// Keeps the smallest row numbers, in whichever order they come.
    fn keep(&mut self, row: u64) {
        let at = self.first.partition_point(|&kept| kept < row);
        if at < Self::KEPT {
            self.first.insert(at, row);
            self.first.truncate(Self::KEPT);
        }
    }

    /// The first row numbers as text, and whether there are more.
    fn listed(&self, rows: usize) -> String {
        let shown = &self.first[..rows.min(self.first.len())];
        let mut text = shown.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        if self.count > shown.len() as u64 {
            text.push_str(", …");
        }
        text
    }
}

/// The counts of a whole file, or of a piece of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Findings {
    /// Rows read, malformed ones included.
    pub(crate) rows: u64,
    pub(crate) opted_out: u64,
    /// Rows of a person of whom there is a newer one.
    pub(crate) superseded: u64,
    pub(crate) set_aside: BTreeMap<SetAside, Rows>,
    /// Per field of the schema: rows with a value, of those that were not set aside at once.
    pub(crate) present: Vec<u64>,
    /// Names that a reader of a person format moved to where their script belongs, or that no field takes.
    pub(crate) names: BTreeMap<NameNote, Rows>,
    /// Per field, rule and what became of the value.
    pub(crate) broken: BTreeMap<(usize, Rule, Effect), Rows>,
}

impl Findings {
    pub(crate) fn new(fields: usize) -> Self {
        Self { present: vec![0; fields], ..Self::default() }
    }

    pub(crate) fn set_aside(&mut self, why: SetAside, row: u64) {
        self.set_aside.entry(why).or_default().add(row);
    }

    /// Sets aside all of these rows, if there are any.
    pub(crate) fn set_aside_all(&mut self, why: SetAside, rows: &Rows) {
        if rows.count > 0 {
            self.set_aside.entry(why).or_default().append(rows);
        }
    }

    pub(crate) fn break_rule(&mut self, field: usize, rule: Rule, effect: Effect, row: u64) {
        self.broken.entry((field, rule, effect)).or_default().add(row);
    }

    pub(crate) fn note_name(&mut self, note: NameNote, row: u64) {
        self.names.entry(note).or_default().add(row);
    }

    /// Adds the counts of a later piece of the same file.
    pub(crate) fn append(&mut self, later: &Self) {
        self.rows += later.rows;
        self.opted_out += later.opted_out;
        self.superseded += later.superseded;
        for (present, more) in self.present.iter_mut().zip(&later.present) {
            *present += more;
        }
        for (why, rows) in &later.set_aside {
            self.set_aside.entry(*why).or_default().append(rows);
        }
        for (note, rows) in &later.names {
            self.names.entry(*note).or_default().append(rows);
        }
        for (key, rows) in &later.broken {
            self.broken.entry(*key).or_default().append(rows);
        }
    }

    /// All of it, for a work folder.
    pub(crate) fn state(&self) -> Value {
        json!({
            "rows": self.rows,
            "opted_out": self.opted_out,
            "superseded": self.superseded,
            "present": self.present,
            "set_aside": self.set_aside.iter().map(|(why, rows)| json!([why.code(), rows.state()])).collect::<Vec<_>>(),
            "names": self.names.iter().map(|(note, rows)| json!([note.code(), rows.state()])).collect::<Vec<_>>(),
            "broken": self.broken.iter().map(|((field, rule, effect), rows)| json!([field, rule.code(), effect.text(), rows.state()])).collect::<Vec<_>>(),
        })
    }

    /// What [`Self::state`] wrote; `None` when it is something else.
    pub(crate) fn from_state(state: &Value, fields: usize) -> Option<Self> {
        let present: Vec<u64> = state["present"].as_array()?.iter().map(Value::as_u64).collect::<Option<_>>()?;
        let set_aside = state["set_aside"].as_array()?.iter().map(|entry| {
            let why = SetAside::ALL.into_iter().find(|why| entry[0] == why.code())?;
            Some((why, Rows::from_state(&entry[1])?))
        });
        let names = state["names"].as_array()?.iter().map(|entry| {
            let note = NameNote::ALL.into_iter().find(|note| entry[0] == note.code())?;
            Some((note, Rows::from_state(&entry[1])?))
        });
        let broken = state["broken"].as_array()?.iter().map(|entry| {
            let rule = Rule::ALL.iter().copied().find(|rule| entry[1] == rule.code())?;
            let field = usize::try_from(entry[0].as_u64()?).ok().filter(|&field| field < fields)?;
            let effect = Effect::ALL.into_iter().find(|effect| entry[2] == effect.text())?;
            Some(((field, rule, effect), Rows::from_state(&entry[3])?))
        });
        Some(Self {
            rows: state["rows"].as_u64()?,
            opted_out: state["opted_out"].as_u64()?,
            superseded: state["superseded"].as_u64()?,
            set_aside: set_aside.collect::<Option<_>>()?,
            present: (present.len() == fields).then_some(present)?,
            names: names.collect::<Option<_>>()?,
            broken: broken.collect::<Option<_>>()?,
        })
    }

    /// What was taken from the rows that were read, by cause.
    pub(crate) fn taken(&self) -> [u64; 3] {
        [self.set_aside_rows(), self.opted_out, self.superseded]
    }

    pub(crate) fn set_aside_rows(&self) -> u64 {
        self.set_aside.values().map(|rows| rows.count).sum()
    }

    /// Rows with the record id of an earlier one.
    pub(crate) fn duplicate_ids(&self) -> u64 {
        self.set_aside.get(&SetAside::DuplicateRecordId).map_or(0, |rows| rows.count)
    }

    /// Whether more than half of the rows cannot be decoded: then it is not the rows that are wrong.
    pub(crate) fn encoding_is_wrong(&self) -> bool {
        let mut undecodable = vec![0; self.present.len()];
        for ((field, ..), found) in self.broken.iter().filter(|((_, rule, _), _)| *rule == Rule::UndecodableBytes) {
            undecodable[*field] += found.count;
        }
        undecodable.into_iter().any(|count| count > self.rows / 2)
    }

    /// The lines of a report to a person at the site.
    ///
    /// Counts below `limit` are hidden: of 1 in a summary for the site alone, where all are exact, and more in what may be
    /// passed on.
    pub(crate) fn lines(&self, fields: &[&str], rows: usize, limit: u64) -> Vec<String> {
        let count = |count| hidden(count, limit);
        let describe = |found: &Rows| match rows {
            0 => String::new(),
            _ => format!(" (rows {})", found.listed(rows)),
        };
        let set_aside = self.set_aside.iter().map(|(why, found)| {
            format!("set aside: {}, {}: {}{}", why.code(), why.message(), count(found.count), describe(found))
        });
        let names = self.names.iter().map(|(note, found)| {
            let effect = if *note == NameNote::WithoutField { "not used" } else { "moved" };
            format!("{effect}: {}, {}: {}{}", note.code(), note.message(), count(found.count), describe(found))
        });
        let broken = self.broken.iter().map(|((field, rule, effect), found)| {
            let (effect, code, message) = (effect.text(), rule.code(), rule.message());
            format!("{effect}: `{}` {code}, {message}: {}{}", fields[*field], count(found.count), describe(found))
        });
        set_aside.chain(names).chain(broken).collect()
    }

    /// The same for a script.
    pub(crate) fn json(&self, fields: &[&str], rows: usize, limit: u64) -> Value {
        let count = |count| hidden(count, limit).json();
        let first = |found: &Rows| found.first[..rows.min(found.first.len())].to_vec();
        json!({
            "rows": count(self.rows),
            "opted_out": count(self.opted_out),
            "superseded": count(self.superseded),
            "set_aside": self.set_aside.iter().map(|(why, found)| json!({
                "rule": why.code(), "rows": count(found.count), "first_rows": first(found),
            })).collect::<Vec<_>>(),
            "names": self.names.iter().map(|(note, found)| json!({
                "rule": note.code(), "rows": count(found.count), "first_rows": first(found),
            })).collect::<Vec<_>>(),
            "broken": self.broken.iter().map(|((field, rule, effect), found)| json!({
                "field": fields[*field], "rule": rule.code(), "rows": count(found.count),
                "value": effect.text(), "first_rows": first(found),
            })).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests;
