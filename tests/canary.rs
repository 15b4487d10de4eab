//! No clear-text name of the population is anywhere but on the sites that hold it.

use std::collections::BTreeSet;
use std::path::Path;

use aho_corasick::AhoCorasick;
use linkage_core::token_file::TokenFileReader;

use crate::stage::{DATABASES, PROJECT, Service, Stage, files_below, linkage, path};
use crate::wire_tap::WireTap;

/// Random bytes contain a given string of 8 bytes once in 2^64 places; shorter ones would turn up in ciphertext.
const SHORTEST_BYTES: usize = 8;

/// Every name in the custodians' extracts, as they write it, in the encodings in which it could turn up.
fn names(stage: &Stage) -> Vec<Vec<u8>> {
    let mut texts = BTreeSet::new();
    for database in DATABASES {
        let bytes = std::fs::read(stage.party(database).join(format!("{database}.csv"))).unwrap();
        let (text, failed) = encoding_rs::UTF_8.decode_without_bom_handling(&bytes);
        let text = if failed { encoding_rs::SHIFT_JIS.decode(&bytes).0 } else { text };
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header = reader.headers().unwrap().clone();
        let at = |name: &str| header.iter().position(|column| column == name);
        for row in reader.records() {
            let row = row.unwrap();
            let cell = |name: &str| at(name).and_then(|i| row.get(i)).unwrap_or_default().to_owned();
            for script in ["kana", "kanji"] {
                let (family, given) = (cell(&format!("family_{script}")), cell(&format!("given_{script}")));
                for separator in ["", " ", "\u{3000}", ","] {
                    texts.insert(format!("{family}{separator}{given}"));
                }
                texts.extend([family, given]);
            }
        }
    }
    assert!(texts.len() > 3_000, "too few names to prove anything: {}", texts.len());
    let mut names: Vec<Vec<u8>> = Vec::new();
    for text in &texts {
        names.push(text.as_bytes().to_vec());
        names.push(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
        let (cp932, _, unmappable) = encoding_rs::SHIFT_JIS.encode(text);
        if !unmappable {
            names.push(cp932.into_owned());
        }
    }
    names.retain(|name| name.len() >= SHORTEST_BYTES);
    names
}

fn search(names: &[Vec<u8>]) -> AhoCorasick {
    AhoCorasick::new(names).unwrap()
}

#[test]
fn nobody_but_the_custodians_holds_a_clear_text_name() {
    let stage = Stage::shared();
    let names = search(&names(stage));
    let mut searched = 0;
    for party in ["unit", "committee", "project", "stranger", "auditor"] {
        for file in files_below(&stage.party(party)) {
            // Another test may be serving from the unit's folder: SQLite's side files come and go.
            let bytes = match std::fs::read(&file) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                bytes => bytes.unwrap(),
            };
            assert!(!names.is_match(&bytes), "a name is in {}", file.display());
            searched += bytes.len();
        }
    }
    assert!(searched > 500_000, "only {searched} bytes were searched");
    // The search itself works: it finds what it looks for where that may be.
    for database in DATABASES {
        assert!(names.is_match(&std::fs::read(stage.party(database).join(format!("{database}.csv"))).unwrap()));
    }
}

#[test]
fn an_opened_token_file_holds_no_clear_text_name() {
    let stage = Stage::shared();
    let names = search(&names(stage));
    let identity =
        age::IdentityFile::from_file(path(&stage.party("unit").join("service/unit.key")).to_owned()).unwrap();
    let identities = identity.into_identities().unwrap();
    for database in DATABASES {
        let sealed = std::fs::File::open(stage.party(database).join(format!("{database}.tokens"))).unwrap();
        let mut reader = TokenFileReader::open(sealed, identities[0].as_ref()).unwrap();
        assert!(!names.is_match(serde_json::to_vec(reader.header()).unwrap().as_slice()));
        while let Some(batch) = reader.next_batch().unwrap() {
            for column in batch.columns() {
                for buffer in column.to_data().buffers() {
                    assert!(!names.is_match(buffer.as_slice()), "a name is among the tokens of {database}");
                }
            }
        }
        reader.finish().unwrap();
    }
}

#[test]
fn no_clear_text_name_is_on_the_wire() {
    let stage = Stage::shared();
    let names = search(&names(stage));
    let unit = stage.party("unit");
    let service = Service::start(&unit, "wire.log");
    let tls = |file: &str| unit.join("service").join(file);
    let through_a_tap = |folder: &Path, args: &[&str]| {
        let tap = WireTap::start(service.port, &tls("server.pem"), &tls("server.key"), &folder.join("credential"));
        let url = format!("https://localhost:{}", tap.port);
        let output = linkage(folder, &[args, &["--service", &url, "--credential", "credential"]].concat());
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        let recorded = tap.recorded();
        assert!(!names.is_match(&recorded), "a name is on the wire of {args:?}");
        recorded
    };

    for database in DATABASES {
        let site = stage.party(database);
        let before = std::fs::read(site.join("linkage.secret")).unwrap();
        // A second submission of a new file, so that the bytes really travel.
        let (extract, tokens) = (format!("{database}.csv"), "again.tokens");
        let encoding = if std::fs::read_to_string(site.join(&extract)).is_ok() { "utf-8" } else { "cp932" };
        let site_key = format!("{database}.site-key");
        let output = linkage(
            &site,
            &[
                "custodian",
                "tokenise",
                "--database",
                database,
                "--deduplicated",
                "--schema",
                "person-ja",
                "--secret",
                "linkage.secret",
                "--to",
                "unit.pub",
                "--site-key",
                &site_key,
                "--encoding",
                encoding,
                "--id-column",
                "record_id",
                &extract,
                "-o",
                tokens,
            ],
        );
        assert!(matches!(output.status.code(), Some(0 | 3)), "{}", String::from_utf8_lossy(&output.stderr));
        let recorded = through_a_tap(&site, &["custodian", "submit", tokens]);
        let sent = std::fs::read(site.join(tokens)).unwrap();
        // The tap does see what is sent: a piece of the sealed file is in its record.
        assert!(recorded.windows(64).any(|window| window == &sent[1_000..1_064]), "the tap saw nothing");
        let receive = [
            "custodian",
            "receive",
            "--project",
            PROJECT,
            "--site-key",
            &site_key,
            "--input",
            &extract,
            "--encoding",
            encoding,
            "--id-column",
            "record_id",
            "-o",
            "again.csv",
        ];
        let recorded = through_a_tap(&site, &receive);
        let secret = String::from_utf8(before).unwrap();
        let secret = secret.lines().find(|line| line.starts_with("linkage-secret")).unwrap();
        assert!(!recorded.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
    through_a_tap(&stage.party("project"), &["keys", "-o", "again.csv"]);
    through_a_tap(&stage.party("auditor"), &["audit", "export", "-o", "again.jsonl"]);
}
