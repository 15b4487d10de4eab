//! Electronic health records (電子カルテ情報): FHIR Patients of JP Core and CLINS, one per line (`japan-formats.md` §3.5).
//! Facilities of several generations: some write the name in one text, some without a separator, some have the old URI.

use serde_json::{Value, json};

use super::Record;
use crate::insurance::Insurance;
use crate::notation::full_width;

const REPRESENTATION: &str = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation";
const FACILITY_PATIENT: &str = "urn:oid:1.2.392.100495.20.3.51.1";
const MEMBER: &str = "http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID";
/// The same before the typing error was found.
const MEMBER_BEFORE: &str = "http://jpfhir.jp/fhir/eCS/Idsysmem/JP_Insurance_memberID";

pub(super) fn write(records: &mut [Record<'_>], out: &mut [String]) {
    for record in records {
        let (facility, habits) = (record.facility, &record.plan.habits);
        let chart = format!("{:09}", record.chart);
        record.id = format!("{}:{chart}", facility.ten_digits());
        let old = facility.has("old systems", habits.old_systems, 0);
        let seen = &record.seen;
        let system = format!("{FACILITY_PATIENT}{}", facility.ten_digits());
        let mut identifiers = vec![json!({"system": system, "value": chart})];
        if let Some(Insurance { insurer_number, symbol, number, branch }) = &seen.insurance {
            let wide = facility.has("wide numbers", habits.wide_numbers, 0);
            let [symbol, number] = [symbol, number].map(|text| if wide { full_width(text) } else { text.clone() });
            let value = format!("{insurer_number:0>8}:{symbol}:{number}:{branch}");
            identifiers.push(json!({"system": if old { MEMBER_BEFORE } else { MEMBER }, "value": value}));
        }
        let whole = facility.has("whole names", habits.whole_names, 0);
        let mut names = Vec::new();
        if let (Some(family), Some(given)) = (&seen.family.kanji, &seen.given.kanji) {
            // A foreign resident without kanji is registered in the alphabet.
            let script = if family.is_ascii() && given.is_ascii() { "ABC" } else { "IDE" };
            names.push(name(script, "official", [family, given], old, whole));
        }
        if !seen.family.kana.is_empty() || !seen.given.kana.is_empty() {
            names.push(name("SYL", "official", [&seen.family.kana, &seen.given.kana], old, whole));
        }
        if let Some([family, given]) = &seen.alias {
            let kanji = [family, given].map(|name| name.kanji.as_deref().unwrap_or_default());
            names.push(name("IDE", "usual", kanji, old, whole));
            names.push(name("SYL", "usual", [&family.kana, &given.kana], old, whole));
        }
        let (year, month, day) = (record.day.year, record.day.month, record.day.day);
        let mut patient = json!({
            "resourceType": "Patient",
            "meta": {"lastUpdated": format!("{year:04}-{month:02}-{day:02}T09:00:00+09:00")},
            "identifier": identifiers,
            "name": names,
            "gender": seen.sex.map_or("unknown", |sex| ["male", "female"][sex as usize]),
        });
        if let Some(birth) = seen.birth {
            patient["birthDate"] = json!(format!("{:04}-{:02}-{:02}", birth.year, birth.month, birth.day));
        }
        if let Some((area, town)) = seen.postal_code.split_at_checked(3) {
            patient["address"] = json!([{"use": "home", "postalCode": format!("{area}-{town}")}]);
        }
        out[0].push_str(&patient.to_string());
        out[0].push('\n');
    }
}

fn name(code: &str, usage: &str, [family, given]: [&str; 2], old: bool, whole: bool) -> Value {
    let value = if old { "valueString" } else { "valueCode" };
    let extension = json!([{"url": REPRESENTATION, value: code}]);
    let text = format!("{family} {given}");
    let text = text.trim();
    // A system that cannot tell the parts apart gives the text alone.
    if whole {
        return json!({"extension": extension, "use": usage, "text": text});
    }
    let given: Vec<&str> = given.split(' ').filter(|part| !part.is_empty()).collect();
    json!({"extension": extension, "use": usage, "text": text, "family": family, "given": given})
}
