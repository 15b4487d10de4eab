//! One kept demo that all tests share.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

pub const DATABASES: [&str; 5] = ["ndb", "dpc", "kaigo", "denkaru", "jisedai"];
pub const PROJECT: &str = "stroke-outcomes";

/// The folders of a demo that has been played, and its JSON result.
pub struct Stage {
    folder: tempfile::TempDir,
    pub summary: Value,
}

impl Stage {
    /// Plays the demo on first use.
    pub fn shared() -> &'static Self {
        static STAGE: OnceLock<Stage> = OnceLock::new();
        STAGE.get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let keep = folder.path().join("demo");
            let output = linkage(folder.path(), &["demo", "--people", "3000", "--json", "--keep", path(&keep)]);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let summary = serde_json::from_slice(&output.stdout).unwrap();
            Stage { folder, summary }
        })
    }

    /// The folder of one party.
    pub fn party(&self, name: &str) -> PathBuf {
        self.folder.path().join("demo").join(name)
    }
}

/// Runs the program `linkage` in a folder.
pub fn linkage(folder: &Path, args: &[&str]) -> Output {
    command(folder, args).output().unwrap()
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_linkage"));
    command.args(args).current_dir(folder).stdin(Stdio::null());
    command
}

/// The linkage service of a kept demo, serving again.
pub struct Service {
    child: Child,
    pub port: u16,
}

impl Service {
    /// Starts the service of this unit's folder; its log goes to `log` there.
    pub fn start(unit: &Path, log: &str) -> Self {
        let ready = unit.join(format!("{log}.ready"));
        let log = std::fs::File::create(unit.join(log)).unwrap();
        let args = ["service", "serve", "service", "--listen", "127.0.0.1:0", "--ready-file", path(&ready)];
        let mut child = command(unit, &args).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let start = Instant::now();
        loop {
            if let Ok(address) = std::fs::read_to_string(&ready)
                && let Some((_, port)) = address.trim().rsplit_once(':')
            {
                return Self { child, port: port.parse().unwrap() };
            }
            assert!(child.try_wait().unwrap().is_none(), "the service stopped early");
            assert!(start.elapsed() < Duration::from_secs(60), "the service is not ready");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A path as text; test folders have plain names.
pub fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// All files below a folder.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}
