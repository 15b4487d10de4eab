//! Two tables with their record ids, and the pairs that are one person.

use std::collections::HashMap;
use std::path::Path;

use linkage_core::normalise::{self, NameRoutes};
use linkage_core::schema::LinkageSchema;
use linkage_core::source::{BATCH_ROWS, RawBatch};

use crate::inputs::Inputs;
use crate::intake::InputArgs;
use crate::output::at;
use crate::refs::trim_id;
use crate::rows::TextRows;

/// One table, normalised.
pub(super) struct Table {
    pub(super) records: Vec<Vec<Option<String>>>,
    rows: HashMap<String, u32>,
    /// Rows without an id, with an unreadable one, or with a wrong number of fields.
    pub(super) set_aside: u64,
}

impl Table {
    /// Reads a whole table. Of the records of one id the newest counts, and of equally new ones the first.
    pub(super) fn read(input: &InputArgs, schema: &LinkageSchema) -> anyhow::Result<Self> {
        let mut source = Inputs::open(input, schema)?;
        let mut table = Self { records: Vec::new(), rows: HashMap::new(), set_aside: 0 };
        let mut newness: Vec<u32> = Vec::new();
        let routes = NameRoutes::new(schema);
        let (mut batch, mut scratch) = (RawBatch::new(), String::new());
        while source.read_batch(&mut batch, BATCH_ROWS)? {
            table.set_aside += batch.malformed_rows().len() as u64;
            for record in batch.records() {
                let hint = "hint: the gold file names record ids; say which column has them with --id-column";
                let id = record.id().ok_or_else(|| at(input.first(), format!("no record ids\n{hint}")))?;
                let id = record.encoding().decode(id, &mut scratch);
                if id.damaged || trim_id(id.text).is_empty() {
                    table.set_aside += 1;
                    continue;
                }
                let next = u32::try_from(table.records.len())
                    .map_err(|_| at(input.first(), "too many rows to tune on\nhint: take a sample of the people"))?;
                let row = *table.rows.entry(trim_id(id.text).to_owned()).or_insert(next);
                if row != next && record.newness() <= newness[row as usize] {
                    continue;
                }
                let values = schema.fields().iter().enumerate().map(|(index, field)| {
                    let raw = record.encoding().decode(record.field(index), &mut scratch);
                    // What breaks a rule is missing, and names go by script, as they do when the extract is tokenised.
                    normalise::normalise(field.kind(), raw.text).ok().flatten()
                });
                let mut values: Vec<Option<String>> = values.collect();
                let raw = |field: usize, out: &mut String| {
                    out.push_str(record.encoding().decode(record.field(field), &mut scratch).text);
                };
                routes.route(&mut values, Option::is_none, raw, |_| {});
                if row == next {
                    table.records.push(values);
                    newness.push(record.newness());
                } else {
                    table.records[row as usize] = values;
                    newness[row as usize] = record.newness();
                }
            }
        }
        if table.records.is_empty() {
            return Err(at(input.first(), input.format.nothing_found()));
        }
        Ok(table)
    }
}

/// The pairs that are one person.
pub(super) struct Gold {
    pub(super) pairs: Vec<(u32, u32)>,
    /// Pairs that name a record which the tables do not have.
    pub(super) absent: u64,
}

impl Gold {
    pub(super) fn read(path: &Path, left: &Table, right: &Table) -> anyhow::Result<Self> {
        let mut rows = TextRows::open(path)?;
        let column = |name: &str| {
            let named = rows.header().position(|column| column.trim() == name);
            let hint =
                "hint: the gold file has the columns left_id and right_id, as `linkage generate corrupt` writes them";
            named.ok_or_else(|| at(path, format!("no column `{name}`\n{hint}")))
        };
        let (left_column, right_column) = (column("left_id")?, column("right_id")?);
        let (mut pairs, mut absent) = (Vec::new(), 0);
        while let Some(record) = rows.next()? {
            let row = |table: &Table, column: usize| table.rows.get(trim_id(&record[column])).copied();
            match (row(left, left_column), row(right, right_column)) {
                (Some(left), Some(right)) => pairs.push((left, right)),
                _ => absent += 1,
            }
        }
        Ok(Self { pairs, absent })
    }
}

#[cfg(test)]
mod tests;
