//! Step 11: sex, as `1` (male) or `2` (female).

use super::{Outcome, Rule, text};

pub(super) fn normalise(raw: &str, out: &mut String) -> Result<Outcome, Rule> {
    let canonical = match raw {
        "1" | "M" => Some("1"),
        "2" | "F" => Some("2"),
        _ => {
            text::for_each(raw, |c| {
                if !text::is_space(c) {
                    out.push(c.to_ascii_uppercase());
                }
            });
            code(out)?
        }
    };
    out.clear();
    Ok(canonical.map_or(Outcome::Missing, |code| {
        out.push_str(code);
        Outcome::Value
    }))
}

/// The code of a folded text; `None` where the source says that it does not know.
fn code(text: &str) -> Result<Option<&'static str>, Rule> {
    match text {
        "1" | "男" | "男性" | "男子" | "M" | "MALE" => Ok(Some("1")),
        "2" | "女" | "女性" | "女子" | "F" | "FEMALE" => Ok(Some("2")),
        "" | "0" | "3" | "9" | "O" | "U" | "A" | "N" | "OTHER" | "UNKNOWN" | "不明" | "その他" => Ok(None),
        _ => Err(Rule::UnknownSex),
    }
}
