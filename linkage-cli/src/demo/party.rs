//! One party of the demo: a folder of its own, in which real command lines run as processes of their own.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// Which of the three programs a command line is for. The demo's own executable plays all of them.
#[derive(Debug, Clone, Copy)]
pub enum Program {
    Custodian,
    LinkageService,
    Linkage,
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Custodian => "custodian",
            Self::LinkageService => "linkage-service",
            Self::Linkage => "linkage",
        }
    }

    /// The hidden subcommand of `linkage` that stands for this program.
    fn subcommand(self) -> Option<&'static str> {
        match self {
            Self::Custodian => Some("custodian"),
            Self::LinkageService => Some("service"),
            Self::Linkage => None,
        }
    }
}

/// What a command line left behind.
#[derive(Debug)]
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// The one JSON object on stdout.
    pub fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_str(&self.stdout).context("a command of the demo did not print one JSON object")
    }
}

/// A party works in its own folder and sees only what was handed to it there.
#[derive(Debug)]
pub struct Party {
    folder: PathBuf,
    quiet: bool,
}

impl Party {
    /// Makes the party's folder.
    pub fn new(stage: &Path, name: &str, quiet: bool) -> anyhow::Result<Self> {
        let folder = stage.join(name);
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(Self { folder, quiet })
    }

    /// A path inside the party's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Runs a command line, shows it, and expects it to end well (exit code 0, or 3: written, with rows set aside).
    pub fn run<S: AsRef<OsStr>>(&self, program: Program, args: &[S]) -> anyhow::Result<Outcome> {
        let outcome = self.try_run(program, args)?;
        if !matches!(outcome.code, 0 | 3) {
            let name = program.name();
            bail!("`{name}` of the demo ended with exit code {}\n{}", outcome.code, outcome.stderr.trim_end());
        }
        Ok(outcome)
    }

    /// Runs a command line and shows it; the caller decides what its end means.
    pub fn try_run<S: AsRef<OsStr>>(&self, program: Program, args: &[S]) -> anyhow::Result<Outcome> {
        self.show(program, args);
        let output = self.command(program, args)?.output().context("cannot start a program of the demo")?;
        Ok(Outcome {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Starts a program that keeps running until the handle is dropped; its talk goes to `log` in the party's folder.
    pub fn start<S: AsRef<OsStr>>(&self, program: Program, args: &[S], log: &str) -> anyhow::Result<Running> {
        self.show(program, args);
        let log = File::create(self.path(log))?;
        let child = self
            .command(program, args)?
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start a program of the demo")?;
        Ok(Running { child })
    }

    fn command<S: AsRef<OsStr>>(&self, program: Program, args: &[S]) -> anyhow::Result<Command> {
        let mut command = Command::new(std::env::current_exe().context("cannot find this program's own file")?);
        command.args(program.subcommand()).args(args).current_dir(&self.folder).stdin(Stdio::null());
        Ok(command)
    }

    fn show<S: AsRef<OsStr>>(&self, program: Program, args: &[S]) {
        if self.quiet {
            return;
        }
        let party = self.folder.file_name().unwrap_or_default().to_string_lossy();
        let line: Vec<_> = args.iter().map(|arg| quoted(&arg.as_ref().to_string_lossy())).collect();
        let (dim, plain) = if std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
            ("\x1b[2m", "\x1b[0m")
        } else {
            ("", "")
        };
        // Nothing can be done about a closed stderr.
        let _ = writeln!(std::io::stderr(), "{dim}{party}$ {} {}{plain}", program.name(), line.join(" "));
    }
}

/// A program in the background.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

impl Running {
    /// Waits until `file` exists and gives its text.
    pub fn wait_for(&mut self, file: &Path, limit: Duration) -> anyhow::Result<String> {
        let start = Instant::now();
        while start.elapsed() < limit {
            if let Ok(text) = fs::read_to_string(file)
                && !text.trim().is_empty()
            {
                return Ok(text.trim().to_owned());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("a program of the demo stopped early ({status}); `--keep DIR` keeps its log");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("a program of the demo was not ready within {} s", limit.as_secs())
    }

    /// Asks the program to stop as an operator would (SIGTERM) and waits for a graceful end.
    pub fn stop(mut self, limit: Duration) -> anyhow::Result<()> {
        let pid = self.child.id().to_string();
        // The shell's own `kill` instead of libc: the workspace forbids unsafe code, and a small system may lack the program.
        Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]).status().context("cannot run `sh`")?;
        let start = Instant::now();
        while start.elapsed() < limit {
            if let Some(status) = self.child.try_wait()? {
                if status.success() {
                    return Ok(());
                }
                bail!("the linkage service did not end well: {status}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the linkage service did not stop within {} s", limit.as_secs())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already ended is fine; what matters is that nothing of the demo outlives it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn quoted(arg: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@+".contains(c);
    if !arg.is_empty() && arg.chars().all(plain) { arg.to_owned() } else { format!("'{arg}'") }
}
