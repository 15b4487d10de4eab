//! Step 13: the numbers by which a person is insured.

use super::numbers::{collect_digits, is_separator};
use super::{Outcome, Rule, text};

/// 保険者番号: eight digits, shorter ones (国保 has six) filled with zeros on the left.
pub(super) fn insurer_number(raw: &str, out: &mut String) -> Result<Outcome, Rule> {
    collect_digits(raw, out, Rule::NotAnInsurerNumber)?;
    if out.bytes().all(|digit| digit == b'0') {
        return Ok(Outcome::Missing);
    }
    if !(4..=8).contains(&out.len()) {
        return Err(Rule::NotAnInsurerNumber);
    }
    pad(out, 8);
    Ok(if check_digit_fits(out) { Outcome::Value } else { Outcome::Flagged(Rule::CheckDigit) })
}

/// 記号 or 番号: letters, kana, kanji and digits in upper case, without what people write between the groups.
pub(super) fn symbol_or_number(raw: &str, out: &mut String) -> Result<Outcome, Rule> {
    let mut broken = false;
    // の joins groups ("12の34") but can also be a symbol of its own, so only one between two others goes.
    let mut held_back = None;
    text::for_each(raw, |c| match c {
        _ if text::is_space(c) || is_separator(c) || matches!(c, '・' | '/') => {}
        'の' | 'ノ' => {
            if out.is_empty() {
                out.push('ノ');
            } else {
                held_back = Some('ノ');
            }
        }
        '\u{3041}'..='\u{3096}' => {
            held_back = None;
            out.extend(char::from_u32(u32::from(c) + 0x60));
        }
        _ if c.is_alphanumeric() => {
            held_back = None;
            out.push(c.to_ascii_uppercase());
        }
        _ => broken = true,
    });
    out.extend(held_back);
    match (broken, out.is_empty()) {
        (true, _) => Err(Rule::NotASymbol),
        (false, true) => Ok(Outcome::Missing),
        (false, false) => Ok(Outcome::Value),
    }
}

/// 枝番: two digits.
pub(super) fn branch(raw: &str, out: &mut String) -> Result<Outcome, Rule> {
    collect_digits(raw, out, Rule::NotABranch)?;
    match out.len() {
        0 => Ok(Outcome::Missing),
        1 | 2 => {
            pad(out, 2);
            Ok(Outcome::Value)
        }
        _ => Err(Rule::NotABranch),
    }
}

fn pad(digits: &mut String, length: usize) {
    while digits.len() < length {
        digits.insert(0, '0');
    }
}

/// Weights 2, 1, 2, 1 … from the right over all digits but the last, digits of each product summed (japan-formats §3.7).
pub(super) fn check_digit_fits(number: &str) -> bool {
    let Some((&last, digits)) = number.as_bytes().split_last() else { return false };
    let sum: u32 = digits
        .iter()
        .rev()
        .zip([2, 1].into_iter().cycle())
        .map(|(digit, weight)| {
            let product = u32::from(digit - b'0') * weight;
            product / 10 + product % 10
        })
        .sum();
    u32::from(last - b'0') == (10 - sum % 10) % 10
}
