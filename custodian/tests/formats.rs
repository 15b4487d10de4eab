//! The formats of extracts, from outside: what is damaged on purpose is reported by rule and count, and nothing else is;
//! extracts without names are joined with the files that have them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use custodian::refs::SiteKey;
use linkage_core::secret::LinkageSecret;
use proptest::prelude::*;

/// A folder with all that a custodian needs; gone when the test is over.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap() };
        LinkageSecret::from_bytes([7; 32]).create_file(&site.path("linkage.secret")).unwrap();
        site.write("unit.pub", SiteKey::generate().recipient().to_string().as_bytes());
        SiteKey::generate().create_file(&site.path("site.key")).unwrap();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn run(&self, options: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_custodian"));
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.args([
            "tokenise",
            "--database",
            "ndb",
            "--schema",
            "person-ja",
            "--secret",
            "linkage.secret",
            "--json",
        ]);
        command.args(["--to", "unit.pub", "--site-key", "site.key", "--force", "-o", "out.tokens"]);
        command.args(options.split_whitespace()).output().unwrap()
    }

    /// What the program reports: rules and counts, rows that were written, and the hash of the tokens.
    fn report(&self, options: &str) -> Report {
        let output = self.run(options);
        let summary: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        let findings = &summary["findings"];
        let mut rules = BTreeMap::new();
        for (list, field) in [("set_aside", "rule"), ("broken", "field")] {
            for found in findings[list].as_array().unwrap() {
                let mut name = found[field].as_str().unwrap().to_owned();
                if list == "broken" {
                    name = format!("{name} {}", found["rule"].as_str().unwrap());
                }
                rules.insert(name, found["rows"].as_u64().unwrap());
            }
        }
        Report {
            rules,
            written: summary["written_rows"].as_u64().unwrap(),
            payload: summary["payload_blake3"].as_str().unwrap().to_owned(),
        }
    }
}

struct Report {
    rules: BTreeMap<String, u64>,
    written: u64,
    payload: String,
}

/// What is done to a record on purpose.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Damage {
    /// The record ends too early.
    Cut,
    Date,
    Sex,
    Insurer,
    CheckDigit,
    /// A byte that the encoding does not have.
    Byte,
}

const DAMAGES: [Damage; 6] =
    [Damage::Cut, Damage::Date, Damage::Sex, Damage::Insurer, Damage::CheckDigit, Damage::Byte];

const FORMATS: [&str; 6] = ["csv", "uke", "kenshin", "fhir", "kaigo", "ssmix2"];

/// What must be reported of it; nothing when the format cannot be damaged so.
fn rule(format: &str, damage: Damage) -> Option<&'static str> {
    Some(match (format, damage) {
        ("csv", Damage::Cut) => "wrong-field-count",
        (_, Damage::Cut) | ("kaigo", Damage::Insurer) => "malformed",
        // Without a birth date nothing tells the person of a checkup from others.
        ("kenshin", Damage::Date) => "no-record-id",
        (_, Damage::Date) => "birth_date not-a-date",
        (_, Damage::Sex) => "sex unknown-sex",
        ("kaigo", Damage::CheckDigit) | ("kenshin" | "fhir", Damage::Byte) => return None,
        (_, Damage::Insurer) => "insurer_number not-an-insurer-number",
        (_, Damage::CheckDigit) => "insurer_number check-digit",
        (_, Damage::Byte) => "family_kana undecodable-bytes",
    })
}

/// A byte that no encoding here has; the control character stands for it until the text has been encoded.
const BAD: char = '\u{1}';

fn encoded(text: &str, encoding: &'static encoding_rs::Encoding) -> Vec<u8> {
    encoding.encode(text).0.iter().map(|&byte| if byte == 1 { 0xFF } else { byte }).collect()
}

