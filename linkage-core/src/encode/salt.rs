//! Salting: a value of the record enters the keys of all its other fields (docs/spec/encoding.md, §8.1).

use super::draw::{Draw, Positions};
use super::features::Message;
use super::part;
use crate::harden::{Step, Take};
use crate::schema::LinkageSchema;

/// Tells the salted key of a field from everything else that is hashed under the field's key.
const TAG_SALT: u8 = 0x40;

/// Whose value is the salt.
#[derive(Clone, Copy)]
pub(super) struct Salt {
    /// The index of the field in a record.
    field: usize,
    take: Take,
}

impl Salt {
    /// The salt of a schema, if it has one.
    pub(super) fn of(schema: &LinkageSchema) -> Option<Self> {
        schema.hardening().iter().find_map(|step| match step {
            Step::Salt { field, take } => {
                Some(Self { field: schema.fields().iter().position(|f| f.name() == field)?, take: *take })
            }
            _ => None,
        })
    }

    /// Whether the field at this place of a record is the salt itself, which keeps its own key.
    pub(super) fn is(self, field: usize) -> bool {
        self.field == field
    }

    /// The message that turns the key of a field into that of a record's: without a salt it is the tag alone.
    pub(super) fn message<S: AsRef<str>>(self, record: &[Option<S>]) -> Vec<u8> {
        let value = record[self.field].as_ref().map(AsRef::as_ref).unwrap_or_default();
        let part = part::take(self.take, value).unwrap_or_default();
        [&[TAG_SALT], part.as_bytes()].concat()
    }
}

/// Adds the bits of a message to a filter without remembering them: another record has another salt.
pub(super) fn merge(
    positions: &Positions,
    message: &Message,
    count: usize,
    filter: &mut [u64],
    room: &mut [u64],
) -> Draw {
    let draw = positions.draw(message, count, room);
    filter.iter_mut().zip(room.iter()).for_each(|(word, more)| *word |= more);
    draw
}
