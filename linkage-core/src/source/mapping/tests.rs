use super::*;
use crate::source::{CsvSource, RawBatch, Source as _};

fn schema() -> LinkageSchema {
    LinkageSchema::shipped("person-ja").unwrap()
}

/// A mapping of all fields to absent, but for what is said.
fn mapping(head: &str, fields: &[(&str, &str)]) -> String {
    let mut text = format!("format = \"linkage-mapping/1\"\nschema = \"person-ja\"\nconfirmed = true\n{head}\n");
    for field in schema().fields() {
        let said = fields.iter().find(|(name, _)| *name == field.name()).map_or("absent = true", |(_, said)| said);
        text += &format!("[fields.{}]\n{said}\n", field.name());
    }
    text
}

/// The id and the values that are not empty, row by row.
fn rows(mapping: &Mapping, file: &[u8]) -> Vec<Vec<String>> {
    let mut source = CsvSource::open_shaped(file, &mapping.csv_layout(), mapping.csv_shape()).unwrap();
    let mut batch = RawBatch::new();
    let mut rows = Vec::new();
    while source.read_batch(&mut batch, 2).unwrap() {
        for record in batch.records() {
            let mut row = vec![record.row().to_string()];
            let values = (0..mapping.fields().len()).map(|field| record.field(field));
            for value in record.id().into_iter().chain(values) {
                row.push(record.encoding().decode(value, &mut String::new()).text.to_owned());
            }
            row.retain(|value| !value.is_empty());
            rows.push(row);
        }
    }
    rows
}

#[test]
fn a_mapping_says_encoding_delimiter_header_parts_dates_and_missing_marks() {
    let text = mapping(
        "encoding = \"cp932\"\ndelimiter = \"\\t\"\nmissing = [\"NULL\", \"不明\"]\nid_column = \"患者ID\"",
        &[
            ("family_kana", "column = \"氏名カナ\"\npart = \"first\""),
            ("given_kana", "column = \"氏名カナ\"\npart = \"rest\""),
            ("birth_date", "column = \"生年月日\"\ndate = \"day-first\""),
            ("sex", "column = \"性別\""),
        ],
    );
    let mapping = Mapping::parse(&text, &schema()).unwrap();
    let file = "患者ID\t氏名カナ\t生年月日\t性別\n1\tサトウ　ハナコ\t04/03/1983\t不明\n2\tNULL\t1983-03-04\t2\n";
    let file = encoding_rs::SHIFT_JIS.encode(file).0;
    assert_eq!(
        rows(&mapping, &file),
        [vec!["2", "1", "サトウ", "ハナコ", "1983-03-04"], vec!["3", "2", "1983-03-04", "2"]]
    );
}

#[test]
fn a_file_without_a_header_is_read_by_position_from_its_first_row() {
    let fields = [("family_kana", "column = 2"), ("sex", "column = 3")];
    for (head, file, first) in [
        ("header = false\nid_column = 1", "1,サトウ,2\n2,スズキ,1\n3,イトウ,1\n", 1),
        ("header = false\nskip_rows = 2\nid_column = 1", "title\nof it,x\n1,サトウ,2\n2,スズキ,1\n3,イトウ,1\n", 3),
    ] {
        let mapping = Mapping::parse(&mapping(head, &fields), &schema()).unwrap();
        let rows = rows(&mapping, file.as_bytes());
        assert_eq!(rows[0], [&first.to_string(), "1", "サトウ", "2"]);
        assert_eq!(rows[2], [&(first + 2).to_string(), "3", "イトウ", "1"]);
        assert_eq!(rows.len(), 3);
    }
}

#[test]
fn every_mapping_that_is_not_whole_is_refused_and_the_reason_named() {
    let good = mapping("", &[("sex", "column = \"sex\"")]);
    assert!(Mapping::parse(&good, &schema()).unwrap().confirmed());
    for (text, part) in [
        (good.replace("confirmed = true", ""), "missing field `confirmed`"),
        (good.replace("linkage-mapping/1", "linkage-mapping/2"), "not a mapping of this version"),
        (good.replace("person-ja", "person-en"), "is for schema"),
        (good.replace("confirmed = true", "confirmed = true\nseperator = \",\""), "line 4: unknown field `seperator`"),
        (good.replace("column = \"sex\"", "column = \"sex\"\nera = true"), "unknown field `era`"),
        (good.replace("column = \"sex\"", "column = \"sex\"\nabsent = true"), "field `sex` is left open"),
        (good.replace("[fields.sex]\ncolumn = \"sex\"", ""), "field `sex` is left open"),
        (good.replace("column = \"sex\"", "column = \"sex\"\ndate = \"day-first\""), "`sex` is no date"),
        (good.replace("column = \"sex\"", "column = 3"), "`sex`: not a column"),
        (good.replace("confirmed = true", "confirmed = true\nheader = false"), "`sex`: not a column"),
        (good.replace("[fields.sex]", "[fields.gender]"), "no field `gender`"),
        (good.replace("confirmed = true", "confirmed = true\ndelimiter = \"::\""), "not a delimiter"),
        (
            good.replace("confirmed = true", "confirmed = true\nencoding = \"cp932\"\ndelimiter = \"|\""),
            "not a delimiter",
        ),
        (good.replace("confirmed = true", "confirmed = true\nencoding = \"latin1\""), "not a known encoding"),
        (good.replace("confirmed = true", "confirmed = true\nmissing = [\" \"]"), "cannot mark a missing value"),
    ] {
        let error = Mapping::parse(&text, &schema()).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("hint: "), "{error}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_a_mapping_or_a_clear_error(text in "[a-z_=\"\\[\\]. \n0-9,#]{0,200}", at in 0_usize..600, cut in 0_usize..600) {
        let good = mapping("delimiter = \"\\t\"", &[("sex", "column = \"sex\"")]);
        let mut damaged = good.clone();
        damaged.insert_str(at.min(good.len()), &text);
        for text in [&text, &damaged, &good[..cut.min(good.len())]] {
            if let Err(error) = Mapping::parse(text, &schema()) {
                proptest::prop_assert!(error.to_string().contains("hint: "));
            }
        }
    }
}
