//! Long-term care (介護): the register of recipients (受給者台帳), which has names in half-width kana, and the claims, which
//! have none. Insurer and number of the insured person join them (`japan-formats.md` §3.2).

use std::fmt::Write;

use super::{Record, uke};
use crate::insurance::{padded, with_check_digit};
use crate::notation::half_width;

/// The control and the end record of both transmissions; they have fewer columns than data. All lines are numbered through
/// in their second column.
pub(super) fn frame(out: &mut [String], end: bool) {
    for text in out {
        text.push_str(if end { "3,\r\n" } else { "1,,711,202604,0\r\n" });
    }
}

pub(super) fn write(records: &mut [Record<'_>], out: &mut [String]) {
    let [ledger, claims] = out else { return };
    for record in records {
        let seen = &record.seen;
        // Nursing care has insurers of its own: the municipalities, with a check digit after the same rule.
        let municipality = record.facility.number / 10 % 1000 + 1;
        let insurer = padded(u64::from(seen.prefecture) * 1000 + u64::from(municipality % 1000), 5);
        let insurer = with_check_digit(insurer);
        record.id = format!("00{insurer}:{}", record.chart);
        let number = padded(record.chart, 10);
        let birth = seen.birth.map_or_else(String::new, uke::compact);
        let sex = seen.sex.map_or("", |sex| ["1", "2"][sex as usize]);
        let kana = |kana: &str| kana.chars().filter(|c| *c != ' ').map(half_width).collect::<String>();
        let name = format!("{} {}", kana(&seen.family.kana), kana(&seen.given.kana));
        let month = uke::months(record.day);
        let _ = write!(ledger, "2,,5311,01,{},1,1,,{insurer},{number},", uke::compact(record.day));
        let _ = write!(ledger, "{},{birth},{sex},\r\n", name.trim());
        let office = padded(u64::from(seen.prefecture) * 100_000_000 + u64::from(record.facility.number), 10);
        let care = 21 + record.chart % 5;
        let _ = write!(claims, "2,,7131,01,{month},{office},00{insurer},{number}");
        let _ = write!(claims, ",,,,,,,{birth},{sex},{care},,,\r\n");
    }
}
