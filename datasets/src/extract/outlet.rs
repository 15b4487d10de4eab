//! Where the records of a database go: files that all blocks add to, or a tree of many small files.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::{Database, Record, Write};
use crate::error::DatasetError;
use crate::output::failed;

/// What a block adds to a database.
#[derive(Default)]
pub(super) struct Written {
    /// To each of its files.
    files: Vec<Vec<u8>>,
    /// New files, by their paths below the database's folder.
    tree: Vec<(String, Vec<u8>)>,
}

impl Written {
    /// Writes records down, and gives each its id.
    pub(super) fn of(database: &Database, records: &mut [Record<'_>]) -> Self {
        let encodings = database.files.iter().map(|(_, encoding)| *encoding);
        match database.write {
            Write::Files(write) | Write::Numbered(write) => {
                let mut texts = vec![String::new(); database.files.len()];
                write(records, &mut texts);
                let files = texts.iter().zip(encodings).map(|(text, encoding)| encoding.encode(text)).collect();
                Self { files, ..Self::default() }
            }
            Write::Tree(write) => {
                let mut texts = Vec::new();
                write(records, &mut texts);
                let encode = |text: &str| encodings.clone().next().map_or_else(Vec::new, |one| one.encode(text));
                Self { tree: texts.into_iter().map(|(path, text)| (path, encode(&text))).collect(), ..Self::default() }
            }
        }
    }
}

/// An open database.
pub(super) struct Outlet {
    database: &'static Database,
    files: Vec<OutputFile>,
    folder: PathBuf,
}

impl Outlet {
    /// Creates the database's files, with what stands before their first record, or its folder.
    pub(super) fn open(dir: &Path, database: &'static Database) -> Result<Self, DatasetError> {
        let mut outlet = Self { database, files: Vec::new(), folder: dir.to_owned() };
        for (name, _) in database.files {
            let path = dir.join(name);
            match database.write {
                Write::Files(_) | Write::Numbered(_) => outlet.files.push(OutputFile::create(path)?),
                Write::Tree(_) => {
                    std::fs::create_dir(&path).map_err(|source| failed(&path, source))?;
                    outlet.folder = path;
                }
            }
        }
        outlet.frame(false)?;
        Ok(outlet)
    }

    /// Adds a block.
    pub(super) fn take(&mut self, written: &Written) -> Result<(), DatasetError> {
        for (file, bytes) in self.files.iter_mut().zip(&written.files) {
            file.add(self.database, bytes)?;
        }
        for (path, bytes) in &written.tree {
            let path = self.folder.join(path);
            let parent = path.parent().unwrap_or(&self.folder);
            std::fs::create_dir_all(parent).map_err(|source| failed(parent, source))?;
            // Not synced one by one, which would take milliseconds each: whoever loses the machine's power while the folder
            // gets its name has the seed.
            OutputFile::create(path)?.write(bytes)?;
        }
        Ok(())
    }

    /// Ends the files with what stands after their last record.
    pub(super) fn finish(mut self) -> Result<(), DatasetError> {
        self.frame(true)?;
        self.files.into_iter().try_for_each(OutputFile::finish)
    }

    fn frame(&mut self, end: bool) -> Result<(), DatasetError> {
        let mut frame = vec![String::new(); self.files.len()];
        (self.database.frame)(&mut frame, end);
        for ((file, text), (_, encoding)) in self.files.iter_mut().zip(frame).zip(self.database.files) {
            file.add(self.database, &encoding.encode(&text))?;
        }
        Ok(())
    }
}

/// A file of the folder that is being filled.
pub(super) struct OutputFile {
    path: PathBuf,
    file: File,
    /// How many lines have been numbered.
    lines: u64,
}

impl OutputFile {
    pub(super) fn create(path: PathBuf) -> Result<Self, DatasetError> {
        let file = File::create(&path).map_err(|source| failed(&path, source))?;
        Ok(Self { path, file, lines: 0 })
    }

    /// Adds lines of a database, and their numbers if it has any.
    fn add(&mut self, database: &Database, bytes: &[u8]) -> Result<(), DatasetError> {
        if !matches!(database.write, Write::Numbered(_)) {
            return self.write(bytes);
        }
        let mut numbered = Vec::with_capacity(bytes.len() * 9 / 8);
        // In no encoding is a line feed or a comma part of another character.
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.lines += 1;
            let first = line.iter().position(|&byte| byte == b',').map_or(0, |comma| comma + 1);
            numbered.extend_from_slice(&line[..first]);
            numbered.extend_from_slice(self.lines.to_string().as_bytes());
            numbered.extend_from_slice(&line[first..]);
        }
        self.write(&numbered)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), DatasetError> {
        self.file.write_all(bytes).map_err(|source| failed(&self.path, source))
    }

    pub(super) fn finish(self) -> Result<(), DatasetError> {
        self.file.sync_all().map_err(|source| failed(&self.path, source))
    }
}
