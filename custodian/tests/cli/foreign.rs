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
