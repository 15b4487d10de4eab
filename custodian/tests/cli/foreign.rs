//! Names of foreign residents, from outside: several given names, in the order that each system likes.

use super::site::Site;

const SCHEMA: &str = r#"{
  "format": "linkage-schema/1", "name": "residents", "normalisation": "ja/1", "threshold": "0.8",
  "fields": [
    {"name": "name_latin", "kind": "latin-sorted", "encode": {"bits": 200}},
    {"name": "name_kana", "kind": "kana-sorted", "encode": {"bits": 200}},
    {"name": "birth_date", "kind": "date", "encode": {"bits": 200}}
  ]
}"#;

/// The hash of the tokens of an extract in this format.
fn payload(site: &Site, arguments: &str) -> String {
    let run = site.run(&format!(
        "tokenise --database ndb --schema residents.json --secret linkage.secret --to unit.pub --site-key site.key --force \
         --json -o out.tokens {arguments}"
    ));
    let summary: serde_json::Value =
        serde_json::from_slice(&run.0.stdout).unwrap_or_else(|_| panic!("{}", run.stderr()));
    assert_eq!((run.code(), &summary["written_rows"]), (0, &1.into()));
    summary["payload_blake3"].as_str().unwrap().to_owned()
}

fn csv(site: &Site, latin: &str, kana: &str) -> String {
    site.write("one.csv", format!("id,name_latin,name_kana,birth_date\nX:1,{latin},{kana},1995-05-05\n"));
    payload(site, "--id-column id one.csv")
}

#[test]
fn the_words_of_a_foreign_name_may_stand_in_any_order() {
    let site = Site::new();
    site.write("residents.json", SCHEMA);
    let first = csv(&site, "NGUYEN THI MAI", "グエン　ティ　マイ");
    for (latin, kana) in [
        ("Mai Thi Nguyễn", "マイ・ティ・グエン"),
        ("\"ＮＧＵＹＥＮ，　ＭＡＩ　ＴＨＩ\"", "ｸﾞｴﾝ ﾏｲ ﾃｨ"),
        ("THI-MAI NGUYEN", "ティ マイ グエン"),
    ] {
        assert_eq!(csv(&site, latin, kana), first, "{latin}, {kana}");
    }
    for (latin, kana) in [("NGUYEN THI MAY", "グエン　ティ　マイ"), ("NGUYEN THI MAI", "グエン　ティ　メイ")]
    {
        assert_ne!(csv(&site, latin, kana), first, "{latin}, {kana}");
    }
}

#[test]
fn a_hospital_and_an_insurer_write_one_resident_in_their_own_orders() {
    let site = Site::new();
    site.write("residents.json", SCHEMA);
    // The same id, so that equal tokens make equal files.
    let patient = r#"{"resourceType":"Patient","identifier":[{"system":"urn:oid:1.2.392.100495.20.3.51.11311234567","value":"7"}],"name":[{"family":"NGUYEN","given":["THI","MAI"]},{"text":"グエン ティ マイ"}],"birthDate":"1995-05-05"}"#;
    site.write("patient.ndjson", patient);
    let fhir = payload(&site, "--format fhir patient.ndjson");
    site.write(
        "adt-00",
        "MSH|^~\\&|X|1311234567|||20240401||ADT^A08|1|P|2.5||||||UNICODE UTF-8\r\
         PID|1||7^^^^PI||MAI^THI NGUYEN^^^^^L^A~マイ^ティ グエン^^^^^L^P||19950505|F\r",
    );
    assert_eq!(payload(&site, "--format ssmix2 adt-00"), fhir);
}

const ALIASES: &str = r#"{
  "format": "linkage-schema/1", "name": "residents", "normalisation": "ja/1", "threshold": "0.8",
  "fields": [
    {"name": "name_latin", "kind": "latin-sorted", "encode": {"bits": 150}},
    {"name": "alias_kanji", "kind": "kanji", "encode": {"bits": 150}},
    {"name": "alias_kana", "kind": "kana", "encode": {"bits": 150}},
    {"name": "birth_date", "kind": "date", "encode": {"bits": 150}}
  ]
}"#;

/// A resident with a legal name in the alphabet and one in common use (通称), as FHIR and as SS-MIX2 have them.
fn write_resident(site: &Site) {
    let identifiers = r#"[{"system":"urn:oid:1.2.392.100495.20.3.51.11311234567","value":"7"}]"#;
    let names = r#"[{"use":"official","text":"NGUYEN THI MAI"},{"use":"usual","text":"山田 花子"},{"use":"usual","text":"ヤマダ ハナコ"}]"#;
    let patient = format!(
        r#"{{"resourceType":"Patient","identifier":{identifiers},"name":{names},"gender":"female","birthDate":"1995-05-05"}}"#
    );
    site.write("patient.ndjson", patient);
    site.write(
        "adt-00",
        "MSH|^~\\&|X|1311234567|||20240401||ADT^A08|1|P|2.5||||||UNICODE UTF-8\r\
         PID|1||7^^^^PI||MAI^THI NGUYEN^^^^^L^A~山田^花子^^^^^A^I~ヤマダ^ハナコ^^^^^A^P||19950505|F\r",
    );
}

#[test]
fn a_name_in_common_use_has_fields_of_its_own_in_every_format_that_tells_it() {
    let site = Site::new();
    site.write("residents.json", ALIASES);
    write_resident(&site);
    let fhir = payload(&site, "--format fhir patient.ndjson");
    assert_eq!(payload(&site, "--format ssmix2 adt-00"), fhir);
    site.write(
        "one.csv",
        "番号,ローマ字氏名,通称名,通称名カナ,birth_date\n1311234567:7,Mai Thi Nguyen,山田花子,ﾔﾏﾀﾞﾊﾅｺ,1995-05-05\n",
    );
    let maps = "--map name_latin=ローマ字氏名 --map alias_kanji=通称名 --map alias_kana=通称名カナ --id-column 番号";
    assert_eq!(payload(&site, &format!("{maps} one.csv")), fhir);
    site.write(
        "other.csv",
        "番号,ローマ字氏名,通称名,通称名カナ,birth_date\n1311234567:7,Mai Thi Nguyen,,,1995-05-05\n",
    );
    assert_ne!(payload(&site, &format!("{maps} other.csv")), fhir);
}

#[test]
fn whose_legal_name_is_in_the_alphabet_alone_has_the_tokens_of_the_name_in_common_use() {
    let site = Site::new();
    site.write("residents.json", include_str!("../../../linkage-core/schemas/person-ja.json"));
    write_resident(&site);
    let header = "id,family_kana,given_kana,family_kanji,given_kanji,birth_date,sex,postal_code,insurer_number,\
                  insured_symbol,insured_number,insured_branch";
    site.write("one.csv", format!("{header}\n1311234567:7,ヤマダ,ハナコ,山田,花子,1995-05-05,2,,,,,\n"));
    let common = payload(&site, "--id-column id one.csv");
    assert_eq!(payload(&site, "--format fhir patient.ndjson"), common);
    assert_eq!(payload(&site, "--format ssmix2 adt-00"), common);
}
