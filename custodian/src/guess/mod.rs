//! A mapping proposed from the names of the columns and from what their values look like, for a person to confirm.
//!
//! No value of the extract gets into it: names of columns, shares in steps of ten per cent, and marks of a fixed list.

mod sample;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use linkage_core::schema::{FieldKind, LinkageSchema};
use linkage_core::source::{Fit, MAPPING_FORMAT, Role};

pub(crate) use sample::{SAMPLE_BYTES, Sample};

/// How sure a guess is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Confidence {
    /// The values look like it; the name says nothing.
    Low,
    /// The name or the values leave a doubt.
    Medium,
    /// The name is a known one, and the values look like it.
    High,
}

impl Confidence {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// Where a field may come from.
struct Guess {
    column: usize,
    part: Option<&'static str>,
    date: Option<&'static str>,
    confidence: Confidence,
    why: String,
    score: f64,
}

/// A proposal, and how sure it is of each field.
pub(crate) struct Proposal {
    /// The text of a mapping file.
    pub(crate) text: String,
    /// Per field of the schema; `None` when it seems to be absent.
    pub(crate) fields: Vec<(String, Option<Confidence>)>,
}

/// Proposes a mapping from the first rows of an extract.
pub(crate) fn propose(sample: &Sample, schema: &LinkageSchema) -> Proposal {
    let mut guesses: Vec<Option<Guess>> = schema.fields().iter().map(|_| None).collect();
    let mut taken = vec![false; sample.columns.len()];
    // The surest first, so that a column goes to the field that it fits best.
    loop {
        // Of equals the last wins, and that shall be the first field.
        let open = (0..guesses.len()).rev().filter(|&field| guesses[field].is_none());
        let best = open
            .filter_map(|at| {
                let field = &schema.fields()[at];
                Some((at, best_for(field.name(), field.kind(), sample, &taken)?))
            })
            .max_by(|(_, a), (_, b)| a.score.total_cmp(&b.score));
        let Some((field, guess)) = best else { break };
        // Both parts of a name come from one column, and a chart's number also tells the rows apart.
        let shared = guess.part.is_some() || schema.fields()[field].kind() == FieldKind::ChartNumber;
        taken[guess.column] |= !shared;
        guesses[field] = Some(guess);
    }
    let id = id_column(sample, &taken);
    let names = schema.fields().iter().map(|field| field.name().to_owned());
    let fields = names.zip(guesses.iter().map(|guess| guess.as_ref().map(|guess| guess.confidence))).collect();
    Proposal { text: write(schema, sample, id, &guesses), fields }
}

/// The column that a field fits best.
fn best_for(field: &str, kind: FieldKind, sample: &Sample, taken: &[bool]) -> Option<Guess> {
    let role = role_of(field, kind);
    let mut best: Option<Guess> = None;
    for column in (0..sample.columns.len()).filter(|&column| !taken[column] && !sample.is_empty(column)) {
        let mut offer = |role: Option<&Role>, part: Option<&'static str>| {
            let guess = judge(role, part, kind, sample, column);
            if let Some(guess) = guess
                && best.as_ref().is_none_or(|best| guess.score > best.score)
            {
                best = Some(guess);
            }
        };
        offer(role, None);
        if let Some((whole, part)) = role.and_then(|role| whole_name(role.name)) {
            offer(Role::of(whole), Some(part));
        }
    }
    best
}

/// The role that a field of a schema has, by its name and kind.
fn role_of(field: &str, kind: FieldKind) -> Option<&'static Role> {
    let fits = |role: &&Role| role.fit(field) == Fit::Is && kind_of(role.name).is_none_or(|of| of == kind);
    Role::of(field).or_else(|| Role::all().iter().find(fits))
}

/// What the values of a role are; `None` where a name can be in any script or a number of any form.
fn kind_of(role: &str) -> Option<FieldKind> {
    Some(match role {
        "birth_date" => FieldKind::Date,
        "sex" => FieldKind::Sex,
        _ if role.ends_with("_kana") => FieldKind::Kana,
        _ if role.ends_with("_kanji") => FieldKind::Kanji,
        _ if role.ends_with("_latin") => FieldKind::Latin,
        _ => return None,
    })
}

