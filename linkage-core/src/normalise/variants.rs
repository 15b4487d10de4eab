//! Kanji variant classes, from the reviewed table `data/kanji_variants.tsv`.

use std::sync::LazyLock;

const TABLE: &str = include_str!("../../data/kanji_variants.tsv");
const FIRST: u32 = 0x4E00;
const LAST: u32 = 0x9FFF;

static CLASSES: LazyLock<Classes> = LazyLock::new(|| Classes::parse(TABLE));

/// The character that stands for the class of `c`: `c` itself when the table does not name it.
pub(super) fn representative(c: char) -> char {
    if c.is_ascii() { c } else { CLASSES.representative(c) }
}

/// A direct index for the common block, a sorted list for the few members outside it.
struct Classes {
    unified: Vec<char>,
    others: Vec<(char, char)>,
}

impl Classes {
    fn parse(table: &str) -> Self {
        let mut unified: Vec<char> = (FIRST..=LAST).filter_map(char::from_u32).collect();
        let mut others = Vec::new();
        for (representative, member) in pairs(table) {
            match u32::from(member) {
                code @ FIRST..=LAST => unified[(code - FIRST) as usize] = representative,
                _ => others.push((member, representative)),
            }
        }
        others.sort_unstable();
        Self { unified, others }
    }

    fn representative(&self, c: char) -> char {
        match u32::from(c) {
            code @ FIRST..=LAST => self.unified[(code - FIRST) as usize],
            _ => self.others.binary_search_by_key(&c, |&(member, _)| member).map_or(c, |at| self.others[at].1),
        }
    }
}

/// Every (representative, member) of the table. Lines that start with `#` explain it.
fn pairs(table: &str) -> impl Iterator<Item = (char, char)> {
    table.lines().filter(|line| !line.starts_with('#')).flat_map(|line| {
        let mut columns = line.split('\t');
        let representative = columns.next().and_then(|column| column.chars().next());
        let members = columns.next().unwrap_or_default();
        representative.into_iter().flat_map(move |representative| members.chars().map(move |c| (representative, c)))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use unicode_normalization::UnicodeNormalization;

    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_class_and_every_character_occurs_once() {
        let mut seen = HashSet::new();
        for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
            let columns: Vec<&str> = line.split('\t').collect();
            let [representative, members, basis] = columns[..] else { panic!("three columns: {line}") };
            assert!(["joyo", "jinmei", "name", "policy"].contains(&basis), "{line}");
            assert_eq!(representative.chars().count(), 1, "{line}");
            assert!(!members.is_empty(), "{line}");
            for c in representative.chars().chain(members.chars()) {
                assert!(seen.insert(c), "{c} occurs twice");
                assert_eq!(c.nfkc().collect::<String>(), c.to_string(), "{c} is not NFKC-stable");
            }
        }
        assert!(seen.len() > 900, "{}", seen.len());
    }

    #[test]
    fn a_representative_stands_for_itself() {
        for (representative, member) in pairs(TABLE) {
            assert_eq!(super::representative(member), representative);
            assert_eq!(super::representative(representative), representative);
        }
    }
}
