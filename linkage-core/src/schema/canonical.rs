//! Canonical JSON: the subset of RFC 8785 (JCS) that our documents need, written by hand.
//!
//! Digests are taken over these bytes, so they must not hang on the map ordering or number printing of a library.

/// A JSON value of the subset: no null and no number but non-negative integers.
pub(crate) enum Canonical {
    /// `true` or `false`.
    Bool(bool),
    /// An integer; JCS prints numbers as doubles, so it must stay below 2⁵³.
    Integer(u64),
    /// A string.
    Text(String),
    /// An array, in the given order.
    List(Vec<Canonical>),
    /// An object, in any order; keys are ASCII and unique.
    Object(Vec<(&'static str, Canonical)>),
}

impl Canonical {
    /// A string value.
    pub(crate) fn text(value: impl ToString) -> Self {
        Self::Text(value.to_string())
    }

    /// An array of strings.
    pub(crate) fn texts<T: ToString>(values: impl IntoIterator<Item = T>) -> Self {
        Self::List(values.into_iter().map(Self::text).collect())
    }

    /// The canonical text: keys sorted, no white space.
    pub(crate) fn write(self) -> String {
        let mut out = String::new();
        write(self, &mut out);
        out
    }
}

fn write(value: Canonical, out: &mut String) {
    match value {
        Canonical::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        Canonical::Integer(value) => out.push_str(&value.to_string()),
        Canonical::Text(value) => write_text(&value, out),
        Canonical::List(values) => {
            out.push('[');
            for (index, value) in values.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(value, out);
            }
            out.push(']');
        }
        Canonical::Object(mut members) => {
            // JCS sorts keys by UTF-16 code units; for ASCII keys that is byte order.
            members.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (index, (key, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_text(key, out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
    }
}

/// Strings as JCS writes them: the seven short escapes, `\u00xx` for other controls, everything else as it is.
fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_and_strings_escaped_as_rfc_8785_says() {
        let value = Canonical::Object(vec![
            ("peach", Canonical::text("\u{20ac}$\u{f}\n\"\\/\u{7f}\u{8}\t\r\u{c}氏名")),
            ("1", Canonical::List(vec![Canonical::Integer(0), Canonical::Bool(true), Canonical::Bool(false)])),
            ("b_c", Canonical::Object(vec![])),
            ("b", Canonical::texts(["z", "a"])),
        ]);
        assert_eq!(
            value.write(),
            "{\"1\":[0,true,false],\"b\":[\"z\",\"a\"],\"b_c\":{},\"peach\":\"\u{20ac}$\\u000f\\n\\\"\\\\/\u{7f}\\b\\t\\r\\f氏名\"}"
        );
    }

    #[test]
    fn any_string_reads_back_as_itself() {
        proptest::proptest!(|(text in ".*")| {
            let written = Canonical::text(&text).write();
            proptest::prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        });
    }
}
