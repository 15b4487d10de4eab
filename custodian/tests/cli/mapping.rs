//! `map`, `--mapping`, patterns of file names, completions and manual pages.

use std::fs;

use crate::site::{HEADER, Site, parquet, people};

/// The people as a hospital would hold them: CP932, Japanese names, one column for the name, tabs.
fn hospital(people: &str) -> Vec<u8> {
    let mut text = "患者ID\tフリガナ\t氏名\t生年月日\t性別\t郵便番号\t保険者番号\t記号\t番号\t枝番\r\n".to_owned();
    for line in people.lines().skip(1) {
        let v: Vec<&str> = line.split(',').collect();
        text += &format!("{}\t{} {}\t{}　{}\t{}\r\n", v[0], v[1], v[2], v[3], v[4], v[5..].join("\t"));
    }
    let (cp932, _, lossy) = encoding_rs::SHIFT_JIS.encode(&text);
    assert!(!lossy);
    cp932.into_owned()
}

#[test]
fn a_confirmed_guess_makes_the_tokens_of_the_plain_extract() {
    let site = Site::new();
    site.write("people.csv", people(200));
    site.write("hospital.tsv", hospital(&people(200)));
    let map = site.run("map --guess hospital.tsv --schema person-ja -o mapping.toml --json");
    assert_eq!(map.code(), 0, "{}", map.stderr());
    let json: serde_json::Value = serde_json::from_str(&map.stdout()).unwrap();
    assert_eq!(json["fields"][0], serde_json::json!({ "field": "family_kana", "confidence": "high" }));
    let tokenise = "tokenise --database ndb --schema person-ja --secret linkage.secret --to unit.pub \
                    --site-key site.key --mapping mapping.toml --force --json -o payload.tokens hospital.tsv";
    let refused = site.run(tokenise);
    assert_eq!(refused.code(), 1);
    assert!(refused.stderr().contains("nobody has confirmed this mapping\nhint: "), "{}", refused.stderr());
    // A trial is no use of it.
    assert_eq!(site.run("check --schema person-ja --mapping mapping.toml hospital.tsv").code(), 0);
    let mapping = fs::read_to_string(site.path("mapping.toml")).unwrap();
    site.write("mapping.toml", mapping.replace("confirmed = false", "confirmed = true"));
    let run = site.run(tokenise);
    let summary: serde_json::Value = serde_json::from_str(&run.stdout()).unwrap_or_else(|_| panic!("{}", run.stderr()));
    assert_eq!(summary["payload_blake3"], site.payload("people.csv"));
    site.write("out.txt", "p3\n");
    let run = site.run(&format!("{tokenise} --opt-out out.txt"));
    let summary: serde_json::Value = serde_json::from_str(&run.stdout()).unwrap_or_else(|_| panic!("{}", run.stderr()));
    assert_eq!(summary["findings"]["opted_out"], 1);
}

#[test]
fn a_guess_of_parquet_leaves_out_how_text_is_written() {
    let site = Site::new();
    let table = people(60);
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split(',').collect()).collect();
    let column = |at: usize| lines[1..].iter().map(|line| line[at].as_bytes().to_vec()).collect();
    site.write("people.csv", &table);
    site.write("people.parquet", parquet(lines[0].iter().enumerate().map(|(at, name)| (*name, column(at))).collect()));
    let map = site.run("map --guess people.parquet --schema person-ja -o mapping.toml");
    assert_eq!(map.code(), 0, "{}", map.stderr());
    let mapping = fs::read_to_string(site.path("mapping.toml")).unwrap();
    for absent in ["encoding", "delimiter", "header ="] {
        assert!(!mapping.contains(absent), "{mapping}");
    }
    site.write("mapping.toml", mapping.replace("confirmed = false", "confirmed = true"));
    let tokenise = "tokenise --database ndb --schema person-ja --secret linkage.secret --to unit.pub --site-key site.key \
                    --format parquet --mapping mapping.toml --force --json -o payload.tokens people.parquet";
    let run = site.run(tokenise);
    let summary: serde_json::Value = serde_json::from_str(&run.stdout()).unwrap_or_else(|_| panic!("{}", run.stderr()));
    assert_eq!(summary["payload_blake3"], site.payload("people.csv"));
}

