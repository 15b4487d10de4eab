//! Whole command lines of `custodian`, from outside: what they print, how they exit, what they leave behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use arrow::array::AsArray;
use custodian::refs::{RecordId, SiteKey, record_ref};
use expect_test::{Expect, expect};
use linkage_core::secret::LinkageSecret;
use linkage_core::token_file::TokenFileReader;

const HEADER: &str = "id,family_kana,given_kana,family_kanji,given_kanji,birth_date,sex,postal_code,\
                      insurer_number,insured_symbol,insured_number,insured_branch";

/// A folder with all that a custodian needs; gone when the test is over.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap() };
        LinkageSecret::from_bytes([7; 32]).create_file(&site.path("linkage.secret")).unwrap();
        let unit = SiteKey::generate();
        unit.create_file(&site.path("unit.key")).unwrap();
        site.write("unit.pub", format!("{}\n", unit.recipient()));
        SiteKey::generate().create_file(&site.path("site.key")).unwrap();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_custodian"));
        command.current_dir(self.folder.path()).args(line.split_whitespace()).stdin(Stdio::null());
        command
    }

    fn run(&self, line: &str) -> Run {
        Run(self.command(line).output().unwrap())
    }

    fn tokenise(&self, rest: &str) -> Run {
        self.run(&format!(
            "tokenise --database ndb --schema person-ja --secret linkage.secret --to unit.pub --id-column id {rest}"
        ))
    }

    /// The hash of what is sealed in the token file that these arguments make.
    fn payload(&self, rest: &str) -> String {
        let run = self.tokenise(&format!("--site-key site.key --force --json -o payload.tokens {rest}"));
        let summary: serde_json::Value =
            serde_json::from_slice(&run.0.stdout).unwrap_or_else(|_| panic!("{}", run.stderr()));
        summary["payload_blake3"].as_str().unwrap().to_owned()
    }

    fn files(&self) -> BTreeSet<String> {
        fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    }
}

struct Run(Output);

impl Run {
    fn code(&self) -> i32 {
        self.0.status.code().unwrap()
    }

    fn stdout(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    /// Exit code, stdout and stderr, without what differs from run to run.
    fn check(&self, expected: &Expect) {
        let text = format!("exit {}\n{}{}", self.code(), self.stdout(), self.stderr());
        expected.assert_eq(&text.lines().map(steady).collect::<Vec<_>>().join("\n"));
    }
}

/// A line with hashes, sizes, rates and densities blotted out.
fn steady(line: &str) -> String {
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    for at in 0..words.len() {
        let core = words[at].trim_matches(['(', ')']).to_owned();
        if core.len() == 64 && core.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            words[at] = words[at].replace(&core, "HASH");
        }
        let next = words.get(at + 1).map(|word| word.trim_end_matches(',').to_owned());
        if matches!(next.as_deref(), Some("bytes" | "rows/s")) && core.starts_with(|c: char| c.is_ascii_digit()) {
            words[at] = "N".to_owned();
        }
        if at > 0 && words[at - 1] == "density" && core.starts_with(|c: char| c.is_ascii_digit()) {
            words[at] = "N".to_owned();
        }
        if line.starts_with("density ") && next.as_deref() == Some("%") {
            words[at] = "N".to_owned();
        }
    }
    words.join(" ")
}

/// Plain people: everything given, everything valid.
fn people(count: u32) -> String {
    let kana: Vec<char> = "アイウエオカキクケコサシスセソタチツテトナニヌネノ".chars().collect();
    let kanji: Vec<char> = "佐藤鈴木高橋田中伊東山本中村小林加吉太郎花子".chars().collect();
    let pick = |from: &[char], n: u32| from[n as usize % from.len()];
    let mut text = format!("{HEADER}\n");
    for n in 0..count {
        let (a, b) = (n.wrapping_mul(7919), n.wrapping_mul(104_729) / 3);
        text.push_str(&format!(
            "p{n},{}{}{},{}{},{}{},{}{},19{:02}{:02}{:02},{},{:07},06132013,{},{},{:02}\n",
            pick(&kana, a),
            pick(&kana, a / 25),
            pick(&kana, b),
            pick(&kana, b / 7),
            pick(&kana, a / 11),
            pick(&kanji, a),
            pick(&kanji, b),
            pick(&kanji, a / 3),
            pick(&kanji, b / 5),
            n % 90 + 10,
            a % 12 + 1,
            b % 28 + 1,
            n % 2 + 1,
            1_000_000 + a % 8_000_000,
            a % 99,
            n,
            n % 3
        ));
    }
    text
}

