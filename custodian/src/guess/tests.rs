use expect_test::expect;
use linkage_core::source::Mapping;

use super::*;

fn proposal(extract: &[u8], schema: &str) -> String {
    let schema = LinkageSchema::shipped(schema).unwrap();
    let proposal = propose(&Sample::read(extract, None).unwrap(), &schema);
    let mapping = Mapping::parse(&proposal.text, &schema).unwrap();
    assert!(!mapping.confirmed());
    proposal.text
}

/// What the proposal says of each field, without the comments.
fn fields(text: &str) -> Vec<String> {
    let blocks = text.split("\n\n").filter(|block| block.contains("[fields."));
    let lines = |block: &str| -> Vec<String> {
        block.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    };
    blocks.map(|block| lines(block).join(" ").replace("[fields.", "").replace(']', ":")).collect()
}

#[test]
fn a_hospital_extract_in_cp932_is_mapped_by_its_japanese_names() {
    let mut extract = "患者ID,氏名（カナ）,氏名,生年月日,性別,郵便番号,保険者番号,記号,番号,枝番,病棟\r\n".to_owned();
    for n in 0..40 {
        extract += &format!("{n:05},ｻﾄｳ ﾊﾅｺ,佐藤　花子,昭和58年3月4日,女,100-0001,06132013,１２,{n},NULL,東\r\n");
    }
    let extract = encoding_rs::SHIFT_JIS.encode(&extract).0;
    expect![[r#"
        # Proposed by `custodian map --guess` from names of columns and looks of values: read every line.
        # Then set confirmed = true; `tokenise` takes no mapping that nobody has confirmed. docs/spec/mapping.md
        format = "linkage-mapping/1"
        schema = "person-ja"
        confirmed = false
        encoding = "cp932"
        delimiter = ","
        header = true
        # These values occur, and are commonly written for "missing"; a name that is one of them would be missing too.
        missing = ["NULL"]
        # nearly every row has its own
        id_column = "患者ID"

        # high confidence: its name is a known one; all of the values are accepted; all have a space, a name without one stands whole in the family name
        [fields.family_kana]
        column = "氏名（カナ）"
        part = "first"

        # high confidence: its name is a known one; all of the values are accepted; all have a space, a name without one stands whole in the family name
        [fields.given_kana]
        column = "氏名（カナ）"
        part = "rest"

        # high confidence: its name is a known one; all of the values are accepted; all have a space, a name without one stands whole in the family name
        [fields.family_kanji]
        column = "氏名"
        part = "first"

        # high confidence: its name is a known one; all of the values are accepted; all have a space, a name without one stands whole in the family name
        [fields.given_kanji]
        column = "氏名"
        part = "rest"

        # high confidence: its name is a known one; all of the values are accepted
        [fields.birth_date]
        column = "生年月日"

        # high confidence: its name is a known one; all of the values are accepted
        [fields.sex]
        column = "性別"

        # high confidence: its name is a known one; all of the values are accepted
        [fields.postal_code]
        column = "郵便番号"

        # high confidence: its name is a known one; all of the values are accepted
        [fields.insurer_number]
        column = "保険者番号"

        # high confidence: its name is a known one; all of the values are accepted
        [fields.insured_symbol]
        column = "記号"

        # high confidence: its name is a known one; all of the values are accepted
        [fields.insured_number]
        column = "番号"

        # no column found
        [fields.insured_branch]
        absent = true

        # columns that no field takes: "枝番", "病棟"
    "#]]
    .assert_eq(&proposal(&extract, "person-ja"));
}

#[test]
fn an_english_extract_with_the_day_first_is_mapped_too() {
    let mut extract = "Patient ID;First Name;Last Name;DOB;Zip Code;City\n".to_owned();
    for n in 0..30 {
        extract += &format!("{n};Anna;Smith;{:02}/03/1983;30{n:02};Perth\n", n % 28 + 1);
    }
    let text = proposal(extract.as_bytes(), "person-en");
    assert!(text.contains("delimiter = \";\"") && text.contains("id_column = \"Patient ID\""), "{text}");
    assert_eq!(
        fields(&text),
        [
            "given_name: column = \"First Name\"",
            "surname: column = \"Last Name\"",
            "street_number: absent = true",
            "address_1: absent = true",
            "address_2: absent = true",
            "suburb: column = \"City\"",
            "postcode: column = \"Zip Code\"",
            "state: absent = true",
            "date_of_birth: column = \"DOB\" date = \"day-first\"",
        ]
    );
}

#[test]
fn a_file_without_a_header_is_mapped_by_position_and_none_of_its_values_is_shown() {
    let mut extract = String::new();
    for n in 0..30 {
        extract += &format!("{n},サトウカナリア,佐藤金糸雀,1983-03-{:02},2,x\n", n % 28 + 1);
    }
    let text = proposal(extract.as_bytes(), "person-ja");
    assert!(text.contains("header = false"), "{text}");
    for (at, field) in [(0, "family_kana: column = 2"), (2, "family_kanji: column = 3"), (4, "birth_date: column = 4")]
    {
        assert_eq!(fields(&text)[at], field);
    }
    for value in ["サトウ", "佐藤", "1983"] {
        assert!(!text.contains(value), "{text}");
    }
}

#[test]
fn the_number_of_the_chart_also_tells_the_rows_apart() {
    let mut extract = "患者ID,医療機関コード,カナ氏名,生年月日\n".to_owned();
    for n in 0..30 {
        extract += &format!("{n:05},1311234567,サトウ ハナコ,1983-03-{:02}\n", n % 28 + 1);
    }
    let text = proposal(extract.as_bytes(), "person-ja-hospital");
    assert!(text.contains("id_column = \"患者ID\""), "{text}");
    let fields = fields(&text);
    for field in ["facility_code: column = \"医療機関コード\"", "chart_number: column = \"患者ID\""] {
        assert!(fields.iter().any(|found| found == field), "{text}");
    }
}

#[test]
fn a_column_whose_values_contradict_its_name_is_not_taken() {
    let extract = format!("id,生年月日,性別\n{}", "1,サトウ,19830304\n".repeat(20));
    let text = proposal(extract.as_bytes(), "person-ja");
    assert!(text.contains("[fields.sex]\nabsent = true"), "{text}");
}

#[test]
fn names_of_columns_cannot_break_out_of_the_file() {
    let extract = "患者ID,生年月日\",\"se\"\"x\n\\\"\n1,2,3\n".replace("生年月日\"", "生年月日");
    let schema = LinkageSchema::shipped("person-ja").unwrap();
    let proposal = propose(&Sample::read(extract.as_bytes(), None).unwrap(), &schema);
    Mapping::parse(&proposal.text, &schema).unwrap();
    assert_eq!(quoted("a\"b\\c\nd"), r#""a\"b\\c\u000Ad""#);
    assert!(Sample::read(b"", None).is_none());
}

#[test]
fn a_mark_that_is_also_a_name_is_one_only_where_no_name_can_stand() {
    let extract = |postal_code: &str| {
        let row = |n: usize| match n % 4 {
            0 => format!("{n},チョウ,ナ,ZHAO,NA,19830304,2,{postal_code}\n"),
            _ => format!("{n},サトウ,ハナコ,佐藤,花子,19830304,2,1000001\n"),
        };
        format!("登録番号,姓カナ,名カナ,姓,名,生年月日,性別,郵便番号\n{}", (0..20).map(row).collect::<String>())
    };
    assert!(!proposal(extract("1000001").as_bytes(), "person-ja").contains("missing"));
    assert!(proposal(extract("NA").as_bytes(), "person-ja").contains("missing = [\"NA\"]"));
    assert!(proposal(extract("NULL").as_bytes(), "person-ja").contains("missing = [\"NULL\"]"));
}

#[test]
fn a_column_that_may_identify_rows_is_named_when_its_name_is_not_known() {
    let rows: String = (0..20).map(|n| format!("{n},サトウ,1983030{}\n", n % 9 + 1)).collect();
    let text = proposal(format!("台帳区分,姓カナ,生年月日\n{rows}").as_bytes(), "person-ja");
    assert!(text.contains("# nearly every row has its own value in: \"台帳区分\"\n"), "{text}");
}
