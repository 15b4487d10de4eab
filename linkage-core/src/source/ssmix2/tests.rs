use proptest::prelude::*;

use super::super::NEWNESS_BITS;
use super::super::person::month_of;
use super::*;

const FIELDS: [&str; 13] = [
    "family_kana",
    "given_kana",
    "family_kanji",
    "given_kanji",
    "former_family_kanji",
    "name_latin",
    "birth_date",
    "sex",
    "postal_code",
    "insurer_number",
    "insured_symbol",
    "insured_number",
    "insured_branch",
];

const MSH: &str = "MSH|^~\\&|HIS|HOSP|GW|RCV|20240301120000||ADT^A08^ADT_A01|1|P|2.5||||||~ISO IR87||ISO 2022-1994";

fn layout() -> Ssmix2Layout {
    let person = PersonLayout { fields: FIELDS.map(str::to_owned).to_vec(), ..PersonLayout::default() };
    Ssmix2Layout::new(person)
}

fn read_with(file: &[u8], layout: &Ssmix2Layout) -> (Vec<String>, Vec<u64>) {
    let mut source = Ssmix2Source::open(file, layout).unwrap();
    let (mut batch, mut rows, mut malformed) = (RawBatch::new(), Vec::new(), Vec::new());
    while source.read_batch(&mut batch, 2).unwrap() {
        malformed.extend_from_slice(batch.malformed_rows());
        for record in batch.records() {
            let values: Vec<_> = (0..FIELDS.len()).map(|field| String::from_utf8_lossy(record.field(field))).collect();
            let id = String::from_utf8_lossy(record.id().unwrap_or_default());
            rows.push(format!("{} {} [{id}] {}", record.row(), month_of(record.newness()), values.join("|")));
        }
    }
    (rows, malformed)
}

/// Messages as their segments, in ISO-2022-JP.
fn read(segments: &[&str]) -> (Vec<String>, Vec<u64>) {
    read_with(&encoding_rs::ISO_2022_JP.encode(&segments.join("\r")).0, &layout())
}

#[test]
fn the_sample_of_the_format_is_read_with_a_caret_too_few() {
    let pid =
        "PID|0001||9999013||患者^太郎^^^^L^I~カンジャ^タロウ^^^^L^P||19480405|M|||^^^^422-8033^JPN^H^静岡県||^PRN^PH";
    let expected = "1 3 [HOSP:9999013] カンジャ|タロウ|患者|太郎|||19480405|M|422-8033||||";
    assert_eq!(read(&[MSH, pid, ""]), (vec![expected.to_owned()], vec![]));
    assert_eq!(read(&[MSH, &pid.replace("^L^", "^^L^")]).0, [expected]);
}

#[test]
fn names_by_type_and_representation_and_the_insurance_are_read() {
    let pid = "PID|1||0123^^^H^PI||ヤマダ^ハナコ^^^^^L^P~佐藤^花子^^^^^M^I~YAMADA^HANAKO^^^^^L^A~山田&x^花子^^^^^L^I~花^^^^^^D^I||19830304|F";
    let insurance = "IN1|1|06^組合^JHSD0001|06132013^x|||||||１２~３４\\T\\~05";
    let (rows, _) = read(&[MSH, pid, insurance, "IN1|2|15^公費|99999999"]);
    assert_eq!(rows, ["1 3 [HOSP:0123] ヤマダ|ハナコ|山田|花子|佐藤|YAMADA HANAKO|19830304|F||06132013|１２|３４&|05"]);
    let (rows, _) = read(&[MSH, "PID|1||1||デラ クルス^シティ^^^^^L^P~DELA CRUZ^SITI^^^^^L^A||19830304|F"]);
    assert_eq!(rows, ["1 3 [HOSP:1] デラクルス|シティ||||DELACRUZ SITI|19830304|F|||||"], "a family name of two words");
    let aliases = "PID|1||1||山田^花子^^^^^A^I~LI^MEI^^^^^L^A~リ^メイ^^^^^L^P~ヤマダ^ハナコ^^^^^A^P||19830304|F";
    let (rows, _) = read(&[MSH, aliases]);
    assert_eq!(rows, ["1 3 [HOSP:1] リ|メイ||||LI MEI|19830304|F|||||"], "通称 is another name");
    let (rows, _) = read(&[MSH, "PID|1||1||王^美^麗||19830304|F", "IN1|1|x|39131156|||||||01234567"]);
    assert_eq!(rows, ["1 3 [HOSP:1] ||王|美 麗|||19830304|F||39131156||01234567|"]);
}