/// The column of the whole name in which a part of it stands.
fn whole_name(role: &str) -> Option<(&'static str, &'static str)> {
    Some(match role {
        "family_kana" => ("name_kana", "first"),
        "given_kana" => ("name_kana", "rest"),
        "family_kanji" => ("name_kanji", "first"),
        "given_kanji" => ("name_kanji", "rest"),
        // A name in Latin letters has the given name first as often as not, so it is not split by guess.
        _ => return None,
    })
}

fn judge(
    role: Option<&Role>,
    part: Option<&'static str>,
    kind: FieldKind,
    sample: &Sample,
    column: usize,
) -> Option<Guess> {
    let fit = match (&sample.header, role) {
        (Some(header), Some(role)) => role.fit(&header[column]),
        _ => Fit::None,
    };
    let mut accepted = sample.accepts(column, kind);
    let mut date = None;
    if kind == FieldKind::Date && fit > Fit::None && accepted < 0.5 {
        (date, accepted) = year_last(sample, column).unwrap_or((None, accepted));
    }
    let spaced = sample.share(column, |value| value.contains([' ', '\u{3000}']));
    let (confidence, base) = match fit {
        Fit::Is if accepted >= 0.9 => (Confidence::High, 3.0),
        Fit::Is => (Confidence::Medium, 2.0),
        Fit::Contains if accepted >= 0.9 => (Confidence::Medium, 1.5),
        Fit::None if accepted >= 0.95 && part.is_none() && tells(kind, sample, column) => (Confidence::Low, 0.5),
        _ => return None,
    };
    // A kanji column full of kana is not a kanji column, whatever its name says.
    if accepted < 0.3 && matches!(kind, FieldKind::Kana | FieldKind::Kanji | FieldKind::Date | FieldKind::Sex) {
        return None;
    }
    let confidence = if part.is_some() && spaced < 0.5 { Confidence::Low } else { confidence };
    let name = match fit {
        Fit::Is => "its name is a known one",
        Fit::Contains => "its name contains a known one",
        Fit::None => "its name says nothing",
    };
    let mut why = format!("{name}; {} of the values are accepted", tenths(accepted));
    if part.is_some() {
        let _ = write!(why, "; {} have a space, a name without one stands whole in the family name", tenths(spaced));
    }
    if date.is_some() {
        why.push_str("; check the order of day and month");
    }
    let penalty = if part.is_some() { 0.4 } else { 0.0 };
    Some(Guess { column, part, date, confidence, why, score: base + accepted * 0.4 - penalty })
}

/// Whether values alone can tell a kind: most things are accepted as a number or as a Latin name.
fn tells(kind: FieldKind, sample: &Sample, column: usize) -> bool {
    match kind {
        FieldKind::Date => sample.share(column, |value| value.chars().count() >= 6) > 0.9,
        FieldKind::Kana | FieldKind::Kanji => sample.header.is_none(),
        FieldKind::Sex => sample.header.is_none() && sample.share(column, |value| value.chars().count() <= 6) > 0.9,
        FieldKind::InsurerNumber => sample.share(column, |value| value.len() == 8) > 0.9,
        _ => false,
    }
}

/// Whether the dates of a column have the year last, and then which comes first; the share of the values that fit.
fn year_last(sample: &Sample, column: usize) -> Option<(Option<&'static str>, f64)> {
    let parts = |value: &str| -> Option<[u32; 3]> {
        let mut parts = value.split(['/', '-', '.', ' ']).map(|part| part.parse().ok());
        let three = [parts.next()??, parts.next()??, parts.next()??];
        (parts.next().is_none() && three[2] >= 1000).then_some(three)
    };
    let share = |first: u32, second: u32| {
        sample.share(column, |value| parts(value).is_some_and(|[a, b, _]| a <= first && b <= second))
    };
    let (day_first, month_first) = (share(31, 12), share(12, 31));
    let order = if month_first > day_first { "month-first" } else { "day-first" };
    (day_first.max(month_first) > 0.5).then_some((Some(order), day_first.max(month_first)))
}

