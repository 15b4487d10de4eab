//! What is refused, and that no refusal shows a value.

use std::fs;

use expect_test::expect;

use crate::site::{HEADER, Site, allow, people};

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
    fs::create_dir(site.path("folder")).unwrap();
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
        format!("tokenise {to} --secret folder"),
        format!("tokenise {to} {secret} --site-key folder"),
        "check --schema person-ja --format ssmix2 folder".to_owned(),
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
        error: `open.secret`: others can use it (mode 644)
        hint: chmod 600 open.secret
        error: `not.secret`: not a linkage secret
        hint: a secret is one line that starts with `linkage-secret1`; `custodian keygen` makes one
        error: `nowhere.secret`: No such file or directory (os error 2)
        error: `folder`: a folder, not a file
        hint: name the file that `custodian keygen` made
        error: `folder`: a folder, not a file
        hint: name the file of the site key
        error: `folder`: no file in this folder or in those in it
        hint: name the files
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
        hint: give the path of a schema file, or the name of a shipped schema: person-ja, person-ja-blocked, person-ja-hospital, person-ja-hardened, person-ja-max-quality, person-en, person-en-hardened, person-en-max-quality
        error: `schema.json`: not a linkage schema: missing field `format` at line 1 column 2
        hint: docs/spec/linkage-schema.md lists every key; unknown keys are refused
        error: `people.csv`: no column `nr` for the record ids
        hint: the header has `id`, `family_kana`, `given_kana`, `family_kanji`, `given_kanji`, `birth_date`, `sex`, `postal_code`, `insurer_number`, `insured_symbol`, `insured_number`, `insured_branch`
        error: `there.tokens`: there is a file of this name
        hint: --force replaces it
        error: `people.csv`: the command itself reads this file
        hint: write the output to another file
        error: `no/such/folder`: no such folder
        hint: make it, or write the output elsewhere
        error: `nowhere.csv`: no such file
        hint: give a CSV file, or - for stdin
        error: `.`: a folder, not a file
        hint: name its files, or give a pattern such as 'FOLDER/*.csv'
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
        error: `linkage.secret`: there is a file of this name
        hint: a secret that is overwritten is lost for good; choose another name
        error: `site.key`: there is a file of this name
        hint: whoever loses a site key cannot map results back; move it away first
        error: `people.csv`: not a sealed token file
        hint: token files are made by `custodian tokenise` and sent as they are
        error: `nowhere.tokens`: No such file or directory (os error 2)
    "#]].assert_eq(&all);
}

#[test]
fn no_output_replaces_a_file_that_the_command_reads_even_by_force() {
    let site = Site::new();
    site.write("people.csv", people(3));
    site.write("out.txt", "p1\n");
    site.write("gold.csv", "left_id,right_id\n");
    site.write("ledger.csv", "a register\n");
    site.run("map --schema person-ja --guess people.csv -o mapping.toml");
    let mapping = fs::read_to_string(site.path("mapping.toml")).unwrap();
    site.write("mapping.toml", mapping.replace("confirmed = false", "confirmed = true"));
    site.write("schema.json", include_str!("../../../linkage-core/schemas/person-ja.json"));
    site.write("taken.toml", "a mapping\n");
    fs::create_dir(site.path("receipts")).unwrap();
    site.write("receipts/jan.uke", "IR,1,13,1,1234567\n");
    fs::copy(site.path("site.key"), site.path("ours.site-key")).unwrap();
    let files = [
        "people.csv",
        "out.txt",
        "gold.csv",
        "ledger.csv",
        "mapping.toml",
        "schema.json",
        "taken.toml",
        "receipts/jan.uke",
        "linkage.secret",
        "unit.pub",
        "site.key",
        "ours.site-key",
    ];
    let contents = || files.map(|name| fs::read(site.path(name)).unwrap());
    let (before, names) = (contents(), site.files());
    let tokenise = "tokenise --force --database ndb --secret linkage.secret --to unit.pub --site-key site.key";
    let ja = "--schema person-ja";
    let receive = "receive --service https://127.0.0.1:1 --credential none --project heart --site-key site.key --input people.csv";
    for line in [
        format!("{tokenise} {ja} people.csv -o ./people.csv"),
        format!("{tokenise} {ja} people.csv -o linkage.secret"),
        format!("{tokenise} {ja} people.csv -o unit.pub"),
        format!("{tokenise} {ja} people.csv -o site.key"),
        format!("{tokenise} {ja} --id-column id --opt-out out.txt people.csv -o out.txt"),
        format!("{tokenise} {ja} --mapping mapping.toml people.csv -o mapping.toml"),
        format!("{tokenise} --schema schema.json people.csv -o schema.json"),
        format!("{tokenise} {ja} --format uke -o receipts/jan.uke receipts"),
        format!("{tokenise} {ja} --format kaigo --names ledger.csv -o ledger.csv people.csv"),
        format!("{} {ja} people.csv -o ours.site-key", tokenise.replace(" --site-key site.key", "")),
        format!("{} {ja} people.csv -o new.site-key", tokenise.replace(" --site-key site.key", "")),
        format!("report {ja} --force --html people.csv people.csv"),
        format!("report {ja} --force --secret linkage.secret --html linkage.secret people.csv"),
        format!("tune {ja} --force --id-column id --left people.csv --right people.csv --gold gold.csv -o gold.csv"),
        format!("tune {ja} --force --id-column id --left people.csv --right people.csv --gold gold.csv -o people.csv"),
        format!("map {ja} --guess people.csv -o taken.toml"),
        format!("{receive} --force -o people.csv"),
        format!("{receive} --force -o site.key"),
    ] {
        let run = site.run(&line);
        assert!(run.code() == 1 && run.stderr().contains("hint: "), "{line}: {}", run.stderr());
        let why = match &line {
            line if line.contains(".site-key") => "the site key would have the same name",
            line if line.contains("taken.toml") => "there is a file of this name",
            _ => "the command itself reads this file",
        };
        assert!(run.stderr().contains(why), "{line}: {}", run.stderr());
        assert!(contents() == before && site.files() == names, "{line}");
    }
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
    site.write("nameless.csv", format!("カナリア,メイ,金糸雀,{canary},女\n"));
    site.write("quote.csv", format!("{HEADER}\n{row}\n\"{canary}{}", "\n".repeat(100)));
    site.write("damaged.csv", [HEADER.as_bytes(), b"\n\xff", row.as_bytes(), b"\n\n1,\xffCANARY,,,,,,,,,,\n"].concat());
    for file in ["bad.csv", "headless.csv", "nameless.csv", "quote.csv", "damaged.csv"] {
        for encoding in ["utf-8", "cp932"] {
            for run in [
                site.tokenise(&format!("--force --json --encoding {encoding} {file} -o out.tokens")),
                site.run(&format!("check --schema person-ja --id-column id --encoding {encoding} {file}")),
                site.run(&format!("check --schema person-ja --json --encoding {encoding} {file}")),
                site.run(&format!("map --schema person-ja --encoding {encoding} --guess {file}")),
            ] {
                let text = run.stdout() + &run.stderr();
                for part in ["CANARY", "カナリア", "金糸雀"] {
                    assert!(!text.contains(part), "{file} {encoding}: {text}");
                }
            }
        }
    }
}