/// One row for each thing that can be wrong, among sound ones.
fn troubled() -> String {
    let mut text = people(30);
    for row in [
        "q1,SATO,ハナコ,佐藤,花子,19830231,1,1000000,06132013,1,2,00",
        "q2,サトウ,ハナコ,サトウ,花子,1983,x,12,12,(1),2,123",
        "q3,サトウ,ハナコ,佐藤,花子,S64.5.1,2,1000000,83136019,1,3,00",
        "q4,●●,ハ●コ,佐〓,花子,18000101,2,1000000,06132013,1,4,00",
        "q5,サトウ",
        ",サトウ,ハナコ,佐藤,花子,19830304,2,1000000,06132013,1,5,00",
        "p3,サトウ,ハナコ,佐藤,花子,19830304,2,1000000,06132013,1,6,00",
        "q6,,,,,,,,,,,",
    ] {
        text.push_str(row);
        text.push('\n');
    }
    text
}

#[test]
fn a_sound_extract_becomes_a_token_file_that_a_person_can_inspect() {
    let site = Site::new();
    site.write("people.csv", people(30));
    site.tokenise("people.csv -o ndb.tokens").check(&expect![[r#"
        exit 0
        wrote `ndb.site-key`: your site key; keep it, without it no result can be mapped back
        wrote `ndb.tokens`: 30 of 30 rows, N bytes, density N %, N rows/s"#]]);
    site.run("inspect --site-key ndb.site-key ndb.tokens").check(&expect![[r#"
        exit 0
        database       ndb
        schema         person-ja (HASH)
        key check      f7fa78322cda478c
        normalisation  ja/1
        records        30
        density        N %
        file           N bytes, format 1
        payload        blake3 HASH

        column                bytes  filled
        record_ref               16  100 %
        clk                     128  100 %
        presence                  2  100 %
        exact_insured_id         16  100 %

        rows             which fields went into the CLK
        30               all fields

        Not in this file: names, dates, numbers or any other value in clear; record ids; the order of the
        extract; the linkage secret; the site key. Verified to its last byte."#]]);
    assert_eq!(site.run("inspect --identity unit.key ndb.tokens").code(), 0, "the linkage unit opens it too");
    let files = site.files();
    let left: Vec<_> = files.iter().filter(|name| name.starts_with('.')).collect();
    assert!(left.is_empty(), "temporary files were left behind: {left:?}");
    // A second extract of the same database finds the site key again.
    let again = site.tokenise("--force people.csv -o ndb.tokens");
    assert_eq!((again.code(), site.files()), (0, files));
    assert!(!again.stderr().contains("site-key"));
}

#[test]
fn rows_and_values_that_break_rules_are_counted_by_row_and_rule() {
    let site = Site::new();
    site.write("people.csv", troubled());
    site.tokenise("people.csv -o ndb.tokens").check(&expect![[r#"
        exit 3
        set aside: wrong-field-count, another number of fields than the header: 1 (rows 36)
        set aside: no-record-id, no record id: 1 (rows 37)
        set aside: nothing-present, no field left to encode: 1 (rows 39)
        set aside: duplicate-record-id, the record id of an earlier row: 1 (rows 38)
        missing: `family_kana` unreadable, nothing but characters that cannot be read (●, 〓, 外字): 1 (rows 35)
        missing: `family_kana` not-kana, not written in kana: 1 (rows 32)
        missing: `family_kanji` no-kanji, no kanji (the kana column carries such a name): 1 (rows 33)
        missing: `birth_date` not-a-date, not a calendar date: 1 (rows 32)
        missing: `birth_date` partial-date, a date without month or day: 1 (rows 33)
        missing: `birth_date` year-out-of-range, a date before 1850 or after 2199: 1 (rows 35)
        kept: `birth_date` out-of-era, a date outside its era, converted by its year: 1 (rows 34)
        missing: `sex` unknown-sex, not a known sex code: 1 (rows 33)
        missing: `postal_code` not-a-postal-code, not a postal code of 3 to 7 digits: 1 (rows 33)
        missing: `insurer_number` not-an-insurer-number, not an insurer number of 4 to 8 digits: 1 (rows 33)
        kept: `insurer_number` check-digit, the check digit does not fit; the number is used as it is: 1 (rows 34)
        missing: `insured_symbol` not-a-symbol, signs other than letters and digits: 1 (rows 33)
        missing: `insured_branch` not-a-branch, not a branch number of 1 or 2 digits: 1 (rows 33)
        wrote `ndb.site-key`: your site key; keep it, without it no result can be mapped back
        wrote `ndb.tokens`: 34 of 38 rows, N bytes, density N %, N rows/s"#]]);
    site.run("check --schema person-ja --id-column id people.csv").check(&expect![[r#"
        exit 3
        rows       38
        to write   at least 30
        set aside  <10
        opted out  0

        field           filled
        family_kana     in all but <10 rows
        given_kana      in all but <10 rows
        family_kanji    in all but <10 rows
        given_kanji     in all but <10 rows
        birth_date      in all but <10 rows
        sex             in all but <10 rows
        postal_code     in all but <10 rows
        insurer_number  in all but <10 rows
        insured_symbol  in all but <10 rows
        insured_number  in all but <10 rows
        insured_branch  in all but <10 rows

        set aside: wrong-field-count, another number of fields than the header: <10 (rows 36)
        set aside: no-record-id, no record id: <10 (rows 37)
        set aside: nothing-present, no field left to encode: <10 (rows 39)
        set aside: duplicate-record-id, the record id of an earlier row: <10 (rows 38)
        missing: `family_kana` unreadable, nothing but characters that cannot be read (●, 〓, 外字): <10 (rows 35)
        missing: `family_kana` not-kana, not written in kana: <10 (rows 32)
        missing: `family_kanji` no-kanji, no kanji (the kana column carries such a name): <10 (rows 33)
        missing: `birth_date` not-a-date, not a calendar date: <10 (rows 32)
        missing: `birth_date` partial-date, a date without month or day: <10 (rows 33)
        missing: `birth_date` year-out-of-range, a date before 1850 or after 2199: <10 (rows 35)
        kept: `birth_date` out-of-era, a date outside its era, converted by its year: <10 (rows 34)
        missing: `sex` unknown-sex, not a known sex code: <10 (rows 33)
        missing: `postal_code` not-a-postal-code, not a postal code of 3 to 7 digits: <10 (rows 33)
        missing: `insurer_number` not-an-insurer-number, not an insurer number of 4 to 8 digits: <10 (rows 33)
        kept: `insurer_number` check-digit, the check digit does not fit; the number is used as it is: <10 (rows 34)
        missing: `insured_symbol` not-a-symbol, signs other than letters and digits: <10 (rows 33)
        missing: `insured_branch` not-a-branch, not a branch number of 1 or 2 digits: <10 (rows 33)"#]]);
    let report = site.run("check --schema person-ja --id-column id --json --rows 0 people.csv");
    let json: serde_json::Value = serde_json::from_str(&report.stdout()).unwrap();
    assert_eq!(json["findings"]["set_aside"][0]["rows"], "<10");
    assert_eq!(json["findings"]["set_aside"][0]["first_rows"], serde_json::json!([]));
}

#[cfg(unix)]
#[test]
fn every_refusal_says_what_to_do_and_leaves_nothing_behind() {
    let site = Site::new();
    site.write("people.csv", people(3));
    site.write("empty.csv", "");
    site.write("header.csv", format!("{HEADER}\n"));
    site.write("columns.csv", "id,kana,dob\n1,サトウ,19830304\n");
    site.write("utf16.csv", b"\xff\xfei\0d\0");
    site.write("cp932.csv", b"\x8e\x91\x8a\x69,id\n1,2\n");
    let extract = people(3);
    site.write("rows.csv", &encoding_rs::SHIFT_JIS.encode(&extract).0);
    site.write("quote.csv", format!("{HEADER}\n1,\"サトウ\n{}", "x\n".repeat(200)));
    site.write("blank.csv", format!("{HEADER}\n1,,,,,,,,,,,\n"));
    site.write("there.tokens", "something");
    site.write("not.secret", "hunter2\n");
    site.write("schema.json", "{}");
    fs::copy(site.path("linkage.secret"), site.path("open.secret")).unwrap();
    fs::copy(site.path("site.key"), site.path("open.key")).unwrap();
    allow(&site.path("open.secret"), 0o644);
    allow(&site.path("open.key"), 0o640);
    allow(&site.path("not.secret"), 0o600);
    let before = site.files();
    let to = "--database ndb --schema person-ja --to unit.pub --id-column id people.csv -o out.tokens";
    let secret = "--secret linkage.secret";
    let mut all = String::new();
    for line in [
        format!("tokenise {to} --secret open.secret"),
        format!("tokenise {to} --secret not.secret"),
        format!("tokenise {to} --secret nowhere.secret"),
        format!("tokenise {to} {secret} --site-key open.key"),
        format!("tokenise {to} {secret} --site-key nowhere.key"),
        format!("tokenise {to} {secret} --map nothing=x"),
        format!("tokenise {to} {secret} --map sex=Geschlecht"),
        format!("tokenise {} {secret}", to.replace("--to unit.pub", "--to people.csv")),
        format!("tokenise {} {secret}", to.replace("person-ja", "person-xx")),
        format!("tokenise {} {secret}", to.replace("person-ja", "schema.json")),
        format!("tokenise {} {secret}", to.replace("--id-column id", "--id-column nr")),
        format!("tokenise {} {secret}", to.replace("out.tokens", "there.tokens")),
        format!("tokenise {} {secret} --force", to.replace("out.tokens", "people.csv")),
        format!("tokenise {} {secret}", to.replace("out.tokens", "no/such/folder/out.tokens")),
        format!("tokenise {} {secret}", to.replace("people.csv", "nowhere.csv")),
        format!("tokenise {} {secret}", to.replace("people.csv", ".")),
        format!("tokenise {} {secret}", to.replace("people.csv", "empty.csv")),
        format!("tokenise {} {secret}", to.replace("people.csv", "header.csv")),
        format!("tokenise {} {secret}", to.replace("people.csv", "columns.csv")),
        format!("tokenise {} {secret}", to.replace("people.csv", "utf16.csv")),
        format!("tokenise {} {secret}", to.replace("people.csv", "cp932.csv")),
        format!("tokenise {} {secret}", to.replace("people.csv", "rows.csv")),
        format!("tokenise {} {secret}", to.replace("people.csv", "quote.csv")),
        format!("tokenise {} {secret}", to.replace("people.csv", "blank.csv")),
        "keygen -o linkage.secret".to_owned(),
        "site-key -o site.key".to_owned(),
        "inspect --site-key site.key people.csv".to_owned(),
        "inspect --site-key site.key nowhere.tokens".to_owned(),
    ] {
        let run = site.run(&line);
        assert_eq!((run.code(), run.stdout().as_str()), (1, ""), "{line}: {}", run.stderr());
        assert_eq!(site.files(), before, "{line}");
        all.push_str(&run.stderr());
    }
    expect![[r#"
        error: open.secret can be used by others (mode 644)
        hint: chmod 600 open.secret
        error: not a linkage secret
        hint: a secret is one line that starts with `linkage-secret1`; `custodian keygen` makes one
        error: nowhere.secret: No such file or directory (os error 2)
        error: `open.key`: others can read this site key (mode 640)
        hint: chmod 600 open.key
        error: `nowhere.key`: no such file
        hint: `custodian site-key -o FILE` makes one; or leave out --site-key
        error: `people.csv`: the schema has no field `nothing`
        hint: its fields are family_kana, given_kana, family_kanji, given_kanji, birth_date, sex, postal_code, insurer_number, insured_symbol, insured_number, insured_branch
        error: `people.csv`: no column `Geschlecht` for field `sex`
        hint: the header has `id`, `family_kana`, `given_kana`, `family_kanji`, `given_kanji`, `birth_date`, `sex`, `postal_code`, `insurer_number`, `insured_symbol`, `insured_number`, `insured_branch`; map one with `sex=COLUMN`, or `sex=` if the file has none
        error: `people.csv`: not the public key of a linkage unit
        hint: it is one line that begins with `age1`; ask the linkage unit for it
        error: linkage schema "person-xx" cannot be read: No such file or directory (os error 2)
        hint: give the path of a schema file, or the name of a shipped schema: person-ja, person-ja-max-quality, person-en, person-en-max-quality
        error: not a linkage schema: missing field `format` at line 1 column 2
        hint: docs/spec/linkage-schema.md lists every key; unknown keys are refused
        error: `people.csv`: no column `nr` for the record ids
        hint: the header has `id`, `family_kana`, `given_kana`, `family_kanji`, `given_kanji`, `birth_date`, `sex`, `postal_code`, `insurer_number`, `insured_symbol`, `insured_number`, `insured_branch`
        error: `there.tokens`: there is a file of this name
        hint: --force replaces it
        error: `people.csv`: this is the extract itself
        hint: write the output to another file
        error: `no/such/folder`: no such folder
        hint: make it, or write the output elsewhere
        error: `nowhere.csv`: no such file
        hint: give a CSV file, or - for stdin
        error: `.`: a folder, not a file
        hint: give one CSV file
        error: `empty.csv`: the file is empty
        hint: the first row must be a header with the names of the columns
        error: `header.csv`: there is no row after the header
        hint: nothing has been written
        error: `columns.csv`: no column `family_kana` for field `family_kana`
        hint: the header has `id`, `kana`, `dob`; map one with `family_kana=COLUMN`, or `family_kana=` if the file has none
        error: `utf16.csv`: the file is UTF-16
        hint: save it as UTF-8, or as CP932 and say `--encoding cp932`
        error: `cp932.csv`: the header is not utf-8
        hint: say `--encoding cp932` or `--encoding utf-8` as the file was saved
        error: `rows.csv`: more than half of the rows are not in the declared encoding
        hint: declare another one with --encoding (utf-8 or cp932); nothing has been written
        error: `quote.csv`: row 2 does not end: it is longer than 1 MiB or 64 lines
        hint: a quotation mark is probably not closed in or before this row
        error: `blank.csv`: no row is left to write
        hint: `custodian check` shows why rows are set aside; nothing has been written
        error: linkage.secret exists already
        hint: a secret that is overwritten is lost for good; choose another name
        error: `site.key`: there is a file of this name
        hint: whoever loses a site key cannot map results back; move it away first
        error: `people.csv`: not a sealed token file
        hint: token files are made by `custodian tokenise` and sent as they are
        error: `nowhere.tokens`: No such file or directory (os error 2)
    "#]].assert_eq(&all);
}

#[test]
fn wrong_usage_exits_with_2() {
    let site = Site::new();
    for line in [
        "",
        "tokenise",
        "tokenise --database NDB people.csv",
        "check --schema person-ja --encoding latin1 people.csv",
        "check --schema person-ja --threads 0 people.csv",
        "check --schema person-ja --map sex people.csv",
        "check --schema person-ja --opt-out list people.csv",
        "keygen --secret x",
    ] {
        assert_eq!(site.run(line).code(), 2, "{line}");
    }
    assert_eq!(site.run("--version").code(), 0);
}

#[test]
fn no_value_of_the_input_is_ever_printed() {
    let site = Site::new();
    let canary = "CANARYカナリア金糸雀";
    let row = [canary; 12].join(",");
    site.write("bad.csv", format!("{HEADER}\n{row}\n{row},{canary}\n{canary},サトウ,,,,,,,,,,\n"));
    site.write("headless.csv", format!("{canary}19830304,{canary}\n"));
    site.write("quote.csv", format!("{HEADER}\n{row}\n\"{canary}{}", "\n".repeat(100)));
    site.write("damaged.csv", [HEADER.as_bytes(), b"\n\xff", row.as_bytes(), b"\n\n1,\xffCANARY,,,,,,,,,,\n"].concat());
    for file in ["bad.csv", "headless.csv", "quote.csv", "damaged.csv"] {
        for encoding in ["utf-8", "cp932"] {
            for run in [
                site.tokenise(&format!("--force --json --encoding {encoding} {file} -o out.tokens")),
                site.run(&format!("check --schema person-ja --id-column id --encoding {encoding} {file}")),
                site.run(&format!("check --schema person-ja --json --encoding {encoding} {file}")),
            ] {
                let text = run.stdout() + &run.stderr();
                for part in ["CANARY", "カナリア", "金糸雀"] {
                    assert!(!text.contains(part), "{file} {encoding}: {text}");
                }
            }
        }
    }
}

#[test]
fn neither_threads_nor_memory_nor_stdin_change_a_bit() {
    let site = Site::new();
    let text = people(5000) + &troubled()[HEADER.len() + 1..];
    site.write("people.csv", &text);
    let payload = site.payload("people.csv");
    for options in ["--threads 1", "--threads 2", "--threads 5", "--sort-bytes 1", "--sort-bytes 30000 --threads 3"] {
        assert_eq!(site.payload(&format!("{options} people.csv")), payload, "{options}");
    }
    let mut command = site.command(
        "tokenise --database ndb --schema person-ja --secret linkage.secret --to unit.pub --id-column id \
         --site-key site.key --force --json -o payload.tokens -",
    );
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(summary["payload_blake3"], payload);
}

/// A file of receipts of 医科 in CP932: lines of name, sex, birth date, chart, kana, month, symbol and number.
fn receipts(patients: &[[&str; 8]]) -> Vec<u8> {
    let mut text = "IR,1,13,1,1234567,,,202110,00,\r\n".to_owned();
    for [name, sex, birth, chart, kana, month, symbol, number] in patients {
        let between = ",".repeat(23);
        text += &format!("RE,1,1112,{month},{name},{sex},{birth},,,,,,,{chart}{between}{kana},\r\n");
        text += &format!("HO,06132013,{symbol},{number},1,100,,,,,,,,,\r\nSN,1,01,,,,01,,\r\n");
    }
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
    site.write("cut.uke", [receipts(&[new, old, other]), b"RE,9,1112".to_vec()].concat());
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
        given_kana      in all but <10 rows
        family_kanji    in <10 rows
        given_kanji     in <10 rows
        birth_date      in <10 rows
        sex             in <10 rows
        postal_code     in all but <10 rows
        insurer_number  in <10 rows
        insured_symbol  in <10 rows
        insured_number  in <10 rows
        insured_branch  in <10 rows

        set aside: malformed, a record that cannot be read to its end: <10 (rows 11)"#]]);
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
fn several_files_are_read_as_one() {
    let site = Site::new();
    let text = people(300);
    let lines: Vec<&str> = text.lines().collect();
    site.write("people.csv", &text);
    site.write("a.csv", format!("{HEADER}\n{}\n", lines[1..100].join("\n")));
    site.write("b.csv", format!("{HEADER}\n{}\n", lines[100..].join("\n")));
    assert_eq!(site.payload("a.csv b.csv"), site.payload("people.csv"));
}

#[test]
fn the_order_of_the_extract_does_not_show() {
    let site = Site::new();
    let text = people(200);
    let mut lines: Vec<&str> = text.lines().skip(1).collect();
    site.write("people.csv", &text);
    let payload = site.payload("people.csv");
    lines.reverse();
    site.write("reversed.csv", format!("{HEADER}\n{}\n", lines.join("\n")));
    assert_eq!(site.payload("reversed.csv"), payload);
}

#[test]
fn cp932_and_utf_8_with_or_without_a_mark_make_the_same_tokens() {
    let site = Site::new();
    let text = people(100) + "r1,ｻﾄｳ,ﾊﾅｺ,髙橋,花子,昭和58年3月4日,女,100-0001,06132013,１２,３４,5\n";
    let (cp932, _, lossy) = encoding_rs::SHIFT_JIS.encode(&text);
    assert!(!lossy);
    site.write("utf8.csv", &text);
    site.write("mark.csv", format!("\u{FEFF}{}", text.replace('\n', "\r\n")));
    site.write("cp932.csv", &cp932);
    let payload = site.payload("utf8.csv");
    assert_eq!(site.payload("mark.csv"), payload);
    assert_eq!(site.payload("--encoding cp932 cp932.csv"), payload);
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

#[test]
fn the_custodian_alone_maps_refs_back() {
    let site = Site::new();
    site.write("people.csv", people(40));
    site.payload("people.csv");
    let refs_of = |key: &SiteKey| -> BTreeSet<[u8; 16]> {
        let refs = key.refs(&"ndb".parse().unwrap());
        (0..40).map(|n| record_ref(&refs, RecordId::Column(&format!("p{n}"))).0).collect()
    };
    let key = SiteKey::load(&site.path("site.key")).unwrap();
    let file = fs::File::open(site.path("payload.tokens")).unwrap();
    let mut reader = TokenFileReader::open(file, key.identity()).unwrap();
    let mut found = BTreeSet::new();
    while let Some(batch) = reader.next_batch().unwrap() {
        found.extend(batch.column(0).as_fixed_size_binary().iter().map(|r| <[u8; 16]>::try_from(r.unwrap()).unwrap()));
    }
    reader.finish().unwrap();
    assert_eq!(found, refs_of(&key));
    assert!(found.is_disjoint(&refs_of(&SiteKey::generate())));
}

#[test]
fn people_who_opted_out_are_left_out_before_encoding() {
    let site = Site::new();
    site.write("people.csv", people(40));
    site.write("optout.txt", "p3\r\n p17 \n\nnobody\n");
    let run = site.tokenise("--opt-out optout.txt people.csv -o ndb.tokens");
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert!(run.stderr().contains("left out: opted out: 2\n"), "{}", run.stderr());
    let without: Vec<String> =
        people(40).lines().filter(|l| !l.starts_with("p3,") && !l.starts_with("p17,")).map(str::to_owned).collect();
    site.write("without.csv", without.join("\n"));
    assert_eq!(site.payload("--opt-out optout.txt people.csv"), site.payload("without.csv"));
}

#[test]
fn a_damaged_or_foreign_token_file_is_refused() {
    let site = Site::new();
    site.write("people.csv", people(40));
    site.payload("people.csv");
    SiteKey::generate().create_file(&site.path("other.key")).unwrap();
    let foreign = site.run("inspect --site-key other.key payload.tokens");
    assert_eq!((foreign.code(), foreign.stdout().as_str()), (1, ""));
    let sound = fs::read(site.path("payload.tokens")).unwrap();
    let mut flipped = sound.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for damaged in [&sound[..sound.len() - 1], &sound[..sound.len() / 2], &sound[..10], &flipped[..]] {
        site.write("damaged.tokens", damaged);
        let run = site.run("inspect --site-key site.key damaged.tokens");
        assert_eq!((run.code(), run.stdout().as_str()), (1, ""), "{}", run.stderr());
    }
}

#[cfg(unix)]
#[test]
fn a_kill_at_any_time_leaves_no_file_that_looks_whole() {
    let site = Site::new();
    site.write("people.csv", people(6000));
    let mut finished = false;
    for step in 0..40 {
        let name = format!("out{step}.tokens");
        let mut child = site
            .command(&format!(
                "tokenise --database ndb --schema person-ja --secret linkage.secret --to unit.pub --id-column id \
                 --site-key site.key --sort-bytes 200000 people.csv -o {name}"
            ))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(step * 9));
        child.kill().unwrap();
        child.wait().unwrap();
        if site.path(&name).exists() {
            let inspected = site.run(&format!("inspect --site-key site.key {name}"));
            assert_eq!(inspected.code(), 0, "{}", inspected.stderr());
            finished = true;
        }
    }
    // On a slow machine none may get that far; then the name must at least be given at the end.
    if !finished {
        assert_eq!(site.tokenise("--site-key site.key people.csv -o out.tokens").code(), 0);
    }
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_nothing_behind() {
    let site = Site::new();
    site.write("people.csv", people(3000));
    let before = site.files();
    for options in ["", "--sort-bytes 100000"] {
        let limited = Command::new("sh")
            .current_dir(site.folder.path())
            .arg("-c")
            // The limit of the file size stands in for a full disk: writes fail when it is reached.
            .arg("trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"")
            .arg(env!("CARGO_BIN_EXE_custodian"))
            .args("tokenise --database ndb --schema person-ja --secret linkage.secret --to unit.pub".split(' '))
            .args("--id-column id people.csv -o out.tokens".split(' '))
            .args(options.split_whitespace())
            .output()
            .unwrap();
        let run = Run(limited);
        assert_eq!(run.code(), 1, "{}", run.stderr());
        assert!(run.stderr().starts_with("error: "), "{}", run.stderr());
        assert_eq!(site.files(), before);
    }
    if Path::new("/dev/full").exists() {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut check = site.command("check --schema person-ja people.csv");
        assert_eq!(check.stdout(full).output().unwrap().status.code(), Some(1));
    }
}

#[cfg(unix)]
fn allow(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
