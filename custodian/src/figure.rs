//! Counts and shares as they may be shown: exact, or in words where an exact one would tell of few people.

use std::fmt;

use serde_json::Value;

/// Counts below this are not shown: a small cell can point at a person.
pub(crate) const SMALL_CELL: u64 = 10;

/// A figure for people and for scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Figure {
    /// An exact count.
    Count(u64),
    /// A share in whole per cent.
    Percent(u64),
    /// Words, such as `<10` or `at least 3,870`, because the count is hidden, rounded or estimated.
    Words(String),
}

impl Figure {
    /// A number where it is one, else the words.
    pub(crate) fn json(&self) -> Value {
        match self {
            Self::Count(number) | Self::Percent(number) => (*number).into(),
            Self::Words(words) => words.as_str().into(),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => f.pad(&grouped(*count)),
            Self::Percent(percent) => f.pad(&format!("{percent} %")),
            Self::Words(words) => f.pad(words),
        }
    }
}

/// A count, or `<limit` when it is below the limit but not zero; a limit of 1 hides nothing.
pub(crate) fn hidden(count: u64, limit: u64) -> Figure {
    if (1..limit).contains(&count) { Figure::Words(format!("<{limit}")) } else { Figure::Count(count) }
}

/// A count, or `<10` when it is small but not zero.
pub(crate) fn suppressed(count: u64) -> Figure {
    hidden(count, SMALL_CELL)
}

/// How many of `rows` have something: in whole per cent, and without a number where few have it or few lack it.
pub(crate) fn share(present: u64, rows: u64) -> Figure {
    let missing = rows.saturating_sub(present);
    if (1..SMALL_CELL).contains(&present) {
        Figure::Words(format!("in <{SMALL_CELL} rows"))
    } else if present > 0 && (1..SMALL_CELL).contains(&missing) {
        Figure::Words(format!("in all but <{SMALL_CELL} rows"))
    } else {
        Figure::Percent((present * 100).checked_div(rows).unwrap_or(0))
    }
}

/// What remains, rounded down when the exact figure would tell a number below `limit`: its own or one that was taken away.
pub(crate) fn remainder(remaining: u64, taken: &[u64], limit: u64) -> Figure {
    if taken.iter().chain([&remaining]).any(|count| (1..limit).contains(count)) {
        return Figure::Words(format!("at least {}", grouped(remaining / limit * limit)));
    }
    Figure::Count(remaining)
}

/// A number with its thousands set apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