#[test]
fn a_file_of_another_format_than_was_said_is_told_by_its_beginning() {
    let site = Site::new();
    let golden = |name: &str| fs::read(format!("{}/../testdata/golden/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    for (file, format) in [
        ("receipts.uke", "uke"),
        ("checkup.xml", "kenshin"),
        ("patients.ndjson", "fhir"),
        ("adt-00", "ssmix2"),
        ("people.parquet", "parquet"),
    ] {
        site.write(file, golden(file));
        let hint = format!("hint: it begins like a file of `--format {format}`\n");
        for said in ["csv", "uke", "kenshin", "fhir", "kaigo", "ssmix2", "parquet"] {
            let check = site.run(&format!("check --schema person-ja --format {said} {file}"));
            assert_eq!(check.stderr().contains(&hint), said != format, "{file} as {said}: {}", check.stderr());
        }
        let map = site.run(&format!("map --guess {file} --schema person-ja"));
        assert_eq!(map.code() == 1 && map.stderr().contains(&format!("--format {format}`")), format != "parquet");
    }
}

#[test]
fn a_mapping_file_serves_parquet_too() {
    let site = Site::new();
    site.write(
        "people.parquet",
        fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/golden/people.parquet")).unwrap(),
    );
    let present = ["family_kana", "given_kana", "birth_date", "sex", "postal_code"];
    let fields: Vec<&str> = HEADER.split(',').skip(1).collect();
    let mapping = |head: &str| {
        let field = |field: &&str| match present.contains(field) {
            true => format!("[fields.{field}]\ncolumn = \"{field}\"\n"),
            false => format!("[fields.{field}]\nabsent = true\n"),
        };
        let fields: String = fields.iter().map(field).collect();
        format!(
            "format = \"linkage-mapping/1\"\nschema = \"person-ja\"\nconfirmed = true\nid_column = \"id\"\n{head}{fields}"
        )
    };
    let payload = |head: &str| {
        site.write("mapping.toml", mapping(head));
        site.run(
            "tokenise --database ndb --schema person-ja --secret linkage.secret --to unit.pub --site-key site.key \
             --format parquet --mapping mapping.toml --force --json -o mapped.tokens people.parquet",
        )
    };
    let absent: String =
        fields.iter().filter(|field| !present.contains(field)).map(|field| format!(" --map {field}=")).collect();
    let plain = site.payload(&format!("--format parquet{absent} people.parquet"));
    let hash = |head: &str| {
        let run = payload(head);
        let summary: serde_json::Value =
            serde_json::from_str(&run.stdout()).unwrap_or_else(|_| panic!("{}", run.stderr()));
        summary["payload_blake3"].as_str().unwrap().to_owned()
    };
    assert_eq!(hash(""), plain);
    assert_ne!(hash("missing = [\"サトウ\"]\n"), plain, "a mark for missing values counts");
    for head in ["skip_rows = 1\n", "delimiter = \";\"\n", "encoding = \"cp932\"\n"] {
        let run = payload(head);
        assert!(run.code() == 1 && run.stderr().contains("Parquet says itself"), "{head}: {}", run.stderr());
    }
}

#[test]
fn a_mapping_that_does_not_fit_is_refused_with_its_line() {
    let site = Site::new();
    site.write("people.csv", people(3));
    assert_eq!(site.run("map --guess people.csv --schema person-ja -o mapping.toml").code(), 0);
    let mapping = fs::read_to_string(site.path("mapping.toml")).unwrap();
    for (broken, part) in [
        (mapping.replace("header =", "heading ="), "`broken.toml`: line 8: unknown field `heading`"),
        (mapping.replace("person-ja", "person-en"), "is for schema"),
        (mapping.replace("column = \"sex\"", "column = \"gender\""), "no column `gender` for field `sex`"),
    ] {
        site.write("broken.toml", broken);
        let run = site.run("check --schema person-ja --mapping broken.toml people.csv");
        assert!(run.code() == 1 && run.stderr().contains(part) && run.stderr().contains("hint: "), "{}", run.stderr());
    }
    for (line, code) in [
        ("check --schema person-ja --mapping mapping.toml --id-column id people.csv", 2),
        ("check --schema person-ja --mapping mapping.toml --format fhir people.csv", 1),
        ("check --schema person-ja --mapping nowhere.toml people.csv", 1),
        ("map --guess people.csv --schema person-ja -o mapping.toml", 1),
        ("map --guess nowhere.csv --schema person-ja", 1),
    ] {
        assert_eq!(site.run(line).code(), code, "{line}");
    }
}

#[test]
fn a_pattern_stands_for_the_files_that_fit_it_in_the_order_of_their_names() {
    let site = Site::new();
    let text = people(300);
    let lines: Vec<&str> = text.lines().collect();
    site.write("people.csv", &text);
    site.write("part-1.csv", format!("{HEADER}\n{}\n", lines[1..100].join("\n")));
    site.write("part-2.csv", format!("{HEADER}\n{}\n", lines[100..].join("\n")));
    // No shell stands between the test and the program.
    assert_eq!(site.payload("part-*.csv"), site.payload("people.csv"));
    let none = site.run("check --schema person-ja nothing-*.csv");
    assert!(none.code() == 1 && none.stderr().contains("no file fits this pattern\nhint: "), "{}", none.stderr());
    site.write("odd[1].csv", &text);
    assert_eq!(site.payload("odd[1].csv"), site.payload("people.csv"), "a name that exists is no pattern");
}

#[test]
fn completions_and_manual_pages_come_from_the_command_line_itself() {
    let site = Site::new();
    for shell in ["bash", "zsh", "fish"] {
        let run = site.run(&format!("completions {shell}"));
        assert!(run.code() == 0 && run.stdout().contains("small-cell"), "{shell}");
    }
    assert_eq!(site.run("man pages").code(), 0);
    let page = fs::read_to_string(site.path("pages/custodian-tokenise.1")).unwrap();
    assert!(page.contains("deduplicated"), "{page}");
}
