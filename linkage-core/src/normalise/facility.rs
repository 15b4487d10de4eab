//! Where a person is a patient, and under which number.

use super::numbers::collect_digits;
use super::{Outcome, Rule, insurer};

/// 医療機関コード: prefecture (2) and facility (7). Receipts and FHIR have the points table between them, 様式1 has not; it
/// says nothing of who the facility is, so it goes.
pub(super) fn code(raw: &str, out: &mut String) -> Result<Outcome, Rule> {
    collect_digits(raw, out, Rule::NotAFacilityCode)?;
    if out.bytes().all(|digit| digit == b'0') {
        return Ok(Outcome::Missing);
    }
    match out.len() {
        9 => {}
        10 => {
            out.remove(2);
        }
        _ => return Err(Rule::NotAFacilityCode),
    }
    // Ten digits that lost the zero in front look like nine, and begin with a points table.
    match out[..2].parse() {
        Ok(1_u8..=47) => Ok(Outcome::Value),
        _ => Err(Rule::NotAFacilityCode),
    }
}

/// カルテ番号 or データ識別番号: written like the number of an insured person, but padded with zeros here and not there.
pub(super) fn chart_number(raw: &str, out: &mut String) -> Result<Outcome, Rule> {
    let outcome = insurer::symbol_or_number(raw, out)?;
    let zeros = out.len() - out.trim_start_matches('0').len();
    out.drain(..zeros);
    Ok(if out.is_empty() { Outcome::Missing } else { outcome })
}
