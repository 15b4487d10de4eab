//! The same electronic health records (電カル) in standardised storages (SS-MIX2): HL7 v2.5 messages in ISO-2022-JP, a file per
//! message, in a tree of patient, date and type under each hospital (`japan-formats.md` §3.6). Master data (`ADT-00`) have
//! the insurance; prescriptions (`OMP-01`) repeat the patient without it.

use std::fmt::Write;

use super::{Record, uke};
use crate::date::Date;
use crate::insurance::Insurance;
use crate::notation::full_width;
use crate::observe::Observation;

/// By how many days a prescription is later than the master data; more than a month, because readers may tell no less apart.
const DAYS_LATER: u32 = 40;

/// The habits of one hospital's system.
#[derive(Clone, Copy)]
struct Habits {
    /// A caret too few before the codes of a name.
    caret_missing: bool,
    /// The whole name in the place of the family name.
    whole: bool,
    /// Further given names in a place of their own.
    middle: bool,
    /// Symbols and numbers of insurance in full width.
    wide: bool,
}

/// The messages of a block of people.
pub(super) fn write(records: &mut [Record<'_>], out: &mut Vec<(String, String)>) {
    for record in records {
        let (facility, rates) = (record.facility, &record.plan.habits);
        let chart = format!("{:09}", record.chart);
        record.id = format!("{}:{chart}", facility.ten_digits());
        let habits = Habits {
            caret_missing: facility.has("caret missing", rates.caret_missing, 0),
            whole: facility.has("whole names", rates.whole_names, 0),
            middle: facility.has("middle names", rates.middle_names, 0),
            wide: facility.has("wide numbers", rates.wide_numbers, 0),
        };
        let folder = format!("{}/{}/{}/{chart}", facility.ten_digits(), &chart[..3], &chart[3..6]);
        let patient = patient(&record.seen, &chart, habits);
        let prescribed = record.random.chance(rates.prescribed);
        let master = if prescribed { record.day.days_before(DAYS_LATER).max(record.person.birth) } else { record.day };

        let mut text = header(&record.facility.ten_digits(), master, "ADT^A08^ADT_A01", record.chart);
        let _ = write!(text, "EVN||{}\r{patient}PV1|0001|N\r", time(master));
        if let Some(insurance) = &record.seen.insurance {
            text.push_str(&insured(insurance, habits));
        }
        // Master data are of no day; the long number stands where others have that of the order.
        let name = format!("{chart}_-_ADT-00_999999999999999_{}000_-_1", time(master));
        out.push((format!("{folder}/-/ADT-00/{name}"), text));

        if prescribed {
            let day = uke::compact(record.day);
            let order = record.chart % 1_000_000 + 1;
            let mut text = header(&record.facility.ten_digits(), record.day, "OMP^O09^OMP_O09", record.chart);
            let _ = write!(text, "{patient}ORC|NW|{order:015}|||||||{}\r", time(record.day));
            text.push_str("RXE||103835401^架空錠１ｍｇ^HOT|1||TAB^錠^MR9P\r");
            let name = format!("{chart}_{day}_OMP-01_{order:015}_{}000_01_1", time(record.day));
            out.push((format!("{folder}/{day}/OMP-01/{name}"), text));
        }
    }
}

fn header(facility: &str, day: Date, kind: &str, number: u64) -> String {
    let time = time(day);
    format!("MSH|^~\\&|HIS|{facility}|GW|GW|{time}||{kind}|{time}{number:06}|P|2.5||||||~ISO IR87||ISO 2022-1994\r")
}

fn time(day: Date) -> String {
    format!("{}090000", uke::compact(day))
}

/// The PID segment.
fn patient(seen: &Observation, chart: &str, habits: Habits) -> String {
    let kanji = match (&seen.family.kanji, &seen.given.kanji) {
        // A name in the alphabet is told by its code.
        (Some(family), Some(given)) if family.is_ascii() && given.is_ascii() => name("L^A", family, given, habits),
        (Some(family), Some(given)) => name("L^I", family, given, habits),
        _ => String::new(),
    };
    let kana = match (seen.family.kana.as_str(), seen.given.kana.as_str()) {
        ("", "") => String::new(),
        (family, given) => name("L^P", family, given, habits),
    };
    let [alias_kanji, alias_kana] = seen.alias.as_ref().map_or_else(Default::default, |[family, given]| {
        let [family_kanji, given_kanji] = [family, given].map(|name| name.kanji.as_deref().unwrap_or_default());
        [name("A^I", family_kanji, given_kanji, habits), name("A^P", &family.kana, &given.kana, habits)]
    });
    let names = [kanji, kana, alias_kanji, alias_kana]
        .into_iter()
        .filter(|name| !name.is_empty())
        .collect::<Vec<_>>()
        .join("~");
    let birth = seen.birth.map_or_else(String::new, uke::compact);
    let sex = seen.sex.map_or("U", |sex| ["M", "F"][sex as usize]);
    let address = match seen.postal_code.split_at_checked(3) {
        Some((area, town)) => format!("^^^^{area}-{town}^JPN^H"),
        None => String::new(),
    };
    format!("PID|0001||{chart}^^^^PI||{names}||{birth}|{sex}|||{address}\r")
}

/// One name, as XPN: family, given and further names, and the codes of its type and its script.
fn name(codes: &str, family: &str, given: &str, habits: Habits) -> String {
    let given = given.trim();
    let parts = match given.split_once(' ') {
        _ if habits.whole => format!("{}^^", full_width(&format!("{family} {given}"))),
        Some((first, further)) if habits.middle => format!("{family}^{first}^{further}"),
        _ => format!("{family}^{given}^"),
    };
    let carets = if habits.caret_missing { "^^^" } else { "^^^^" };
    format!("{parts}{carets}{codes}")
}

/// The IN1 segment.
fn insured(insurance: &Insurance, habits: Habits) -> String {
    let Insurance { insurer_number, symbol, number, branch } = insurance;
    let [symbol, number] = [symbol, number].map(|text| if habits.wide { full_width(text) } else { text.clone() });
    let kind = if insurance.is_municipal() { "C0^国保^JHSD0001" } else { "06^組合^JHSD0001" };
    format!("IN1|1|{kind}|{insurer_number:0>8}|||||||{symbol}~{number}~{branch}\r")
}
