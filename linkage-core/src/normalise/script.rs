//! Which script a name is written in, and where it belongs when it stands in another script's column.

use super::{Outcome, normalise_into};
use crate::schema::{FieldKind, LinkageSchema};

/// Whether a name is written in kana alone. Marks for unreadable characters say nothing either way.
pub fn is_kana(name: &str) -> bool {
    let mut kana = false;
    for c in name.chars() {
        match c {
            '\u{3041}'..='\u{309F}'
            | '\u{30A1}'..='\u{30FA}'
            | '\u{30FC}'..='\u{30FF}'
            | '\u{31F0}'..='\u{31FF}'
            | '\u{FF66}'..='\u{FF9F}' => kana = true,
            '・' | '･' | '.' | '-' | '－' | '‐' | '゠' | '\u{FFFD}' | '●' | '■' | '〓' | '□' => {}
            _ if c.is_whitespace() => {}
            _ => return false,
        }
    }
    kana
}

/// Which fields of a schema hold the reading of which others: a facility that lacks one character of a name writes all
/// of it in kana, in the column for kanji.
#[derive(Debug, Clone, Default)]
pub struct NameRoutes {
    routes: Vec<(usize, usize)>,
}

impl NameRoutes {
    /// Pairs each field of kind `kanji` whose name ends in `kanji` with the field of kind `kana` that has the same name
    /// with `kana` at its end.
    pub fn new(schema: &LinkageSchema) -> Self {
        let fields = schema.fields();
        let routes = fields.iter().enumerate().filter(|(_, field)| field.kind() == FieldKind::Kanji).filter_map(
            |(at, field)| {
                let reading = format!("{}kana", field.name().strip_suffix("kanji")?);
                let to = fields.iter().position(|field| field.kind() == FieldKind::Kana && field.name() == reading)?;
                Some((at, to))
            },
        );
        Self { routes: routes.collect() }
    }

    /// Gives each field of a reading that has no value the name that stands in kana in the column for its kanji, when that
    /// field has no value either: as it is not in kanji, it has not.
    ///
    /// `record` holds the canonical values in the order of the schema, `is_missing` says which of them are none, `raw` appends
    /// the raw value of a field, and `routed` hears of each field that got a value.
    pub fn route<V: From<String>>(
        &self,
        record: &mut [V],
        is_missing: impl Fn(&V) -> bool,
        mut raw: impl FnMut(usize, &mut String),
        mut routed: impl FnMut(usize),
    ) {
        for &(kanji, kana) in &self.routes {
            if !is_missing(&record[kanji]) || !is_missing(&record[kana]) {
                continue;
            }
            let (mut name, mut reading) = (String::new(), String::new());
            raw(kanji, &mut name);
            if is_kana(&name) && normalise_into(FieldKind::Kana, &name, &mut reading) == Ok(Outcome::Value) {
                record[kana] = reading.into();
                routed(kana);
            }
        }
    }
}
