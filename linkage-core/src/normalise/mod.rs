//! Text as custodians hold it → the one canonical text that is encoded (docs/spec/normalisation.md).
//!
//! Normalisation decides most of the quality of a link: the same person written full-width here, half-width there, with
//! an era date here and a western one there, must become the same q-grams. Every function is pure and follows the same
//! order of steps; what is lost on the way (an impossible date, an unreadable name) is a [`Rule`], never a silent guess.

mod changes;
mod date;
mod facility;
mod insurer;
mod kana;
mod kanji;
mod latin;
mod numbers;
mod rule;
mod script;
mod sex;
mod text;
mod variants;
mod words;

#[cfg(test)]
mod tests;

pub use changes::{Change, Changes, changes};
pub use rule::Rule;
pub use script::{NameRoutes, is_kana};

use crate::schema::FieldKind;

/// The version of the normalisation that this library carries out; a linkage schema names it.
pub const VERSION: &str = "ja/1";

/// Stands in normalised names for one character that cannot be read (外字, ● and their like).
///
/// No q-gram may be built across it: two unreadable characters are not known to be the same one.
pub const WILDCARD: char = '\u{FFFD}';

/// The longest raw value that is looked at, in bytes. A longer one is no name, date or number.
pub const MAX_VALUE_BYTES: usize = 1024;

/// What became of a value that broke no rule, or only one that leaves the value in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing there: empty, blank, or a declared "unknown" such as sex 0 or date 00000000.
    Missing,
    /// The canonical text has been written.
    Value,
    /// The canonical text has been written, and a rule that only warns was broken.
    Flagged(Rule),
}

/// Normalises one value into `out`, which is cleared first, so that a caller can reuse its memory.
///
/// `out` is empty unless the outcome is [`Outcome::Value`] or [`Outcome::Flagged`].
///
/// # Errors
/// The rule that the value breaks. The value then counts as missing; the rule's text does not contain it.
pub fn normalise_into(kind: FieldKind, raw: &str, out: &mut String) -> Result<Outcome, Rule> {
    out.clear();
    let outcome = dispatch(kind, raw, out);
    match outcome {
        Ok(Outcome::Value | Outcome::Flagged(_)) => {}
        Ok(Outcome::Missing) | Err(_) => out.clear(),
    }
    outcome
}

/// Normalises one value: its canonical text, or `None` when it is missing.
///
/// Rules that only warn do not show here; [`normalise_into`] reports them.
///
/// # Errors
/// As [`normalise_into`].
pub fn normalise(kind: FieldKind, raw: &str) -> Result<Option<String>, Rule> {
    let mut out = String::new();
    Ok(match normalise_into(kind, raw, &mut out)? {
        Outcome::Missing => None,
        Outcome::Value | Outcome::Flagged(_) => Some(out),
    })
}

fn dispatch(kind: FieldKind, raw: &str, out: &mut String) -> Result<Outcome, Rule> {
    if raw.is_empty() {
        return Ok(Outcome::Missing);
    }
    if raw.len() > MAX_VALUE_BYTES {
        return Err(Rule::TooLong);
    }
    match kind {
        FieldKind::Kana => kana::normalise(raw, out),
        FieldKind::KanaUnlengthened => kana::normalise_unlengthened(raw, out),
        FieldKind::KanaUnvoiced => kana::normalise_unvoiced(raw, out),
        FieldKind::KanaSorted => words::normalise_kana(raw, out),
        FieldKind::Kanji => kanji::normalise(raw, out),
        FieldKind::Latin => latin::normalise(raw, out),
        FieldKind::LatinSorted => words::normalise_latin(raw, out),
        FieldKind::Date => date::normalise(raw, out),
        FieldKind::Sex => sex::normalise(raw, out),
        FieldKind::PostalCode => numbers::postal_code(raw, out),
        FieldKind::Digits => numbers::digits(raw, out),
        FieldKind::InsurerNumber => insurer::insurer_number(raw, out),
        FieldKind::InsuredSymbol | FieldKind::InsuredNumber => insurer::symbol_or_number(raw, out),
        FieldKind::InsuredBranch => insurer::branch(raw, out),
        FieldKind::FacilityCode => facility::code(raw, out),
        FieldKind::ChartNumber => facility::chart_number(raw, out),
    }
}
