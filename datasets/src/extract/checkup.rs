//! Specific health checkups (特定健診): HL7 CDA documents (`japan-formats.md` §3.4), one after the other within one element,
//! for a file per person would be a million files. The name is in katakana without a space, the numbers in half width.

use std::fmt::Write;

use super::{Record, uke};
use crate::notation::large;

/// The element around the documents.
pub(super) fn frame(out: &mut [String], end: bool) {
    let text = match end {
        false => "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<documents>\n",
        true => "</documents>\n",
    };
    out[0].push_str(text);
}

pub(super) fn write(records: &mut [Record<'_>], out: &mut [String]) {
    for record in records {
        let text = &mut out[0];
        let seen = &record.seen;
        let day = uke::compact(record.day);
        let insurance = seen.insurance.as_ref();
        let insurer = insurance.map_or_else(String::new, |insurance| format!("{:0>8}", insurance.insurer_number));
        let [symbol, number] =
            [insurance.map(|i| i.symbol.as_str()), insurance.map(|i| i.number.as_str())].map(Option::unwrap_or_default);
        let sex = seen.sex.map_or("", |sex| ["1", "2"][sex as usize]);
        let birth = seen.birth.map_or_else(String::new, uke::compact);
        let kana = [&seen.family.kana, &seen.given.kana].map(|kana| kana.replace(' ', "")).concat();

        let _ = writeln!(text, "<ClinicalDocument xmlns=\"urn:hl7-org:v3\">\n<effectiveTime value=\"{day}\"/>");
        text.push_str("<recordTarget><patientRole>\n");
        for (root, value) in [("101", insurer.as_str()), ("204", symbol), ("205", number)] {
            if !value.is_empty() {
                let _ = writeln!(text, "<id extension=\"{value}\" root=\"1.2.392.200119.6.{root}\"/>");
            }
        }
        if let Some((area, town)) = seen.postal_code.split_at_checked(3) {
            let _ = writeln!(text, "<addr><postalCode>{area}-{town}</postalCode></addr>");
        }
        let _ = writeln!(text, "<patient><name>{kana}</name>");
        if !sex.is_empty() {
            let system = "1.2.392.200119.6.1104";
            let _ = writeln!(text, "<administrativeGenderCode code=\"{sex}\" codeSystem=\"{system}\"/>");
        }
        if !birth.is_empty() {
            let _ = writeln!(text, "<birthTime value=\"{birth}\"/>");
        }
        text.push_str("</patient>\n</patientRole></recordTarget>\n");
        let _ = writeln!(
            text,
            "<documentationOf><serviceEvent><effectiveTime value=\"{day}\"/></serviceEvent></documentationOf>"
        );
        text.push_str("</ClinicalDocument>\n");

        // A checkup has no chart: its reader knows a person by the insurance, sex, birth date and name. Without birth date
        // or name it knows nobody, and sets the record aside.
        if !birth.is_empty() && !kana.is_empty() {
            record.id = format!("::{insurer}:{symbol}:{number}::{sex}:{birth}:{}", folded(&kana));
        }
    }
}

/// A reading in the form in which readers compare readings: small kana large, one spelling per sound.
fn folded(kana: &str) -> String {
    let mut out = String::with_capacity(kana.len());
    let mut after_vu = false;
    for c in kana.chars() {
        let plain = match large(c) {
            'ア' | 'イ' | 'エ' | 'オ' if after_vu => {
                out.pop();
                match large(c) {
                    'ア' => 'バ',
                    'イ' => 'ビ',
                    'エ' => 'ベ',
                    _ => 'ボ',
                }
            }
            'ヂ' => 'ジ',
            'ヅ' => 'ズ',
            'ヲ' => 'オ',
            'ヴ' => 'ブ',
            other => other,
        };
        after_vu = c == 'ヴ';
        out.push(plain);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_are_folded() {
        assert_eq!(folded("ヴァンッヂヴー"), "バンツジブー");
    }
}
