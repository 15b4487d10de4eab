//! Files that appear under their final names only when they are whole, and never over another.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::DatasetError;

/// The character encoding of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8,
    Cp932,
    /// JIS X 0208 with escape sequences, as HL7 messages have it.
    Iso2022Jp,
}

impl Encoding {
    /// The name that `custodian tokenise --encoding` takes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Cp932 => "cp932",
            Self::Iso2022Jp => "iso-2022-jp",
        }
    }

    /// The bytes of a text. What the encoding lacks becomes 〓, as mainframes print it.
    pub(crate) fn encode(self, text: &str) -> Vec<u8> {
        let Some(encoding) = self.table() else { return text.as_bytes().to_vec() };
        let (encoded, _, failed) = encoding.encode(text);
        if !failed {
            return encoded.into_owned();
        }
        let text: String = text.chars().map(|c| if self.lacks(c) { '〓' } else { c }).collect();
        encoding.encode(&text).0.into_owned()
    }

    /// Whether a text cannot have this character.
    pub(crate) fn lacks(self, c: char) -> bool {
        !c.is_ascii() && self.table().is_some_and(|encoding| encoding.encode(c.encode_utf8(&mut [0; 4])).2)
    }

    /// The characters of an encoding that does not have all of them.
    fn table(self) -> Option<&'static encoding_rs::Encoding> {
        match self {
            Self::Utf8 => None,
            Self::Cp932 => Some(encoding_rs::SHIFT_JIS),
            Self::Iso2022Jp => Some(encoding_rs::ISO_2022_JP),
        }
    }
}

/// A folder that is filled under another name beside its own.
pub(crate) struct StagedFolder {
    target: PathBuf,
    folder: tempfile::TempDir,
}

impl StagedFolder {
    pub(crate) fn create(target: &Path) -> Result<Self, DatasetError> {
        refuse_existing(target)?;
        let folder = tempfile::Builder::new().prefix(".linkage-generate-").tempdir_in(parent(target));
        Ok(Self { target: target.to_owned(), folder: folder.map_err(|source| failed(target, source))? })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Gives the folder its name.
    pub(crate) fn finish(self) -> Result<(), DatasetError> {
        // A rename would replace an empty folder that has appeared meanwhile, which hurts nobody; a full one makes it fail.
        refuse_existing(&self.target)?;
        std::fs::rename(self.folder.path(), &self.target).map_err(|source| failed(&self.target, source))?;
        // The name under which it would be removed is gone.
        let _ = self.folder.keep();
        Ok(())
    }
}

/// A file that is written under another name beside its own.
pub(crate) struct StagedFile {
    target: PathBuf,
    file: BufWriter<tempfile::NamedTempFile>,
}

impl StagedFile {
    pub(crate) fn create(target: &Path) -> Result<Self, DatasetError> {
        refuse_existing(target)?;
        let file = tempfile::Builder::new().prefix(".linkage-generate-").tempfile_in(parent(target));
        let file = file.map_err(|source| failed(target, source))?;
        Ok(Self { target: target.to_owned(), file: BufWriter::with_capacity(1 << 16, file) })
    }

    /// Gives the file its name, unless another has it by now.
    pub(crate) fn finish(self) -> Result<(), DatasetError> {
        let file = self.file.into_inner().map_err(|error| failed(&self.target, error.into_error()))?;
        file.as_file().sync_all().map_err(|source| failed(&self.target, source))?;
        file.persist_noclobber(&self.target).map_err(|error| match error.error.kind() {
            std::io::ErrorKind::AlreadyExists => DatasetError::Exists { path: self.target.clone() },
            _ => failed(&self.target, error.error),
        })?;
        Ok(())
    }
}

impl Write for StagedFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// An error about a file.
pub(crate) fn failed(path: &Path, cause: std::io::Error) -> DatasetError {
    DatasetError::Write { path: path.to_owned(), cause }
}

fn parent(target: &Path) -> &Path {
    target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn refuse_existing(target: &Path) -> Result<(), DatasetError> {
    match target.symlink_metadata() {
        Ok(_) => Err(DatasetError::Exists { path: target.to_owned() }),
        Err(_) => Ok(()),
    }
}

/// A CSV file in its encoding.
pub(crate) struct Table {
    path: PathBuf,
    encoding: Encoding,
    writer: csv::Writer<BufWriter<File>>,
}

impl Table {
    pub(crate) fn create(path: PathBuf, encoding: Encoding, header: &[&str]) -> Result<Self, DatasetError> {
        let file = File::create(&path).map_err(|cause| DatasetError::Write { path: path.clone(), cause })?;
        let writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(BufWriter::new(file));
        let mut table = Self { path, encoding, writer };
        table.write(header)?;
        Ok(table)
    }

    pub(crate) fn write<S: AsRef<str>>(&mut self, row: &[S]) -> Result<(), DatasetError> {
        for cell in row {
            // In CP932 no second byte of a character is a comma, a quote or a line end, so bytes can be quoted as they are.
            self.writer.write_field(self.encoding.encode(cell.as_ref())).map_err(|error| self.failed(error.into()))?;
        }
        self.writer.write_record(None::<&[u8]>).map_err(|error| self.failed(error.into()))
    }

    pub(crate) fn finish(self) -> Result<PathBuf, DatasetError> {
        let path = self.path;
        let mut file = self
            .writer
            .into_inner()
            .map_err(|error| DatasetError::Write { path: path.clone(), cause: error.into_error() })?;
        file.flush().map_err(|cause| DatasetError::Write { path: path.clone(), cause })?;
        Ok(path)
    }

    fn failed(&self, cause: std::io::Error) -> DatasetError {
        DatasetError::Write { path: self.path.clone(), cause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_overwritten_and_nothing_half_written_stays() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("people.csv");
        let mut file = StagedFile::create(&target).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);

        let (mut first, second) = (StagedFile::create(&target).unwrap(), StagedFile::create(&target).unwrap());
        first.write_all(b"whole").unwrap();
        first.finish().unwrap();
        assert!(matches!(second.finish(), Err(DatasetError::Exists { .. })));
        assert!(matches!(StagedFile::create(&target), Err(DatasetError::Exists { .. })));
        assert!(matches!(StagedFolder::create(&target), Err(DatasetError::Exists { .. })));
        assert_eq!(std::fs::read(&target).unwrap(), b"whole");

        let folder = StagedFolder::create(&dir.path().join("extracts")).unwrap();
        std::fs::write(folder.path().join("a"), b"a").unwrap();
        folder.finish().unwrap();
        assert_eq!(std::fs::read(dir.path().join("extracts/a")).unwrap(), b"a");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_an_encoding_lacks_is_marked() {
        assert_eq!([Encoding::Utf8, Encoding::Cp932].map(|encoding| encoding.lacks('婷')), [false, true]);
        assert!(!Encoding::Cp932.lacks('\\') && !Encoding::Cp932.lacks('山'));
        assert_eq!(Encoding::Cp932.encode("ｱ𠮷a"), b"\xB1\x81\xACa");
        assert_eq!(Encoding::Iso2022Jp.encode("山𠮷a"), b"\x1B$B;3\".\x1B(Ba");
    }
}
