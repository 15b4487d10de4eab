//! Formats other than CSV.

use std::fs;

use expect_test::expect;

use crate::site::{HEADER, Site};

/// A whole file of receipts of 医科 in CP932: lines of name, sex, birth date, chart, kana, month, symbol and number.
fn receipts(patients: &[[&str; 8]]) -> Vec<u8> {
    let mut text = "IR,1,13,1,1234567,,,202110,00,\r\n".to_owned();
    for [name, sex, birth, chart, kana, month, symbol, number] in patients {
        let between = ",".repeat(23);
        text += &format!("RE,1,1112,{month},{name},{sex},{birth},,,,,,,{chart}{between}{kana},\r\n");
        text += &format!("HO,06132013,{symbol},{number},1,100,,,,,,,,,\r\nSN,1,01,,,,01,,\r\n");
    }
    text += &format!("GO,{},100,99\r\n", patients.len());
    let (cp932, _, lossy) = encoding_rs::SHIFT_JIS.encode(&text);
    assert!(!lossy);
    cp932.into_owned()
}

#[test]
fn receipts_become_one_row_per_person_and_the_newest_wins() {
    let site = Site::new();
    let old = ["山田　花子", "2", "3580304", "1", "ヤマダハナコ", "50309", "１", "２"];
    let new = ["佐藤　花子", "2", "19830304", "1", "サトウハナコ", "202110", "１", "２"];
    let other = ["鈴木　一郎", "1", "19480203", "2", "スズキイチロウ", "202110", "１", "３"];
    fs::create_dir_all(site.path("receipts/2021")).unwrap();
    site.write("receipts/2021/10.UKE", receipts(&[new, other]));
    site.write("receipts/9.uke", receipts(&[old]));
    site.write("receipts/readme.txt", "not receipts");
    site.write("one.uke", receipts(&[new, other]));
    let last = receipts(&[other]);
    // Seven of the eight digits are left of the birth date, and would be read as a date by era.
    let cut = last.windows(8).position(|bytes| bytes == b"19480203").unwrap() + 7;
    site.write("cut.uke", [&receipts(&[new, old, other])[..], &last[..cut]].concat());
    let uke = "tokenise --database ndb --schema person-ja --secret linkage.secret --to unit.pub --site-key site.key \
               --format uke --force -o ndb.tokens";
    site.run(&format!("{uke} receipts")).check(&expect![[r#"
        exit 0
        merged: older records of the same person: 1
        wrote `ndb.tokens`: 2 of 3 rows, N bytes, density N %, N rows/s"#]]);
    let payload = |inputs: &str| {
        let run = site.run(&format!("{uke} --json {inputs}"));
        let summary: serde_json::Value = serde_json::from_str(&run.stdout()).unwrap();
        summary["payload_blake3"].as_str().unwrap().to_owned()
    };
    for inputs in ["receipts", "receipts/9.uke one.uke", "one.uke receipts/9.uke", "--sort-bytes 1 cut.uke one.uke"] {
        assert_eq!(payload(inputs), payload("one.uke"), "{inputs}");
    }
    site.write("out", "1311234567:2\n");
    let run = site.run(&format!("{uke} --json --opt-out out one.uke"));
    let summary: serde_json::Value = serde_json::from_str(&run.stdout()).unwrap();
    assert_eq!((summary["written_rows"].as_u64(), summary["findings"]["opted_out"].as_u64()), (Some(1), Some(1)));
    site.run("check --schema person-ja --format uke cut.uke").check(&expect![[r#"
        exit 3
        rows       <10
        to write   at least 0
        set aside  <10
        opted out  0
        merged     <10

        field           filled
        family_kana     in <10 rows
        given_kana      0 %
        family_kanji    in <10 rows
        given_kanji     in <10 rows
        birth_date      in <10 rows
        sex             in <10 rows
        postal_code     0 %
        insurer_number  in <10 rows
        insured_symbol  in <10 rows
        insured_number  in <10 rows
        insured_branch  in <10 rows

        set aside: malformed, a record that cannot be read to its end: <10 (rows 13)"#]]);
    for (line, hint) in [
        ("check --schema person-ja --format uke people.csv", "no such file"),
        ("check --schema person-ja --format uke out", "not a file of receipts"),
        ("check --schema person-ja --format uke --kana-column dpc=3 one.uke", "not a column of receipts"),
        ("check --schema person-ja --kana-column dpc=37 --format csv one.uke", "--format uke"),
        ("check --schema person-ja --format csv --opt-out out one.uke", "--id-column"),
        ("check --schema person-en --format uke one.uke", "the format has"),
    ] {
        let run = site.run(line);
        assert!(run.code() == 1 && run.stderr().contains(hint), "{line}: {}", run.stderr());
        assert!(run.stderr().contains("hint: ") && !run.stderr().contains("花子"));
    }
}

#[test]
fn the_same_person_in_fhir_and_in_receipts_becomes_the_same_token() {
    let site = Site::new();
    let patient = r#"{"resourceType":"Patient","identifier":[
        {"system":"urn:oid:1.2.392.100495.20.3.51.11311234567","value":"00886"},
        {"system":"http:/jpfhir.jp/fhir/ccs/Idsysmem/JP_Insurance_member/06132013","value":"06132013:1:２:01"}],
        "name":[{"text":"山田 花子"},{"text":"ヤマダハナコ"}],"gender":"female","birthDate":"1983-03-04"}"#;
    site.write("patients.ndjson", patient.replace('\n', "") + "\n{\"resourceType\":\"Organization\"}\n{\"cut\":\n");
    site.write("bundle.json", format!("{{\"resourceType\":\"Bundle\",\n\"entry\":[{{\"resource\":{patient}}}]}}"));
    site.write("one.uke", receipts(&[["山田　花子", "2", "3580304", "00886", "ヤマダハナコ", "202110", "１", "2"]]));
    let tokenise = |rest: &str| {
        let run = site.run(&format!(
            "tokenise --database ndb --schema person-ja --secret linkage.secret --to unit.pub --site-key site.key \
             --force --json -o ndb.tokens {rest}"
        ));
        let summary: serde_json::Value = serde_json::from_str(&run.stdout()).unwrap();
        (run.code(), summary["payload_blake3"].as_str().unwrap().to_owned())
    };
    // Even the record ref is the same: facility and number of the chart are.
    let (code, payload) = tokenise("--format uke one.uke");
    assert_eq!(code, 0);
    assert_eq!(tokenise("--format fhir bundle.json"), (0, payload.clone()));
    assert_eq!(tokenise("--format fhir bundle.json patients.ndjson"), (3, payload));
    site.write("broken.json", "{\n\"resourceType\": カナリア\n}");
    let run = site.run("check --schema person-ja --format fhir broken.json");
    assert!(run.code() == 1 && run.stderr().contains("hint: ") && !run.stderr().contains("カナリア"));
}

#[test]
fn names_that_go_to_other_columns_are_counted_and_those_that_no_field_takes_are_found() {
    let site = Site::new();
    let receipt = |name, kana| [name, "2", "19830304", "1", kana, "202110", "１", "２"];
    let people = [
        receipt("NGUYEN THI MAI", ""),
        receipt("グエン　マイ", ""),
        receipt("山田　花子", "ヤマダハナコ"),
        receipt("NGUYEN THI MAI", "グエン　マイ"),
    ];
    site.write("names.uke", receipts(&people));
    let rows = |options: &str| {
        let run = site.run(&format!("check --json --format uke {options} names.uke"));
        let json: serde_json::Value =
            serde_json::from_str(&run.stdout()).unwrap_or_else(|_| panic!("{}", run.stderr()));
        let names = json["findings"]["names"].as_array().unwrap().clone();
        names.iter().map(|note| format!("{} {}", note["rule"], note["first_rows"]).replace('"', "")).collect::<Vec<_>>()
    };
    // The RE records are in lines 2, 5, 8 and 11.
    let moved = ["name-in-kana [5]", "name-in-latin [2,11]"];
    assert_eq!(rows("--schema person-ja"), [moved[0], moved[1], "name-without-field [2,11]"]);
    assert_eq!(rows("--schema person-ja --map family_kanji=name_latin"), moved);
    let no_kana = "--schema person-ja --map family_kana= --map given_kana=";
    assert_eq!(rows(no_kana), [moved[0], moved[1], "name-without-field [2,5,11]"]);
    site.write("one", "1311234567:1\n");
    assert_eq!(rows("--schema person-ja --opt-out one"), [""; 0], "nothing of those who opted out");
    let shown = site.run("check --schema person-ja --format uke names.uke").stdout();
    assert!(
        shown.contains(
            "not used: name-without-field, a name in a script for which the schema has no field: <10 (rows 2, 11)"
        ),
        "{shown}"
    );
    // A format that tells the scripts apart moves nothing, and loses the name all the same.
    let patient = |names: &str| format!(r#"{{"resourceType":"Patient","birthDate":"1983-03-04","name":[{names}]}}"#);
    let (latin, kanji) = (r#"{"text":"NGUYEN THI MAI"}"#, r#"{"text":"山田 花子"}"#);
    site.write("people.ndjson", [patient(latin), patient(&format!("{latin},{kanji}"))].join("\n"));
    let shown = site.run("check --schema person-ja --format fhir people.ndjson").stdout();
    assert!(shown.contains("name-without-field") && shown.contains("(rows 1)"), "{shown}");
    assert!(!shown.contains("moved: "), "{shown}");
}

#[test]
fn the_newest_of_a_month_wins_whatever_the_order_of_the_files() {
    let site = Site::new();
    let patient = |family: &str, updated: &str| {
        format!(
            r#"{{"resourceType":"Patient","meta":{{"lastUpdated":"{updated}"}},"identifier":[{{"system":"urn:oid:1.2.392.100495.20.3.51.11311234567","value":"1"}}],"name":[{{"text":"{family} 花子"}}],"birthDate":"1983-03-04"}}"#
        )
    };
    site.write("new.ndjson", patient("山田", "2024-03-02T00:10:00+09:00"));
    site.write("day.ndjson", patient("佐藤", "2024-03-01T10:00:00+09:00"));
    site.write("minute.ndjson", patient("鈴木", "2024-03-01T15:09:00Z"));
    let message = |kind: &str, family: &str, time: &str| {
        format!(
            "MSH|^~\\&|HIS|HOSP|GW|RCV|{time}||{kind}|1|P|2.5||||||UNICODE UTF-8\rPID|1||1||{family}^花子^^^^^L^I||19830304|F\r"
        )
    };
    let master = "ADT^A08^ADT_A01";
    site.write("new.hl7", message(master, "山田", "20240302001000"));
    site.write("day.hl7", message(master, "佐藤", "20240301100000"));
    site.write("minute.hl7", message(master, "鈴木", "20240302000900"));
    site.write("order.hl7", message("OMP^O09^OMP_O09", "高橋", "20240401000000"));
    for (format, files) in [
        ("fhir", &["new.ndjson", "day.ndjson", "minute.ndjson"][..]),
        ("ssmix2", &["new.hl7", "day.hl7", "minute.hl7", "order.hl7"]),
    ] {
        let payload = |inputs: &str| {
            let run = site.run(&format!(
                "tokenise --database ndb --schema person-ja --secret linkage.secret --to unit.pub --site-key site.key \
                 --force --json -o ndb.tokens --format {format} {inputs}"
            ));
            let summary: serde_json::Value =
                serde_json::from_str(&run.stdout()).unwrap_or_else(|_| panic!("{}", run.stderr()));
            summary["payload_blake3"].as_str().unwrap().to_owned()
        };
        let newest = payload(files[0]);
        for older in &files[1..] {
            assert_eq!(payload(&format!("{} {older}", files[0])), newest, "{older}");
            assert_eq!(payload(&format!("{older} {}", files[0])), newest, "{older}");
        }
    }
}

#[test]
fn a_checkup_and_a_receipt_of_the_same_people_make_the_same_tokens() {
    let site = Site::new();
    site.write(
        "checkup.csv",
        format!("{HEADER}\n1,サトウ,シヨウイチ,佐藤,正一,19830304,1,1000001,06132013,1234,567,00\n2,タカハシ,カズコ,高橋,和子,19261225,2,1000002,00138057,,89,\n"),
    );
    site.write(
        "receipt.csv",
        format!("{HEADER}\n1,さとう,ｼｮｳｲﾁ　,佐　藤,正一,3580304,男,100-0001,０６１３２０１３,１２－３４,５６７,0\n2,タカハシ,かづこ,髙橋,和子,大正15年12月25日,F,〒1000002,\"  138057\",　,８９,\n"),
    );
    assert_eq!(site.payload("checkup.csv"), site.payload("receipt.csv"));
}
