//! The formats of extracts, from outside: extracts without names are joined with the files that have them, and the same
//! people make the same tokens. What is reported of damaged ones: cli/injected.rs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use custodian::refs::SiteKey;
use linkage_core::secret::LinkageSecret;

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
