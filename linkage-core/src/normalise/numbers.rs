//! Plain numbers and postal codes.

use super::{Outcome, Rule, text};

/// Digits only; spaces and hyphens between them go, leading zeros stay.
pub(super) fn digits(raw: &str, out: &mut String) -> Result<Outcome, Rule> {
    collect_digits(raw, out, Rule::NotDigits)?;
    Ok(if out.is_empty() { Outcome::Missing } else { Outcome::Value })
}

/// A postal code: seven digits in Japan, three or five in its old form, four to six elsewhere.
pub(super) fn postal_code(raw: &str, out: &mut String) -> Result<Outcome, Rule> {
    collect_digits(raw, out, Rule::NotAPostalCode)?;
    match out.as_str() {
        // 0000000 is "unknown" and 9999999 "abroad" in the DPC format.
        "" | "0000000" | "9999999" => Ok(Outcome::Missing),
        code if (3..=7).contains(&code.len()) => Ok(Outcome::Value),
        _ => Err(Rule::NotAPostalCode),
    }
}

/// Appends the digits of `raw`, or names `rule` when anything else than separators stands among them.
pub(super) fn collect_digits(raw: &str, out: &mut String, rule: Rule) -> Result<(), Rule> {
    // Plain digits, as nearly all are.
    if raw.bytes().all(|byte| byte.is_ascii_digit()) {
        out.push_str(raw);
        return Ok(());
    }
    let mut broken = false;
    text::for_each(raw, |c| {
        if c.is_ascii_digit() {
            out.push(c);
        } else if !(text::is_space(c) || is_separator(c)) {
            broken = true;
        }
    });
    if broken { Err(rule) } else { Ok(()) }
}

/// What people write between the groups of a number; ー is what a kana keyboard gives for a hyphen.
pub(super) fn is_separator(c: char) -> bool {
    matches!(c, '-' | 'ー' | '〒' | '\u{2010}'..='\u{2015}' | '\u{2500}')
}
