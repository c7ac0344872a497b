//! Input: what a user names to be read, which may be a file, a directory, or standard input.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::contents::{Role, SideContents};
use super::problem::{Lost, Problem, SourceError};
use super::spill::SpillPool;
use super::storage::Storage;

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file, or a directory with everything below it.
    Path(PathBuf),
    Stdin,
    Copied(CopiedJournals),
}

/// A file without a name, into which journals were copied from elsewhere.
#[derive(Clone, Debug)]
pub struct CopiedJournals {
    /// Where the journals come from.
    pub name: String,
    pub file: Arc<File>,
}

impl PartialEq for CopiedJournals {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file)
    }
}

impl Eq for CopiedJournals {}

impl SideContents {
    /// Opens all inputs of one side.
    pub(super) fn open(inputs: &[Input], role: Role, pool: &Arc<SpillPool>) -> Result<Self, SourceError> {
        let mut contents = Self::new(role, pool);
        for input in inputs {
            match input {
                Input::Stdin => {
                    let storage = Storage::spill(&mut io::stdin().lock(), pool)
                        .map_err(|source| SourceError::Io { path: "standard input".to_owned(), source })?;
                    contents.open_storage("standard input", storage)?;
                }
                Input::Path(path) if path.is_dir() => contents.open_directory(path)?,
                Input::Path(path) => contents.open_file(path)?,
                Input::Copied(CopiedJournals { name, file }) => {
                    let failed = |source| SourceError::Io { path: name.clone(), source };
                    let file = file.try_clone().map_err(failed)?;
                    let len = file.metadata().map_err(failed)?.len();
                    contents.open_storage(name, Storage::File { file, len })?;
                }
            }
        }
        Ok(contents)
    }

    /// A file in a directory that cannot be read is a problem; one that was named is an error.
    fn open_directory(&mut self, directory: &Path) -> Result<(), SourceError> {
        let failed = |source| SourceError::Io { path: directory.display().to_string(), source };
        let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)
            .map_err(failed)?
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<_>>()
            .map_err(failed)?;
        paths.sort();
        for path in paths {
            let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            let symlink = path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
            // A link to a directory may lead back to this one.
            if hidden || (symlink && path.is_dir()) {
                continue;
            }
            if let Err(error) = self.open_found(&path) {
                let (reason, lost) = match error {
                    SourceError::Io { source, .. } => (source.to_string(), Lost::Rows),
                    SourceError::Format { reason, .. } => (reason, Lost::Rows),
                    SourceError::Foreign { reason, .. } => (reason, Lost::Nothing),
                };
                self.problems.push(Problem::file(&path.display().to_string(), reason, lost));
            }
        }
        Ok(())
    }

    /// Opens something that was found in a directory.
    fn open_found(&mut self, path: &Path) -> Result<(), SourceError> {
        let name = || path.display().to_string();
        let metadata = std::fs::metadata(path).map_err(|source| SourceError::Io { path: name(), source })?;
        if metadata.is_dir() {
            self.open_directory(path)
        } else if metadata.is_file() {
            self.open_file(path)
        } else {
            // Opening a pipe that nobody writes to would wait for ever.
            Err(SourceError::Foreign {
                path: name(),
                reason: "it is a pipe, a socket or a device: name it to have it read".to_owned(),
            })
        }
    }

    fn open_file(&mut self, path: &Path) -> Result<(), SourceError> {
        let name = path.display().to_string();
        let failed = |source| SourceError::Io { path: name.clone(), source };
        let kind = std::fs::metadata(path).map_err(failed)?.file_type();
        let storage = if kind.is_file() {
            Storage::open(path).map_err(failed)?
        } else {
            // A pipe has no offsets.
            Storage::spill(&mut File::open(path).map_err(failed)?, self.pool()).map_err(failed)?
        };
        self.open_storage(&name, storage)
    }

    fn open_storage(&mut self, name: &str, storage: Storage) -> Result<(), SourceError> {
        let io = |source| SourceError::Io { path: name.to_owned(), source };
        let format = |reason: String| SourceError::Format { path: name.to_owned(), reason };
        match FileFormat::of(&storage).map_err(io)? {
            FileFormat::Empty => {
                self.problems.push(Problem::file(name, "it is empty", Lost::Nothing));
                Ok(())
            }
            FileFormat::Unknown => Err(SourceError::Foreign {
                path: name.to_owned(),
                reason: "it is neither Arrow IPC nor JSON".to_owned(),
            }),
            // It may hold journals, so passing over it would be wrong.
            FileFormat::Packed(by) => Err(format(format!("it is packed by {by}, which is not read: unpack it first"))),
            FileFormat::Arrow => self.take_arrow(name, storage),
            FileFormat::Json => self.take_json(name, &storage),
        }
    }
}

/// What a file holds, by its first bytes.
enum FileFormat {
    Arrow,
    Json,
    Empty,
    /// Packed by the program of this name.
    Packed(&'static str),
    Unknown,
}

/// The first bytes of packed files.
const PACKERS: [(&[u8], &str); 5] = [
    (b"\x1F\x8B", "gzip"),
    (b"\x28\xB5\x2F\xFD", "zstd"),
    (b"PK\x03\x04", "zip"),
    (b"\xFD7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
];

impl FileFormat {
    fn of(storage: &Storage) -> io::Result<Self> {
        let mut head = [0; 256];
        let read = storage.read_some(0, &mut head)?;
        let head = &head[..read];
        if head.starts_with(b"ARROW1") || head.starts_with(&[0xFF; 4]) {
            return Ok(Self::Arrow);
        }
        if let Some((_, by)) = PACKERS.iter().find(|(magic, _)| head.starts_with(magic)) {
            return Ok(Self::Packed(by));
        }
        let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
        Ok(match head.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{' | b'[') => Self::Json,
            Some(_) => Self::Unknown,
            None if storage.size() > read as u64 => Self::Json,
            None => Self::Empty,
        })
    }
}
