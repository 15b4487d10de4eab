//! How often exact tokens and similarity disagree, as a run says itself.

use linkage_proto::v1::ExactConflicts;
use serde_json::{Value, json};

use super::shown;

/// The conflicts of a pair of databases, in one line; `None` when all there are are too few to be shown.
pub fn in_words(conflicts: &ExactConflicts) -> Option<String> {
    let ExactConflicts { left_database, right_database, exact_pairs, below_threshold, with_rival } = conflicts;
    let many = |count: &str| count.parse::<u64>().is_ok_and(|count| count > 0);
    if !many(below_threshold) && !many(with_rival) {
        return None;
    }
    let mut text = format!(
        "{left_database} – {right_database}: {exact_pairs} pairs agree in an exact token, {below_threshold} of them below \
         the threshold"
    );
    if !with_rival.is_empty() {
        text += &format!(", {with_rival} of a record that is more like another one");
    }
    Some(text)
}

/// The same for scripts; `with_rival` is null where it was not counted.
pub fn as_json(conflicts: &ExactConflicts) -> Value {
    json!({
        "left_database": conflicts.left_database,
        "right_database": conflicts.right_database,
        "exact_pairs": shown(&conflicts.exact_pairs),
        "below_threshold": shown(&conflicts.below_threshold),
        "with_rival": shown(&conflicts.with_rival),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts_are_a_line_unless_there_are_hardly_any() {
        let conflicts = |below_threshold: &str, with_rival: &str| ExactConflicts {
            left_database: "dpc".to_owned(),
            right_database: "ndb".to_owned(),
            exact_pairs: "1400".to_owned(),
            below_threshold: below_threshold.to_owned(),
            with_rival: with_rival.to_owned(),
        };
        let common = "dpc – ndb: 1400 pairs agree in an exact token, ";
        for (below, rivals, said) in [
            ("20", "", Some("20 of them below the threshold")),
            ("20", "<10", Some("20 of them below the threshold, <10 of a record that is more like another one")),
            ("<10", "40", Some("<10 of them below the threshold, 40 of a record that is more like another one")),
            ("<10", "<10", None),
            ("0", "", None),
        ] {
            assert_eq!(in_words(&conflicts(below, rivals)), said.map(|said| format!("{common}{said}")));
        }
        assert_eq!(as_json(&conflicts("20", ""))["with_rival"], Value::Null);
        assert_eq!(as_json(&conflicts("20", "<10"))["with_rival"], "<10");
        assert_eq!(as_json(&conflicts("20", "40"))["below_threshold"], 20);
    }
}
