//! The truth beside the extracts.

use std::fmt::Write;

use super::databases::{BANDS, band};
use super::{Database, Record};
use crate::date::Date;
use crate::population::Sex;

/// One row per record. `record_id` is the one under which the custodian's reader knows the record; `age_band` is the age on
/// the day of the extract; `changed_name` says that the family name has changed within the person's history, whatever the
/// record has; `record_day` is the day of the record's knowledge; `errors` names what is wrong with it.
pub(super) const HEADER: &str =
    "database,record_id,person,household,age_band,sex,foreign,changed_name,twin,record_day,errors\r\n";

///
/// False for a record without an id, which has no row: its reader sets it aside, so it can be no part of a link.
pub(super) fn write(database: &Database, record: &Record<'_>, as_of: Date, out: &mut String) -> bool {
    if record.id.is_empty() {
        return false;
    }
    let (person, name) = (record.person, database.name);
    let faults = record.seen.faults.without(&database.lacks.concat());
    let sex = if person.sex == Sex::Male { "male" } else { "female" };
    let Date { year, month, day } = record.day;
    let _ = write!(
        out,
        "{name},{},{},{},{},{sex},{},{},{},{year:04}-{month:02}-{day:02},{}\r\n",
        record.id,
        person.number,
        person.household,
        BANDS[band(person.age_on(as_of))],
        u8::from(person.foreign),
        u8::from(person.changed_name()),
        u8::from(person.twin),
        faults.names(),
    );
    true
}
