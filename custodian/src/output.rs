//! Where the program speaks: data on stdout, talk on stderr.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::anyhow;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use linkage_core::harden::Step;
use linkage_core::token_file::TokenFileHeader;
use tempfile::NamedTempFile;

use crate::intake::folder_of;

/// Writes a line to stderr. When nobody can read it any more there is nobody to tell.
pub(crate) fn talk(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes data to stdout.
///
/// # Errors
/// When stdout cannot be written, such as on a full disk or a closed pipe.
pub(crate) fn data(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| anyhow!("stdout cannot be written: {error}"))
}

/// An error about a file, with its path before it.
pub(crate) fn at(path: &Path, error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("`{}`: {error}", path.display())
}

/// Refuses an output that must not be written, before any work is done. `reads` lists the files that the command reads: they
/// stay as they are, whatever --force says.
///
/// # Errors
/// When there is no such folder, there is a file of this name already, or the command reads that file.
pub(crate) fn refuse_output(
    output: &Path,
    force: bool,
    reads: impl FnOnce() -> anyhow::Result<Vec<PathBuf>>,
) -> anyhow::Result<()> {
    let folder = folder_of(output)?;
    if !folder.is_dir() {
        return Err(at(folder, "no such folder\nhint: make it, or write the output elsewhere"));
    }
    if !output.try_exists().map_err(|error| at(output, error))? {
        return Ok(());
    }
    if !force {
        return Err(at(output, "there is a file of this name\nhint: --force replaces it"));
    }
    let real = |path: &Path| path.canonicalize().ok();
    let replaced = real(output);
    if replaced.is_some() && reads()?.iter().any(|path| real(path) == replaced) {
        return Err(at(output, "the command itself reads this file\nhint: write the output to another file"));
    }
    Ok(())
}

/// A file that gets its name only when it is whole; until then nobody but its owner can read it.
pub(crate) struct WholeFile<'a> {
    path: &'a Path,
    force: bool,
    file: BufWriter<NamedTempFile>,
}

impl<'a> WholeFile<'a> {
    /// Begins a file in the folder of its name.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(crate) fn create(path: &'a Path, force: bool) -> anyhow::Result<Self> {
        let folder = folder_of(path)?;
        let file = NamedTempFile::new_in(folder).map_err(|error| at(folder, error))?;
        Ok(Self { path, force, file: BufWriter::new(file) })
    }

    /// The name that it will have.
    pub(crate) fn path(&self) -> &'a Path {
        self.path
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// When the disk is full, or there is a file of that name that shall not be replaced.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        let Self { path, force, file } = self;
        let file = file.into_inner().map_err(|error| at(path, error.into_error()))?;
        file.as_file().sync_all().map_err(|error| at(path, error))?;
        let named = if force { file.persist(path) } else { file.persist_noclobber(path) };
        named.map_err(|error| at(path, error.error))?;
        Ok(())
    }
}

impl Write for WholeFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes a text file: under its name it is whole, or not there.
///
/// # Errors
/// As [`WholeFile::create`] and [`WholeFile::finish`].
pub(crate) fn write_whole(path: &Path, text: &str, force: bool) -> anyhow::Result<()> {
    let mut file = WholeFile::create(path, force)?;
    file.write_all(text.as_bytes()).map_err(|error| at(path, error))?;
    file.finish()
}

/// What was done to the tokens of a file, a line per step; noise with its ε.
pub(crate) fn hardening(header: &TokenFileHeader) -> Vec<String> {
    let line = |step: &Step| match step.epsilon_per_bit() {
        Some(epsilon) => {
            let total = epsilon * f64::from(header.clk_bits);
            format!("{step}: ε {epsilon:.2} per bit, {total:.0} per record; noise, not anonymity")
        }
        None => step.to_string(),
    };
    header.hardening_steps().iter().map(line).collect()
}

/// A bar on stderr when a person watches it, and nothing otherwise.
pub(crate) fn progress(total_bytes: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(total_bytes, ProgressDrawTarget::stderr());
    let template = match total_bytes {
        Some(_) => "{bar:30} {percent:>3} %  {bytes} of {total_bytes}  {msg}  {eta} left",
        None => "{spinner} {bytes}  {msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

/// Rows per second, for people.
pub(crate) fn rate(rows: u64, elapsed: Duration) -> u64 {
    (rows as f64 / elapsed.as_secs_f64().max(0.001)) as u64
}
