//! A work folder: what a killed `tokenise` has done already, for the next one to go on from.
//!
//! It holds sorted runs and a manifest that names those that are whole. A run is written and synced before the manifest
//! that names it takes the old one's place, so whatever the manifest says is true at any moment of a crash. Runs are
//! enciphered by keys that come from the site key and a nonce of each run; the manifest holds counts, row numbers and
//! keyed hashes alone. Rows that were done are read again and hashed, so a changed extract is noticed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;
use serde_json::{Value, json};

use crate::findings::Findings;
use crate::output::at;
use crate::refs::RecordRefs;
use crate::sort::{Run, write_run};

const FORMAT: &str = "custodian-work/2";
const MANIFEST: &str = "manifest.json";
/// The manifest before it is whole.
const NEW_MANIFEST: &str = "manifest.new";
const LOCK: &str = "lock";

/// How far a work had come: everything up to a batch of the extract is in the runs.
pub(crate) struct Checkpoint {
    pub(crate) batches: u64,
    /// The keyed hash of those batches.
    pub(crate) chain: [u8; 32],
    pub(crate) findings: Findings,
}

/// A work folder that this process alone uses.
pub(crate) struct WorkFolder<'a> {
    folder: PathBuf,
    job: [u8; 32],
    refs: &'a RecordRefs,
    runs: Vec<RunEntry>,
    _lock: File,
}

#[derive(Clone)]
struct RunEntry {
    nonce: [u8; 16],
    bytes: u64,
}

impl RunEntry {
    fn name(&self) -> String {
        format!("{}.run", hex(&self.nonce))
    }
}

impl<'a> WorkFolder<'a> {
    /// Opens the folder, or makes it, and returns how far an earlier process had come with the same job.
    ///
    /// # Errors
    /// When the folder cannot be used, another process is at work in it, or it holds the work of another job.
    pub(crate) fn open(
        folder: &Path,
        job: [u8; 32],
        refs: &'a RecordRefs,
        fields: usize,
    ) -> anyhow::Result<(Self, Vec<Run>, Option<Checkpoint>)> {
        make_folder(folder).map_err(|error| at(folder, error))?;
        let lock = folder.join(LOCK);
        // Ours is empty. Another program's must not be emptied, let alone removed when the work is done.
        let lock = private().write(true).create(true).truncate(false).open(&lock).map_err(|error| at(&lock, error))?;
        if lock.metadata().map_err(|error| at(folder, error))?.len() > 0 {
            return Err(at(folder, format!("its file `{LOCK}` is not ours\nhint: name a folder that is empty or new")));
        }
        lock.try_lock()
            .map_err(|_| at(folder, "another process is at work here\nhint: wait for it, or name another folder"))?;
        let mut work = Self { folder: folder.to_owned(), job, refs, runs: Vec::new(), _lock: lock };
        let checkpoint = work.load(fields)?;
        work.sweep().map_err(|error| at(folder, error))?;
        let runs = work.runs.iter().map(|entry| work.open_run(entry)).collect::<anyhow::Result<_>>()?;
        Ok((work, runs, checkpoint))
    }