/// One record as text, without the line end.
fn record(format: &str, n: usize, damage: Option<Damage>) -> String {
    let is = |this| damage == Some(this);
    let birth = if is(Damage::Date) { "19830231".to_owned() } else { format!("{}0304", 1930 + n % 90) };
    let sex = if is(Damage::Sex) { "7" } else { ["1", "2"][n % 2] };
    let insurer = if is(Damage::Insurer) {
        "12A45678"
    } else if is(Damage::CheckDigit) {
        "06132014"
    } else {
        "06132013"
    };
    let kana = if is(Damage::Byte) { format!("ヤマ{BAD}") } else { "ヤマダ".to_owned() };
    let cut = is(Damage::Cut);
    match format {
        "csv" => format!(
            "{n},{kana},ハナコ,山田,花子,{birth},{sex},1000001,{insurer},12,{n}{}",
            if cut { "" } else { ",01" }
        ),
        "uke" if cut => format!("RE,{n},1112,202110,山田　花子"),
        "uke" => format!(
            "RE,{n},1112,202110,山田　花子,{sex},{birth},,,,,,,{n}{}{kana},\nHO,{insurer},１２,{n}\nSY,1",
            ",".repeat(23)
        ),
        "kenshin" => {
            let document = format!(
                "<ClinicalDocument><recordTarget><patientRole><id root='1.2.392.200119.6.101' extension='{insurer}'/>\
                 <id root='1.2.392.200119.6.205' extension='{n}'/><patient><name>{kana}ハナコ</name>\
                 <administrativeGenderCode code='{sex}'/><birthTime value='{birth}'/></patient></patientRole></recordTarget>"
            );
            if cut { document } else { document + "</ClinicalDocument>" }
        }
        "fhir" => {
            let birth = format!("{}-{}-{}", &birth[..4], &birth[4..6], &birth[6..]);
            let patient = format!(
                r#"{{"resourceType":"Patient","identifier":[{{"system":"urn:oid:1.2.392.100495.20.3.51.11311234567","value":"{n}"}},{{"system":"http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID","value":"{insurer}::{n}:"}}],"name":[{{"text":"{kana} ハナコ"}}],"gender":"{sex}","birthDate":"{birth}"}}"#
            );
            if cut { patient[..patient.len() - 20].to_owned() } else { patient }
        }
        "kaigo" if cut => format!("2,{n},5311"),
        "kaigo" => format!("2,{n},5311,01,20240401,1,1,x,{insurer},{},{kana} ハナコ,{birth},{sex},", n + 1),
        _ if cut => format!("MSH|^~\\&|HIS|HOSP\rPID|1||{n}||山田"),
        _ => format!(
            "MSH|^~\\&|HIS|HOSP\rPID|1||{n}||山田^花子^^^^^L^I~{kana}^ハナコ^^^^^L^P||{birth}|{sex}\r\
             IN1|1|x|{insurer}|||||||12~{n}"
        ),
    }
}

/// Writes the records and says with which options to read them.
fn write(site: &Site, format: &str, damages: &[Option<Damage>]) -> String {
    let records: Vec<String> = damages.iter().enumerate().map(|(n, damage)| record(format, n, *damage)).collect();
    let lines = |end: &str| records.iter().map(|record| format!("{record}{end}")).collect::<String>();
    match format {
        "csv" => {
            let header = "id,family_kana,given_kana,family_kanji,given_kanji,birth_date,sex,postal_code,insurer_number,\
                          insured_symbol,insured_number,insured_branch\n";
            site.write("in", &encoded(&format!("{header}{}", lines("\n")), encoding_rs::SHIFT_JIS));
            return "--encoding cp932 --id-column id in".to_owned();
        }
        "uke" => {
            let text = format!("IR,1,13,1,1234567\n{}GO,{}\n", lines("\n"), records.len()).replace('\n', "\r\n");
            site.write("in", &encoded(&text, encoding_rs::SHIFT_JIS));
        }
        "kenshin" => {
            for (n, record) in records.iter().enumerate() {
                site.write(&format!("in/{n:04}.xml"), record.as_bytes());
            }
        }
        "fhir" => site.write("in", lines("\n").as_bytes()),
        "kaigo" => site.write("in", &encoded(&lines("\r\n"), encoding_rs::SHIFT_JIS)),
        _ => site.write("in", &encoded(&lines("\r"), encoding_rs::ISO_2022_JP)),
    }
    format!("--format {format} in")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn injected_damage_is_what_is_reported(
        format in 0..FORMATS.len(),
        chosen in prop::collection::vec(prop::option::weighted(0.4, 0..DAMAGES.len()), 12..40),
    ) {
        let format = FORMATS[format];
        // The first two are sound, so that there is something to write.
        let damages = chosen.iter().map(|damage| damage.map(|at| DAMAGES[at]).filter(|damage| rule(format, *damage).is_some()));
        let damages: Vec<Option<Damage>> = [None, None].into_iter().chain(damages).collect();
        let mut expected = BTreeMap::new();
        for damage in damages.iter().flatten() {
            *expected.entry(rule(format, *damage).unwrap().to_owned()).or_insert(0_u64) += 1;
        }
        prop_assume!(expected.get("family_kana undecodable-bytes").is_none_or(|&rows| rows * 2 < damages.len() as u64));
        let site = Site::new();
        let options = write(&site, format, &damages);
        let report = site.report(&options);
        let lost: u64 = expected.iter().filter(|(rule, _)| !rule.contains(' ')).map(|(_, rows)| rows).sum();
        prop_assert_eq!(report.rules, expected, "{}", format);
        prop_assert_eq!(report.written, damages.len() as u64 - lost, "{}", format);
    }
}

