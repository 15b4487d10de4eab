//! The fuzz targets on a stable toolchain: the golden files and some hundred changed copies of each, drawn from fixed seeds.
//!
//! fuzz/README.md says how to run them for hours.

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::io::Read;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Changed copies of each seed file.
const ROUNDS: u64 = 150;

/// What changes like to insert: the signs that mean something in some format.
const PIECES: &[&[u8]] = &[
    b",",
    b"\"",
    b"\r\n",
    b"\t",
    b"\0",
    b"|",
    b"^",
    b"~",
    b"\\",
    b"&",
    b"<",
    b"/>",
    b"<!--",
    b"&#x0;",
    b"{",
    b"[",
    b"}",
    b":",
    b"\xFF\xFE",
    b"\xEF\xBB\xBF",
    b"\x1B$B",
    b"\x1B(B",
    b"\x8E",
    b"\xF3\xA0\x84\x81",
    b"\xE3\x82\x9B",
    b"\xE5\x85\x83",
    b"header = false\n",
    b"[fields.sex]\n",
    b"\"bitsPerToken\":",
    b"\"clks\"",
    b"RE,",
    b"IR,",
    b"MSH|",
    b"PID|",
    b"A000010",
    b"99999999999",
    b"-1",
    b"PAR1",
    b"\xFF\xFF\xFF\xFF",
    b"\x80\x80\x80\x80\x01",
];

/// A generator of numbers that is the same everywhere (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % limit.max(1) as u64) as usize
    }
}

/// Changes a copy in one to six places.
fn change(seed: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=numbers.below(6) {
        let at = numbers.below(bytes.len() + 1);
        let end = bytes.len().min(at + 1 + numbers.below(40));
        match numbers.below(7) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let copy = bytes[at..end].to_vec();
                let to = numbers.below(bytes.len() + 1);
                drop(bytes.splice(to..to, copy));
            }
            4 => bytes.truncate(at),
            5 if at < bytes.len() => bytes[at] = numbers.below(256) as u8,
            _ => drop(bytes.splice(at..at, PIECES[numbers.below(PIECES.len())].iter().copied())),
        }
    }
    bytes
}

fn testdata(folder: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../testdata", folder].iter().collect()
}

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(testdata("golden").join(name)).unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    files
}

/// The vectors that clkhash made.
fn clkhash_vectors() -> impl Iterator<Item = Value> {
    let all = files(&testdata("vectors/clkhash")).into_iter().filter(|path| path.extension().unwrap() == "json");
    all.map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

/// The seeds of a target: the golden files of its format.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let pair = |first: &str, second: &str| [golden(first), golden(second)].join(&0);
    match target {
        "csv" => vec![golden("people.csv")],
        "uke" => vec![golden("receipts.uke"), golden("receipts-dpc.uke")],
        "kenshin" => vec![golden("checkup.xml")],
        "fhir" => {
            let lines = golden("patients.ndjson");
            let first = lines.split(|&byte| byte == b'\n').next().unwrap().to_vec();
            let many_lines = String::from_utf8(first).unwrap().replace("},", "},\n").into_bytes();
            vec![lines, many_lines]
        }
        "kaigo" => vec![pair("claims.csv", "ledger.csv"), golden("assessments.csv")],
        "dpc" => vec![pair("ff1.txt", "receipts-dpc.uke")],
        "ssmix2" => vec![golden("adt-00")],
        // In the second the schema of Arrow is damaged so that the decoder panics.
        "parquet" => {
            vec![golden("people.parquet"), std::fs::read(testdata("fuzz").join("arrow-schema.parquet")).unwrap()]
        }
        "mapping" => {
            vec![pair("mapping-named.toml", "people.csv"), pair("mapping-numbered.toml", "people-numbered.txt")]
        }
        "normalise" => {
            let tables = files(&testdata("vectors/normalise"));
            let tables = tables.iter().map(|path| std::fs::read_to_string(path).unwrap());
            // Of each row the input, a tenth of the rows.
            let inputs = |table: String| -> Vec<Vec<u8>> {
                let rows = table.lines().filter(|line| !line.starts_with('#')).step_by(10);
                let inputs = rows.filter_map(|row| row.split('\t').nth(1));
                inputs
                    .map(|input| input.replace("\\u{20}", " ").replace("\\u{3000}", "\u{3000}").into_bytes())
                    .collect()
            };
            tables.flat_map(inputs).filter(|input| !input.is_empty()).collect()
        }
        "schema" => {
            let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "schemas"].iter().collect();
            files(&folder).iter().map(|path| std::fs::read(path).unwrap()).collect()
        }
        "clkhash" => {
            let row = |vector: &Value| {
                let row = vector["rows"][0].as_array().unwrap();
                row.iter().map(|value| value.as_str().unwrap()).collect::<Vec<_>>().join("\n")
            };
            clkhash_vectors().map(|vector| format!("{}\0{}", vector["schema"], row(&vector)).into_bytes()).collect()
        }
        "clks" => {
            let first = clkhash_vectors().map(|vector| serde_json::json!({"clks": vector["clks"]}).to_string());
            first.map(String::into_bytes).take(2).collect()
        }
        "token_file" => {
            let unit: age::x25519::Identity = targets::UNIT.parse().unwrap();
            let folder = testdata("vectors/token_file");
            let names = ["good.tokens", "batch_empty.tokens", "columns_missing.tokens"];
            let opened = names.iter().map(|name| std::fs::read(folder.join(name)).unwrap()).filter_map(|sealed| {
                let mut payload = Vec::new();
                let identity = &unit as &dyn age::Identity;
                let mut reader = age::Decryptor::new(&sealed[..]).ok()?.decrypt(std::iter::once(identity)).ok()?;
                reader.read_to_end(&mut payload).ok()?;
                Some(payload)
            });
            opened.collect()
        }
        other => panic!("the target {other} has no seeds"),
    }
}

/// The seeds of the long form are those of the short one.
#[test]
#[ignore = "writes into fuzz/corpus"]
fn write_seeds() {
    for (name, _) in targets::TARGETS {
        let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../fuzz/corpus", name].iter().collect();
        std::fs::create_dir_all(&folder).unwrap();
        for (index, seed) in seeds(name).iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{index}")), seed).unwrap();
        }
    }
}

#[test]
fn no_target_panics_on_golden_files_and_changed_copies_of_them() {
    for (name, target) in targets::TARGETS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty() && seeds.iter().all(|seed| !seed.is_empty()), "{name} has no seed");
        for (index, seed) in seeds.iter().enumerate() {
            for round in 0..=ROUNDS {
                // Round 0 is the file as it is.
                let bytes =
                    if round == 0 { seed.clone() } else { change(seed, &mut Numbers(round << 8 | index as u64)) };
                assert!(catch_unwind(|| target(&bytes)).is_ok(), "target {name}, seed file {index}, round {round}");
            }
        }
    }
}
