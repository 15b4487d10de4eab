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