#[test]
fn the_field_of_the_insured_person_can_be_moved() {
    let file = [MSH, "PID|1||1||王^美麗||19830304|F", "IN1|1|x|39131156|||||||Ａ~１|12~34~05"].join("\r");
    for (insured_field, expected) in
        [(Some(10), "|39131156|Ａ|１|"), (Some(11), "|39131156|12|34|05"), (None, "|39131156|||")]
    {
        let layout = Ssmix2Layout { insured_field, ..layout() };
        let (rows, _) = read_with(&encoding_rs::ISO_2022_JP.encode(&file).0, &layout);
        assert!(rows[0].ends_with(expected), "{rows:?}");
    }
}

#[test]
fn master_data_count_as_newer_than_later_orders_and_among_themselves_by_minute() {
    let newness = |kind: &str, day: &str| {
        let header = MSH.replace("ADT^A08^ADT_A01", kind).replace("20240301120000", day);
        let file = format!("{header}\rPID|1||1||YAMADA^HANAKO||19830304|F");
        let mut source = Ssmix2Source::open(file.as_bytes(), &layout()).unwrap();
        let mut batch = RawBatch::new();
        assert!(source.read_batch(&mut batch, 9).unwrap());
        batch.record(0).newness()
    };
    let master = "ADT^A08^ADT_A01";
    let ascending = [
        newness("OMP^O09^OMP_O09", "20240101"),
        newness("ADT^A04^ADT_A01", "20240201"),
        newness("OMP^O09^OMP_O09", "21991231"),
        newness(master, "xx"),
        newness(master, "20120401"),
        newness(master, "20240301"),
        newness(master, "20240302"),
        newness(master, "202403020001"),
    ];
    assert!(ascending.is_sorted_by(|a, b| a < b), "{ascending:?}");
    assert!(ascending.iter().all(|newness| newness >> NEWNESS_BITS == 0), "a sorter has no room for more");
}

#[test]
fn characters_that_hold_the_bytes_of_delimiters_are_whole() {
    let (bytes, _, lossy) = encoding_rs::ISO_2022_JP.encode("奥京五");
    assert!(!lossy && [b'|', b'~', b'^'].iter().all(|mark| bytes.contains(mark)));
    let (rows, _) = read(&[MSH, "PID|1||1||奥京^五^^^^^L^I||19830304|F"]);
    assert!(rows[0].contains("|奥京|五|"), "{rows:?}");
}

#[test]
fn messages_without_a_patient_and_files_without_a_message_are_malformed() {
    let pid = "PID|1||1||山田||19830304|F";
    assert_eq!(read(&[MSH, pid, MSH, "EVN|x", MSH, "PID|1||1||山田||1983", MSH, "PID|1||2", MSH, pid]).1, [2, 4]);
    assert_eq!(read(&["氏名,生年月日"]), (vec![], vec![1]));
    assert_eq!(read(&[""]), (vec![], vec![1]));
    let long = format!("OBX|{}", "x".repeat(300_000));
    assert_eq!(read(&[MSH, &long, pid]).0.len(), 1, "a long segment is passed over");
}

#[test]
fn utf_8_is_read_where_msh_18_or_the_layout_says_so() {
    let pid = "PID|1||1||山田^花子||19830304|F\n";
    let says = format!("\u{B}{}\r\n{pid}\u{1C}\r", MSH.replace("~ISO IR87", "UNICODE UTF-8"));
    assert!(read_with(says.as_bytes(), &layout()).0[0].contains("|山田|花子|"));
    let (mut declared, silent) = (layout(), format!("{MSH}\n{pid}"));
    declared.encoding = Some(Encoding::Utf8);
    assert!(read_with(silent.as_bytes(), &declared).0[0].contains("|山田|花子|"));
    let mut source = Ssmix2Source::open(silent.as_bytes(), &layout()).unwrap();
    let mut batch = RawBatch::new();
    assert!(source.read_batch(&mut batch, 9).unwrap());
    let mut scratch = String::new();
    assert!(Encoding::Utf8.decode(batch.record(0).field(2), &mut scratch).damaged, "wrong bytes are still counted");
}

proptest! {
    #[test]
    fn any_bytes_are_rows_or_malformed(bytes in prop::collection::vec(any::<u8>(), 0..300), pid in "[|^~\\\\&A山\r]{0,60}") {
        let (rows, malformed) = read_with(&bytes, &layout());
        prop_assert!(!rows.is_empty() || !malformed.is_empty());
        prop_assert_eq!(read(&[MSH, &format!("PID|{pid}")]).1.len() <= 1, true);
    }
}