fn golden(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/golden").join(name).to_str().unwrap().to_owned()
}

#[test]
fn extracts_without_names_are_joined_with_the_files_that_have_them() {
    let site = Site::new();
    let kaigo = site.report(&format!("--format kaigo --names {} {}", golden("ledger.csv"), golden("claims.csv")));
    assert_eq!(kaigo.written, 2);
    assert_eq!(kaigo.rules, BTreeMap::from([("malformed".to_owned(), 2), ("no-name".to_owned(), 1)]));
    let register = site.report(&format!("--format kaigo {}", golden("ledger.csv")));
    assert_eq!((register.written, register.rules.get("malformed")), (3, Some(&1)));
    let dpc = site.report(&format!("--format dpc --names {} {}", golden("receipts-dpc.uke"), golden("ff1.txt")));
    assert_eq!(dpc.written, 2);
    assert_eq!((dpc.rules.get("no-name"), dpc.rules.get("malformed")), (Some(&1), Some(&1)));
}

#[test]
fn a_storage_is_read_as_a_folder_and_parquet_as_a_table() {
    let site = Site::new();
    let message = fs::read(golden("adt-00")).unwrap();
    site.write("storage/999/901/9999013/20240301/ADT-00/9999013_20240301_ADT-00_1", &message);
    site.write("storage/999/901/9999013/20240302/ADT-00/9999013_20240302_ADT-00_1", &message);
    site.write("storage/.hidden", b"no message");
    let storage = site.report("--format ssmix2 storage");
    assert_eq!((storage.written, storage.rules.get("malformed")), (4, Some(&2)));
    let maps = "--map family_kanji= --map given_kanji= --map insurer_number= --map insured_symbol= --map insured_number= \
                --map insured_branch= --id-column id";
    let parquet = site.report(&format!("--format parquet {maps} {}", golden("people.parquet")));
    site.write(
        "people.csv",
        "id,family_kana,given_kana,birth_date,sex,postal_code\n1,ヤマダ,ハナコ,1983-03-04,2,1000001\n\
         2,サトウ,タロウ,,1,0600001\n3,,,1912-07-30,2,\n"
            .as_bytes(),
    );
    assert_eq!(parquet.payload, site.report(&format!("{maps} people.csv")).payload, "the same table, the same tokens");
}

#[test]
fn a_name_in_kana_counts_as_the_reading_whichever_column_it_stands_in() {
    let site = Site::new();
    let header = "id,family_kana,given_kana,family_kanji,given_kanji,birth_date,sex,postal_code,insurer_number,\
                  insured_symbol,insured_number,insured_branch";
    let rest = "19830304,2,1000001,06132013,12,345,01";
    let with = |names: &str| {
        site.write("in.csv", format!("{header}\n1,{names},{rest}\n").as_bytes());
        site.report("--id-column id in.csv").payload
    };
    let plain = with("ヤマダ,ハナコ,,");
    assert_eq!(with(",,ﾔﾏﾀﾞ,はなこ"), plain);
    assert_eq!(with("ヤマダ,,,ハナコ"), plain);
    assert_eq!(with("ヤマダ,ハナコ,サトウ,ジロウ"), plain, "a reading that is there stays");
    assert_ne!(with("ヤマダ,ハナコ,山田,花子"), plain);
    assert_ne!(with(",,ヤマダ,SMITH"), plain);
}

#[test]
fn options_without_effect_are_refused() {
    let site = Site::new();
    site.write("in", b"x");
    for (options, part) in [
        ("--format dpc in", "--names"),
        ("--format uke --names in in", "--names"),
        ("--format fhir --register ledger in", "--register"),
        ("--format uke --column register.number=1 in", "--column"),
        ("--format kaigo --column number=1 in", "register.number"),
        ("--format parquet in", "not a Parquet file"),
        ("--format parquet -", "stdin"),
        ("--format parquet --encoding cp932 in", "--encoding"),
    ] {
        let output = site.run(options);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{options}: {stderr}");
        assert!(stderr.contains(part) && stderr.contains("hint: "), "{options}: {stderr}");
    }
}
