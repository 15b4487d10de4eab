//! DPC data: the discharge summaries 様式1 (tabs, 17 columns, no name) and the DPC receipts beside them, which have the name.
//! Facility and data id (データ識別番号) join them (`japan-formats.md` §3.3).

use std::fmt::Write;

use super::{Record, uke};
use crate::date::Date;

/// The header of 様式1.
pub(super) fn frame(out: &mut [String], end: bool) {
    if !end {
        out[0].push_str(
            "施設コード\tデータ識別番号\t入院年月日\t回数管理番号\t統括診療情報番号\tコード\tバージョン\t連番",
        );
        for number in 1..=9 {
            let _ = write!(out[0], "\tペイロード{number}");
        }
        out[0].push_str("\r\n");
    }
}

pub(super) fn write(records: &mut [Record<'_>], out: &mut [String]) {
    uke::by_facility(records);
    let [summaries, receipts] = out else { return };
    for group in records.chunk_by_mut(|a, b| a.facility == b.facility) {
        let Some(first) = group.first() else { continue };
        uke::open(first.facility, uke::newest(group), receipts);
        let mut number = 0;
        for record in group.iter_mut() {
            number += 1;
            let facility = record.facility.nine_digits();
            // The reader drops leading zeros, because one of the two files may lack them.
            record.id = format!("{}:{}", facility.trim_start_matches('0'), record.chart);
            let (chart, day) = (record.chart, record.day);
            let seen = &record.seen;
            let mut line = |code: &str, payload: [&str; 9]| {
                let admitted = uke::compact(day.days_before(9));
                let _ = write!(summaries, "{facility}\t{chart:010}\t{admitted}\t0\t0\t{code}\t20240401\t0\t");
                summaries.push_str(&payload.join("\t"));
                summaries.push_str("\r\n");
            };
            let birth = seen.birth.map_or_else(|| "00000000".to_owned(), uke::compact);
            let sex = seen.sex.map_or("", |sex| ["1", "2"][sex as usize]);
            let postal_code = if seen.postal_code.is_empty() { "0000000" } else { &seen.postal_code };
            line("A000010", [&birth, sex, postal_code, "", "", "", "", "", ""]);
            let Date { year, month, day } = day;
            let left = format!("{year:04}{month:02}{day:02}");
            line("A000020", ["1", &left, "1", "0", "", "", "", "", ""]);

            let name = uke::Names::of(&mut record.seen);
            uke::patient(number, "1111", record.day, &name, &record.seen, receipts);
            // No source says in which column the reading is; it is beyond that of the chart's number.
            let _ = write!(receipts, ",,,,,,,{chart:010}{}{},\r\n", ",".repeat(23), name.kana);
            uke::insurance(record, receipts);
            let _ = write!(receipts, "BU,{:014},,,1\r\n", 10_060_000_000_000_u64 + record.chart % 1000);
        }
        uke::close(number, receipts);
    }
}