fn id_column(sample: &Sample, taken: &[bool]) -> Option<usize> {
    let header = sample.header.as_ref()?;
    let role = Role::of("record_id")?;
    let open = (0..header.len()).filter(|&column| !taken[column] && sample.identifies(column));
    open.filter(|&column| role.fit(&header[column]) > Fit::None).max_by_key(|&column| role.fit(&header[column]))
}

/// A share in words, too coarse to count anybody.
fn tenths(share: f64) -> String {
    match (share * 10.0).floor() as u32 {
        0 => "less than 10 %".to_owned(),
        10.. => "all".to_owned(),
        tenths => format!("at least {} %", tenths * 10),
    }
}

fn write(schema: &LinkageSchema, sample: &Sample, id: Option<usize>, guesses: &[Option<Guess>]) -> String {
    let mut text = String::new();
    let mut line = |line: &str| text.extend([line, "\n"]);
    line("# Proposed by `custodian map --guess` from names of columns and looks of values: read every line.");
    line("# Then set confirmed = true; `tokenise` takes no mapping that nobody has confirmed. docs/spec/mapping.md");
    line(&format!("format = {}", quoted(MAPPING_FORMAT)));
    line(&format!("schema = {}", quoted(schema.name())));
    line("confirmed = false");
    // Parquet says itself how it is written.
    if let Some((encoding, delimiter)) = sample.text {
        line(&format!("encoding = {}", quoted(&encoding.to_string())));
        line(&format!("delimiter = {}", quoted(&char::from(delimiter).to_string())));
        line(&format!("header = {}", sample.header.is_some()));
    }
    let is_name = |kind| matches!(kind, FieldKind::Kana | FieldKind::Kanji | FieldKind::Latin | FieldKind::LatinSorted);
    let others = schema.fields().iter().zip(guesses).filter(|(field, _)| !is_name(field.kind()));
    let nameless: Vec<usize> = others.filter_map(|(_, guess)| Some(guess.as_ref()?.column)).collect();
    let marks: Vec<String> = sample.marks(&nameless).into_iter().map(quoted).collect();
    if !marks.is_empty() {
        line(
            "# These values occur, and are commonly written for \"missing\"; a name that is one of them would be missing too.",
        );
        line(&format!("missing = [{}]", marks.join(", ")));
    }
    let name = |column: usize| match &sample.header {
        Some(header) => quoted(&header[column]),
        None => (column + 1).to_string(),
    };
    match id {
        Some(column) => line(&format!("# nearly every row has its own\nid_column = {}", name(column))),
        None => {
            line("# id_column = …  # no column is known to identify a row: its number will");
            let open = (0..sample.columns.len()).filter(|&column| sample.header.is_some() && sample.identifies(column));
            let own: Vec<String> = open.map(&name).collect();
            if !own.is_empty() {
                line(&format!("# nearly every row has its own value in: {}", own.join(", ")));
            }
        }
    }
    for (field, guess) in schema.fields().iter().zip(guesses) {
        line("");
        match guess {
            None => line(&format!("# no column found\n[fields.{}]\nabsent = true", field.name())),
            Some(guess) => {
                line(&format!("# {} confidence: {}", guess.confidence.name(), guess.why));
                line(&format!("[fields.{}]\ncolumn = {}", field.name(), name(guess.column)));
                guess.part.iter().for_each(|part| line(&format!("part = {}", quoted(part))));
                guess.date.iter().for_each(|date| line(&format!("date = {}", quoted(date))));
            }
        }
    }
    let used = |column: &usize| id == Some(*column) || guesses.iter().flatten().any(|guess| guess.column == *column);
    let unused: Vec<String> = (0..sample.columns.len()).filter(|column| !used(column)).map(name).collect();
    if !unused.is_empty() {
        line(&format!("\n# columns that no field takes: {}", unused.join(", ")));
    }
    text
}

/// A TOML string. Names of columns come from a file, so nothing in them may end the string or the line.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\t' => quoted.push_str("\\t"),
            _ if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