    fn load(&mut self, fields: usize) -> anyhow::Result<Option<Checkpoint>> {
        let path = self.folder.join(MANIFEST);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at(&path, error)),
        };
        let other = |what: &str| {
            at(&self.folder, format!("{what}\nhint: delete the folder to begin anew, or name another one"))
        };
        let manifest: Value = serde_json::from_slice(&text).map_err(|_| other("its manifest cannot be read"))?;
        if manifest["format"] != FORMAT {
            return Err(other("not a work folder of this version"));
        }
        if manifest["job"] != hex(&self.job) {
            return Err(other("it holds the work of a command with other options, keys or lists"));
        }
        let parsed = || -> Option<(Vec<RunEntry>, Checkpoint)> {
            let run =
                |run: &Value| Some(RunEntry { nonce: unhex(run["nonce"].as_str()?)?, bytes: run["bytes"].as_u64()? });
            let runs = manifest["runs"].as_array()?.iter().map(run).collect::<Option<Vec<_>>>()?;
            let findings = Findings::from_state(&manifest["findings"], fields)?;
            let chain = unhex(manifest["chain"].as_str()?)?;
            Some((runs, Checkpoint { batches: manifest["batches"].as_u64()?, chain, findings }))
        };
        let (runs, checkpoint) = parsed().ok_or_else(|| other("its manifest cannot be read"))?;
        self.runs = runs;
        Ok(Some(checkpoint))
    }

    /// Removes what no manifest names: the run or manifest at which an earlier process was killed, and nothing else that
    /// somebody may keep here.
    fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let unnamed = self.runs.iter().all(|run| *run.name() != *name);
            let is_run = |name: &str| name.strip_suffix(".run").and_then(unhex::<16>).is_some();
            if unnamed && name.to_str().is_some_and(|name| name == NEW_MANIFEST || is_run(name)) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn open_run(&self, entry: &RunEntry) -> anyhow::Result<Run> {
        let path = self.folder.join(entry.name());
        let file = File::open(&path).map_err(|error| at(&path, error))?;
        if file.metadata().map_err(|error| at(&path, error))?.len() != entry.bytes {
            return Err(at(&path, "not as long as it was\nhint: delete the work folder to begin anew"));
        }
        Ok(Run { file: Arc::new(file), key: self.refs.spill_key(&entry.nonce), start: 0, end: entry.bytes })
    }

    /// Writes a run; it counts from the next [`Self::commit`] on.
    pub(crate) fn write_run<'r>(&mut self, rows: impl Iterator<Item = &'r [u8]>) -> io::Result<Run> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(io::Error::other)?;
        let mut entry = RunEntry { nonce, bytes: 0 };
        let file = private().read(true).write(true).create_new(true).open(self.folder.join(entry.name()))?;
        let run = write_run(Arc::new(file), self.refs.spill_key(&nonce), 0, rows)?;
        run.file.sync_all()?;
        entry.bytes = run.end;
        self.runs.push(entry);
        Ok(run)
    }

    /// Makes it last that everything up to this point is in the runs.
    pub(crate) fn commit(&self, batches: u64, chain: &[u8; 32], findings: &Findings) -> io::Result<()> {
        let manifest = json!({
            "format": FORMAT,
            "job": hex(&self.job),
            "batches": batches,
            "chain": hex(chain),
            "runs": self.runs.iter().map(|run| json!({ "nonce": hex(&run.nonce), "bytes": run.bytes })).collect::<Vec<_>>(),
            "findings": findings.state(),
        });
        let new = self.folder.join(NEW_MANIFEST);
        let mut file = private().write(true).create(true).truncate(true).open(&new)?;
        file.write_all(manifest.to_string().as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, self.folder.join(MANIFEST))?;
        if cfg!(unix) { File::open(&self.folder)?.sync_all() } else { Ok(()) }
    }

    /// Removes the folder when the work is done: the manifest first, so that no half of it is taken for a whole.
    pub(crate) fn remove(self) -> anyhow::Result<()> {
        let names =
            [MANIFEST.to_owned()].into_iter().chain(self.runs.iter().map(RunEntry::name)).chain([LOCK.to_owned()]);
        for path in names.map(|name| self.folder.join(name)) {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&path, error)),
                _ => {}
            }
        }
        // A folder in which somebody keeps other things stays.
        let _ = fs::remove_dir(&self.folder);
        Ok(())
    }
}

/// What to say when the extract is not the one that the folder's work was done on.
pub(crate) fn changed(folder: &Path) -> anyhow::Error {
    anyhow!(
        "`{}`: the extract is not the one on which this work was begun\nhint: delete the folder to begin anew",
        folder.display()
    )
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        made => made,
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    // No sign, no capital letter: one spelling alone.
    (hex(&bytes) == text).then_some(bytes)
}

#[cfg(test)]
mod tests;
