use proptest::prelude::*;

use super::super::person::month_of;
use super::*;

const FIELDS: [&str; 10] = [
    "family_kana",
    "given_kana",
    "family_kanji",
    "given_kanji",
    "birth_date",
    "sex",
    "insurer_number",
    "insured_symbol",
    "insured_number",
    "insured_branch",
];

fn layout() -> UkeLayout {
    let fields = FIELDS.map(str::to_owned).to_vec();
    UkeLayout::new(PersonLayout { fields, ..PersonLayout::default() })
}

fn cp932(text: &str) -> Vec<u8> {
    encoding_rs::SHIFT_JIS.encode(&text.replace('\n', "\r\n")).0.into_owned()
}

/// Rows as text (line, month count, id and values joined by `|`), and malformed lines.
fn read_with(file: &[u8], layout: &UkeLayout) -> Result<(Vec<String>, Vec<u64>), SourceError> {
    let mut source = UkeSource::open(file, layout)?;
    let (mut batch, mut rows, mut malformed) = (RawBatch::new(), Vec::new(), Vec::new());
    while source.read_batch(&mut batch, 2)? {
        malformed.extend_from_slice(batch.malformed_rows());
        for record in batch.records() {
            let values = (0..layout.person.fields.len()).map(|field| String::from_utf8_lossy(record.field(field)));
            let id = String::from_utf8_lossy(record.id().unwrap_or_default());
            rows.push(format!(
                "{} {} {id} {}",
                record.row(),
                month_of(record.newness()),
                values.collect::<Vec<_>>().join("|")
            ));
        }
    }
    Ok((rows, malformed))
}

/// The rows of a file that ends as it should.
fn read(file: &str) -> Vec<String> {
    read_with(&cp932(&format!("{file}{}", go(file))), &layout()).unwrap().0
}

const IR: &str = "IR,1,13,1,1234567,,テスト病院,202110,00,\n";

/// The GO record of a facility whose other records are these.
fn go(records: &str) -> String {
    let receipts = records.lines().filter(|line| line.trim_start_matches('"').starts_with("RE")).count();
    format!("GO,{receipts},100,99\n")
}

/// An RE record of 医科 with a kana name in column 37.
fn re(month: &str, name: &str, sex: &str, birth: &str, chart: &str, kana: &str) -> String {
    format!("RE,1,1112,{month},{name},{sex},{birth},,,,,,,{chart}{}{kana},\n", ",".repeat(23))
}

#[test]
fn the_golden_file_becomes_these_rows() {
    let golden = include_str!("golden.txt");
    let (rows, malformed) = read_with(&cp932(golden), &layout()).unwrap();
    assert_eq!(malformed, [26]);
    let expected = [
        "2 10 1311234567:00886 ヤマダハナコ||山田|花子|19911121|2|01010016|１|１２|01",
        "7 11 1311234567:00886 サトウハナコ||佐藤|花子|19911121|2|01010016|１|１２|01",
        "10 10 1311234567:77 キムラ|タロウ|||3480104|1|  010108||６５４３２１|",
        "13 10 1311234567:78 スズキイチロウ||鈴木|一郎|19480203|1|39131156||01234567|",
        "16 10 1311234567:79 ﾀﾅｶ|ｼﾞﾛｳ|||19800101|1|12131234||7654321|",
        "19 10 1311234567::06132013:7:8::1:19700307:高橋三郎 タカハシサブロウ||髙橋|三郎|19700307|1|06132013|７|８|",
        "23 10 1331234567:D1 イトウシロウ||伊藤|四郎|19600606|1|06132013|７|９|",
    ];
    assert_eq!(rows, expected);
}

#[test]
fn the_sample_of_receiptisan_is_read() {
    let text = format!(
        "{IR}{}HO,01010016,１,１,1,14321,,,,,,,,,\nSN,1,01,,,,00,,\n",
        re("202110", "あいうえお", "1", "19911121", "00886", "アイウエオ")
    );
    assert_eq!(read(&text), ["2 10 1311234567:00886 アイウエオ||||19911121|1|01010016|１|１|00"]);
}

#[test]
fn quotation_marks_spaces_and_missing_columns_do_no_harm() {
    let text = format!(
        "{IR}\"RE\",\"1\",\"1112\",\"202110\",\"山田　太郎\",\"1\",\"19911121\"\n\"HO\",\"  010108\",\"\",\"１２\"\nHO\n\
         RE,2,1112,202110,佐藤,1\nRE\nRE,3,1112,,鈴木　花子,2,19900101\n"
    );
    let file = format!("{text}{}\u{1A}", go(&text));
    let (rows, malformed) = read_with(&cp932(&file), &layout()).unwrap();
    assert_eq!(
        rows,
        [
            "2 10 1311234567::00010108::12::1:19911121:山田太郎 ||山田|太郎|19911121|1|  010108||１２|",
            "7 0 1311234567::::::2:19900101:鈴木花子 ||鈴木|花子|19900101|2||||"
        ]
    );
    assert_eq!(malformed, [5, 6]);
}

