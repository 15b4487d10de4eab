//! What every test needs: a folder with keys, the program, made-up people.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, RecordBatch};
use custodian::refs::SiteKey;
use expect_test::Expect;
use linkage_core::secret::LinkageSecret;
use parquet::arrow::ArrowWriter;

pub const HEADER: &str = "id,family_kana,given_kana,family_kanji,given_kanji,birth_date,sex,postal_code,\
                      insurer_number,insured_symbol,insured_number,insured_branch";

/// A folder with all that a custodian needs; gone when the test is over.
pub struct Site {
    pub folder: tempfile::TempDir,
}

impl Site {
    pub fn new() -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap() };
        LinkageSecret::from_bytes([7; 32]).create_file(&site.path("linkage.secret")).unwrap();
        let unit = SiteKey::generate();
        unit.create_file(&site.path("unit.key")).unwrap();
        site.write("unit.pub", format!("{}\n", unit.recipient()));
        SiteKey::generate().create_file(&site.path("site.key")).unwrap();
        site
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_custodian"));
        command.current_dir(self.folder.path()).args(line.split_whitespace()).stdin(Stdio::null());
        command
    }

    pub fn run(&self, line: &str) -> Run {
        Run(self.command(line).output().unwrap())
    }

    pub fn tokenise(&self, rest: &str) -> Run {
        self.run(&format!(
            "tokenise --database ndb --schema person-ja --secret linkage.secret --to unit.pub --id-column id {rest}"
        ))
    }

    /// The hash of what is sealed in the token file that these arguments make.
    pub fn payload(&self, rest: &str) -> String {
        let run = self.tokenise(&format!("--site-key site.key --force --json -o payload.tokens {rest}"));
        let summary: serde_json::Value =
            serde_json::from_slice(&run.0.stdout).unwrap_or_else(|_| panic!("{}", run.stderr()));
        summary["payload_blake3"].as_str().unwrap().to_owned()
    }

    pub fn files(&self) -> BTreeSet<String> {
        fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    }
}

pub struct Run(pub Output);

impl Run {
    pub fn code(&self) -> i32 {
        self.0.status.code().unwrap()
    }

    pub fn stdout(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    /// Exit code, stdout and stderr, without what differs from run to run.
    pub fn check(&self, expected: &Expect) {
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
pub fn people(count: u32) -> String {
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
pub fn troubled() -> String {
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

/// A Parquet file of these columns, each of bytes.
pub fn parquet(columns: Vec<(&str, Vec<Vec<u8>>)>) -> Vec<u8> {
    let array = |values: &[Vec<u8>]| Arc::new(BinaryArray::from_iter_values(values)) as ArrayRef;
    let batch = RecordBatch::try_from_iter(columns.iter().map(|(name, values)| (*name, array(values)))).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

#[cfg(unix)]
impl Site {
    /// Runs a command line in a process that the kernel kills where a file of it would grow beyond so many bytes, to the nearest
    /// block: as `kill -9` would, at a place of the caller's choice. False when no file came so far.
    pub fn is_killed_at(&self, line: &str, bytes: u64) -> bool {
        use std::os::unix::process::ExitStatusExt;
        let limited = |blocks: u64, command: &[&str]| {
            let mut shell = Command::new("sh");
            shell.current_dir(self.folder.path()).stdin(Stdio::null());
            shell.args(["-c", "ulimit -c 0; ulimit -f \"$0\"; exec \"$@\"", &blocks.to_string()]).args(command);
            shell.output().unwrap().status
        };
        // Shells do not agree on how long a block is.
        assert!(!limited(1, &["dd", "if=/dev/zero", "of=block", "bs=4096", "count=1"]).success());
        let block = fs::metadata(self.path("block")).unwrap().len();
        fs::remove_file(self.path("block")).unwrap();
        let command: Vec<&str> = [env!("CARGO_BIN_EXE_custodian")].into_iter().chain(line.split_whitespace()).collect();
        // 25 is SIGXFSZ, wherever there is one.
        limited(bytes / block, &command).signal() == Some(25)
    }
}

#[cfg(unix)]
pub fn allow(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
