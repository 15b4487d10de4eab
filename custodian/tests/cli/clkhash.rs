//! `custodian clkhash`, from outside: from a CSV file to CLKs, into a token file and out again.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use custodian::refs::{RecordId, SiteKey, record_ref};
use serde_json::Value;

const VECTOR: &str = include_str!("../../../testdata/vectors/clkhash/blake.json");

/// A folder with the vector's schema, secret and rows as files.
struct Site {
    folder: tempfile::TempDir,
    clks: Vec<Value>,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clks = write_vector(folder.path(), "people.csv");
        let site = Self { folder, clks };
        let unit = SiteKey::generate();
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

    fn run(&self, line: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_custodian"));
        command.current_dir(self.folder.path()).args(line.split_whitespace()).stdin(Stdio::null());
        command.output().unwrap()
    }

    fn good(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What stderr says of a command line that fails; nothing may be left behind.
    fn bad(&self, line: &str) -> String {
        let before = self.files();
        let output = self.run(line);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(self.files(), before, "something was left behind");
        String::from_utf8(output.stderr).unwrap()
    }

    fn files(&self) -> BTreeSet<String> {
        fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn clks_in(&self, name: &str) -> Vec<Value> {
        let file: Value = serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap();
        file["clks"].as_array().unwrap().clone()
    }
}

/// Writes the vector's `schema.json`, `secret.txt` and rows into a folder; its CLKs.
pub fn write_vector(folder: &Path, rows: &str) -> Vec<Value> {
    let vector: Value = serde_json::from_str(VECTOR).unwrap();
    fs::write(folder.join("schema.json"), vector["schema"].to_string()).unwrap();
    fs::write(folder.join("secret.txt"), format!("{}\n", vector["secret"].as_str().unwrap())).unwrap();
    private(&folder.join("secret.txt"));
    let mut csv = "id,given,family,dob,sex,code\n".to_owned();
    for row in vector["rows"].as_array().unwrap() {
        let cells: Vec<&str> = row.as_array().unwrap().iter().map(|cell| cell.as_str().unwrap()).collect();
        csv.push_str(&format!("{}\n", cells.join(",")));
    }
    fs::write(folder.join(rows), csv).unwrap();
    vector["clks"].as_array().unwrap().clone()
}

fn private(path: &Path) {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

const HASH: &str = "clkhash hash --clkhash-schema schema.json --secret secret.txt -o clks.json";
const IMPORT: &str = "clkhash import --database ndb --clkhash-schema schema.json --to unit.pub --site-key site.key";

#[test]
fn clks_of_clkhash_pass_through_a_token_file_unchanged() {
    let site = Site::new();
    let summary: Value = serde_json::from_str(&site.good(&format!("{HASH} --json people.csv"))).unwrap();
    assert_eq!(site.clks_in("clks.json"), site.clks);

    // Someone who has the CLKs and not the secret makes the same token file by the key check.
    let key_check = summary["key_check"].as_str().unwrap();
    site.write("ids.txt", "1\n2\n3\n4\n5\n");
    let json = site.good(&format!("{IMPORT} --key-check {key_check} --ids ids.txt --json clks.json -o ndb.tokens"));
    let imported: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(imported["header"]["key_check"], summary["key_check"]);
    assert_eq!(imported["header"]["schema_digest"], summary["schema_digest"]);
    assert!(site.good("inspect --site-key site.key ndb.tokens").contains("clkhash"));

    site.good("clkhash export --site-key site.key --refs refs.txt ndb.tokens -o out.json");
    let refs = SiteKey::load(&site.path("site.key")).unwrap().refs(&"ndb".parse().unwrap());
    let by_ref = |id: usize| record_ref(&refs, RecordId::Column(&id.to_string())).to_hex();
    let lines = fs::read_to_string(site.path("refs.txt")).unwrap();
    for (line, clk) in lines.lines().zip(site.clks_in("out.json")) {
        let id = (1..=5).find(|id| by_ref(*id) == line).unwrap();
        assert_eq!(clk, site.clks[id - 1]);
    }
}

#[test]
fn a_row_that_breaks_the_schema_stops_the_file_and_is_named_without_its_value() {
    let site = Site::new();
    site.write("bad.csv", "id,given,family,dob,sex,code\n1,Anna,Bloggs,1979-13-05,F,1\n2,Anna,Bloggs,1979-05-13,X,1\n");
    let error = site.bad(&format!("{HASH} bad.csv"));
    assert!(error.contains("2 rows break"), "{error}");
    assert!(error.contains("row 2, column \"dob\": not-a-date"), "{error}");
    assert!(error.contains("row 3, column \"sex\": not-one-of-the-values"), "{error}");
    assert!(!error.contains("1979") && !error.contains("Anna"), "{error}");
}

#[test]
fn files_that_do_not_fit_are_refused_with_a_hint() {
    let site = Site::new();
    site.write("swapped.csv", "id,family,given,dob,sex,code\n1,a,b,1979-05-13,F,1\n");
    site.write("short.csv", "id,given\n1,a\n");
    site.write("endless.csv", format!("id,given,family,dob,sex,code\n1,\"Anna{}", ",Bloggs,x\n".repeat(200)));
    site.write("ragged.csv", "id,given,family,dob,sex,code\n1,Anna\n");
    site.write("open.txt", "secret");
    site.write("half.json", "{\"clks\": [\"AAAAAAAAAAA=\", \"AA");
    site.write("narrow.json", "{\"clks\": [\"AAAAAAAAAAA=\"]}");
    site.good(&format!("{HASH} people.csv"));
    site.write("four.txt", "1\n2\n3\n4\n");
    site.write("twice.txt", "1\n2\n3\n4\n1\n");
    let cases = [
        (format!("{HASH} --force swapped.csv"), "column 2 of the header is not \"given\""),
        (format!("{HASH} --force short.csv"), "2 columns, where the schema has 6"),
        (format!("{HASH} --force endless.csv"), "row 2 does not end"),
        (format!("{HASH} --force ragged.csv"), "row 2 has another number of values"),
        (format!("{HASH} people.csv"), "--force replaces it"),
        (format!("{HASH} --force people.csv -o schema.json").replace(" -o clks.json", ""), "the command itself reads"),
        (format!("{HASH} --force people.csv -o secret.txt").replace(" -o clks.json", ""), "the command itself reads"),
        (format!("{IMPORT} --secret secret.txt --force clks.json -o site.key"), "the command itself reads"),
        (format!("{} --secret open.txt people.csv -o x.json", HASH.split(" --secret").next().unwrap()), "chmod 600"),
        (format!("{IMPORT} --secret secret.txt half.json -o x.tokens"), "CLK 1: 64 bits"),
        (format!("{IMPORT} --secret secret.txt narrow.json -o x.tokens"), "64 bits, where the schema says 1024"),
        (format!("{IMPORT} --secret secret.txt --ids four.txt clks.json -o x.tokens"), "ends before the id of CLK 5"),
        (format!("{IMPORT} --secret secret.txt --ids twice.txt clks.json -o x.tokens"), "occur twice"),
        (format!("{IMPORT} --secret secret.txt people.csv -o x.tokens"), "not a file of CLKs"),
    ];
    for (line, expected) in cases {
        let error = site.bad(&line);
        assert!(error.contains(expected), "{line}: {error}");
    }
}