#[test]
fn months_count_in_both_calendars() {
    for (text, expected) in [
        ("202110", "20211001"),
        ("43104", "20190401"),
        ("50105", "20190501"),
        ("202113", ""),
        ("9999", ""),
        ("", ""),
        ("4294967296", ""),
    ] {
        assert_eq!(newness_of_month(text.as_bytes()), newness(expected), "{text}");
    }
}

#[test]
fn the_kana_column_depends_on_the_kind_and_can_be_set() {
    let dpc = format!("{IR}RE,1,1112,202110,山田　太郎,1,19911121,,,12,,ヤマダタロウ\nBU,x\nGO,1,100,99\n");
    assert!(
        read(dpc.trim_end_matches("GO,1,100,99\n"))[0].contains(" ヤマダタロウ||山田|太郎|"),
        "detected where the format is not known"
    );
    let mut layout = layout();
    layout.kana.set("dpc=none").unwrap();
    layout.chart.set("dpc=10").unwrap();
    let rows = read_with(&cp932(&dpc), &layout).unwrap().0;
    assert!(rows[0].starts_with("2 10 1311234567:12 ||山田|太郎|"));
    layout.kana.set("dpc=12").unwrap();
    assert!(read_with(&cp932(&dpc), &layout).unwrap().0[0].contains("ヤマダタロウ"));
    for bad in ["", "dpc", "dpc=", "dpc=7", "dpc=0", "x=8", "dpc=1000", "dpc=-1"] {
        assert!(layout.kana.set(bad).is_err(), "{bad}");
    }
    // What looks like a reading is no number of a chart.
    assert!(layout.kana.set("dpc=detect").is_ok() && layout.chart.set("dpc=detect").is_err());
}

#[test]
fn a_reading_that_is_none_is_detected_where_the_receipts_before_had_theirs() {
    let receipt = |name: &str, kana: &str| format!("RE,1,1112,202110,{name},1,19911121,,9,,12,,{kana},3\nBU,x\n");
    let text = format!(
        "{IR}{}{}{}{}",
        receipt("山田　太郎", "●〓"),
        receipt("佐藤　次郎", "サトウジロウ"),
        receipt("鈴木　三郎", "鈴木"),
        receipt("高橋　四郎", ""),
    );
    let rows = read(&text);
    let found: Vec<&str> = rows.iter().map(|row| row.split_once(' ').unwrap().1.split('|').next().unwrap()).collect();
    let readings: Vec<&str> = found.iter().map(|row| row.rsplit(' ').next().unwrap()).collect();
    assert_eq!(readings, ["●〓", "サトウジロウ", "鈴木", ""]);
}

#[test]
fn what_the_online_check_gave_replaces_the_card() {
    let re = re("202110", "山田　太郎", "1", "19911121", "1", "");
    let text = format!("{IR}{re}HO,01010016,１,１\nSN,2,01,99999999,,9,,\nSN,1,01,06132013,,３４,05,\n");
    assert_eq!(read(&text), ["2 10 1311234567:1 ||山田|太郎|19911121|1|06132013||３４|05"]);
}

#[test]
fn bytes_that_cannot_be_decoded_are_still_counted_later() {
    let mut file = cp932(&format!("{IR}RE,1,1112,202110,"));
    file.extend_from_slice(b"\x8e\x52\xff\x81\x40\x8e\x52,1,19911121\nGO,1\n");
    let mut source = UkeSource::open(&file[..], &layout()).unwrap();
    let mut batch = RawBatch::new();
    assert!(source.read_batch(&mut batch, 9).unwrap());
    let mut scratch = String::new();
    assert!(batch.record(0).encoding().decode(batch.record(0).field(2), &mut scratch).damaged);
}

#[test]
fn a_file_that_was_cut_off_has_no_row_of_its_last_receipt_wherever_the_cut_is() {
    let whole = format!(
        "{IR}{}HO,01010016,１,１,1,14321\n{}HO,01010016,１,２,1,14321\nGO,2,100,99\n",
        re("202110", "山田　花子", "2", "19911121", "1", "ヤマダハナコ"),
        re("202110", "佐藤　一郎", "1", "19481112", "2", "サトウイチロウ"),
    );
    let rows = read_with(&cp932(&whole), &layout()).unwrap().0;
    assert_eq!(rows.len(), 2);
    let file = cp932(&whole);
    let line_ends: Vec<usize> = file.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at).collect();
    // From within the second RE record up to the G of GO.
    for cut in line_ends[2] + 4..line_ends[4] + 2 {
        let found = read_with(&file[..cut], &layout()).unwrap();
        assert_eq!(found, (rows[..1].to_vec(), vec![4]), "cut after {cut} bytes");
    }
    // Within GO itself no receipt is lost, and its count tells that the file is not whole.
    for cut in [line_ends[4] + 3, line_ends[4] + 4] {
        assert_eq!(read_with(&file[..cut], &layout()).unwrap(), (rows.clone(), vec![6]), "cut after {cut} bytes");
    }
}

