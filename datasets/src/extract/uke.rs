//! Receipts (レセプト電算, RECEIPTC.UKE) as the clearing houses take them: CP932, one line per record, columns between commas
//! (`japan-formats.md` §3.1). Facilities write names in full width with a wide space, and insurance numbers in full width.

use std::fmt::Write;

use super::Record;
use super::databases::Facility;
use crate::date::Date;
use crate::faults::Faults;
use crate::insurance::Insurance;
use crate::notation::full_width;
use crate::observe::Observation;

/// The longest name, in full-width characters.
const NAME_CHARACTERS: usize = 20;
/// The longest reading, likewise.
const KANA_CHARACTERS: usize = 40;

/// Receipts of inpatients and outpatients (医科). Some people have one of the month before as well.
pub(super) fn write(records: &mut [Record<'_>], out: &mut [String]) {
    by_facility(records);
    for group in records.chunk_by_mut(|a, b| a.facility == b.facility) {
        let Some(first) = group.first() else { continue };
        let text = &mut out[0];
        open(first.facility, newest(group), text);
        let mut number = 0;
        for record in group.iter_mut() {
            record.id = format!("{}:{:09}", record.facility.ten_digits(), record.chart);
            let chart = format!("{:09}", record.chart);
            let name = Names::of(&mut record.seen);
            let earlier = record.random.chance(record.plan.habits.earlier_receipt);
            for month in [Some(record.day), earlier.then(|| record.day.days_before(31))].into_iter().flatten() {
                number += 1;
                patient(number, "1112", month, &name, &record.seen, text);
                // Column 14 is the chart's number and 37 the reading.
                let _ = write!(text, ",,,,,,,{chart}{}{}", ",".repeat(23), name.kana);
                text.push_str(",\r\n");
                insurance(record, text);
                let _ = write!(text, "SY,8830417,{}01,1,,,\r\n", months(month));
            }
        }
        close(number, text);
    }
}

/// Sorts records by facility and otherwise leaves them as they are.
pub(super) fn by_facility(records: &mut [Record<'_>]) {
    records.sort_by_key(|record| record.facility);
}

/// The last month of a facility's receipts.
pub(super) fn newest(group: &[Record<'_>]) -> Date {
    group.iter().map(|record| record.day).max().unwrap_or(crate::population::REFERENCE_DATE)
}

/// The IR record of a facility.
pub(super) fn open(facility: Facility, month: Date, out: &mut String) {
    let Facility { prefecture, number } = facility;
    let _ = write!(out, "IR,1,{prefecture:02},1,{number:07},,架空病院,{},00,\r\n", months(month));
}

/// The GO record that ends a facility's receipts.
pub(super) fn close(receipts: u32, out: &mut String) {
    let _ = write!(out, "GO,{receipts},{},99\r\n", u64::from(receipts) * 1234);
}

/// An RE record to its birth date.
pub(super) fn patient(number: u32, kind: &str, month: Date, name: &Names, seen: &Observation, out: &mut String) {
    let sex = seen.sex.map_or("", |sex| ["1", "2"][sex as usize]);
    let birth = seen.birth.map_or_else(String::new, compact);
    let _ = write!(out, "RE,{number},{kind},{},{},{sex},{birth}", months(month), name.written);
}

/// The HO and SN records: whose insurance it is.
pub(super) fn insurance(record: &Record<'_>, out: &mut String) {
    let Some(Insurance { insurer_number, symbol, number, branch }) = &record.seen.insurance else { return };
    // Six digits are filled up on the left, by spaces or by zeros, as the facility's program does.
    let insurer = match record.facility.has("zeros", record.plan.habits.insurer_zeros, 0) {
        true => format!("{insurer_number:0>8}"),
        false => format!("{insurer_number:>8}"),
    };
    let [symbol, number] = [symbol, number].map(|text| full_width(text));
    let _ = write!(out, "HO,{insurer},{symbol},{number},1,1234,,,,,,,,,\r\n");
    if !branch.is_empty() {
        let _ = write!(out, "SN,1,01,,,,{branch},,\r\n");
    }
}

/// Year and month.
pub(super) fn months(date: Date) -> String {
    format!("{:04}{:02}", date.year, date.month)
}

/// Year, month and day.
pub(super) fn compact(date: Date) -> String {
    format!("{:04}{:02}{:02}", date.year, date.month, date.day)
}

/// A name as receipts have it.
pub(super) struct Names {
    /// In kanji, or in kana where the facility cannot write it, or as the residence card has it; a wide space in between.
    pub(super) written: String,
    /// In full-width katakana without a space.
    pub(super) kana: String,
}

impl Names {
    /// Cuts the names off where the format does, and takes note of it.
    pub(super) fn of(seen: &mut Observation) -> Self {
        let part = |name: &crate::names::Name| full_width(name.kanji.as_ref().unwrap_or(&name.kana));
        let mut written = match (part(&seen.family), part(&seen.given)) {
            (family, given) if family.is_empty() || given.is_empty() => family + &given,
            (family, given) => format!("{family}　{given}"),
        };
        let mut kana = [&seen.family.kana, &seen.given.kana].map(|kana| kana.replace(' ', "")).concat();
        for (text, characters) in [(&mut written, NAME_CHARACTERS), (&mut kana, KANA_CHARACTERS)] {
            if let Some((end, _)) = text.char_indices().nth(characters) {
                text.truncate(end);
                seen.faults.add(Faults::CUT_OFF);
            }
        }
        Self { written, kana }
    }
}