#[test]
fn receipts_of_several_facilities_that_are_not_whole_are_noticed() {
    let one = |chart: &str| re("202110", "山田　花子", "2", "19911121", chart, "ヤマダハナコ");
    let check = |records: &[&str], rows: usize, malformed: &[u64]| {
        let text = records.concat();
        let found = read_with(&cp932(&text), &layout()).unwrap();
        assert_eq!((found.0.len(), &found.1[..]), (rows, malformed), "{text}");
    };
    let (first, second) = (one("1"), one("2"));
    let two = "GO,2,200,99\n";
    check(&[IR, &first, "GO,1,100,99\n", IR, &first, &second, two], 3, &[]);
    // Cut after the next facility's IR record, or before the GO record of the one before.
    check(&[IR, &first, &second, two, IR], 2, &[5]);
    check(&[IR, &first, &second, IR, &first, "GO,1,100,99\n"], 2, &[3]);
    check(&[IR, IR, &first, "GO,1,100,99\n"], 1, &[1]);
    // Receipts are missing, or their count cannot be read.
    check(&[IR, &first, two, IR, &first, &second, two], 3, &[3]);
    check(&[IR, &first, "GO\n"], 1, &[3]);
    check(&[IR, &first, "GO,\"１\",100,99\n"], 1, &[3]);
    check(&[IR, &first, "\"GO\",\" 1\",\"100\",\"99\"\n"], 1, &[]);
    // A second volume goes on where the first one ended, and its GO record counts both.
    check(&[&IR.replace(",00,", ",01,"), &first, two], 1, &[]);
    check(&[&IR.replace(",00,", ",01,"), &first], 0, &[2]);
    // Without an IR record there is nothing to hold a count against.
    check(&[&first, two, &second, two], 2, &[]);
}

#[test]
fn what_is_no_receipt_is_refused_without_showing_it() {
    for (file, hint) in [
        (&b""[..], "empty"),
        (b"\r\n\r\n", "empty"),
        ("氏名,生年月日\n山田,1991\n".as_bytes(), "not a file of receipts"),
        (b"PK\x03\x04", "not a file of receipts"),
        (&[b'R'; 70_000], "64 KiB"),
    ] {
        let message = read_with(file, &layout()).unwrap_err().to_string();
        assert!(message.contains(hint) && message.contains("hint: ") && !message.contains("山田"), "{message}");
    }
    let mut layout = layout();
    layout.person.fields.push("suburb".into());
    assert!(read_with(b"IR,1\n", &layout).unwrap_err().to_string().contains("suburb"));
    layout.person.map.push(("suburb".into(), String::new()));
    assert!(read_with(b"IR,1\n", &layout).unwrap().0.is_empty());
}

proptest! {
    #[test]
    fn any_bytes_are_rows_or_a_clear_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read_with(&bytes, &layout());
        let mut file = b"IR,1,13,1,1234567\n".to_vec();
        file.extend_from_slice(&bytes);
        prop_assert!(read_with(&file, &layout()).is_ok());
    }

    #[test]
    fn any_order_of_damaged_records_is_rows(
        records in prop::collection::vec((0..8_usize, prop::collection::vec("[0-9A-Zア山\"　 ]{0,9}", 0..40)), 0..20)
    ) {
        let names = ["IR", "RE", "HO", "KO", "SN", "BU", "GO", "XX"];
        let mut text = IR.to_owned();
        for (name, cells) in records {
            text += &format!("{},{}\n", names[name], cells.join(","));
        }
        let (rows, malformed) = read_with(&cp932(&text), &layout()).unwrap();
        // Every receipt is a row or malformed, and what else is malformed is the record at the border of a facility.
        let lines: Vec<&str> = text.lines().collect();
        let line = |row: u64| lines[row as usize - 1];
        let read = rows.iter().map(|row| row.split(' ').next().unwrap().parse::<u64>().unwrap());
        let mut found: Vec<u64> = read.chain(malformed.iter().copied().filter(|row| line(*row).starts_with("RE"))).collect();
        found.sort_unstable();
        let receipts = (1..=lines.len() as u64).filter(|row| line(*row).starts_with("RE"));
        prop_assert_eq!(found, receipts.collect::<Vec<_>>());
        prop_assert!(malformed.iter().all(|row| ["RE", "IR", "GO"].contains(&&line(*row)[..2])));
    }
}
