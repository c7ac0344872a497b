//! Opening what was named: files, directories, standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::arrow::{ArrowError, Opened, Room, Segment, Store, StoreReader};
use super::problem::{Lost, Problem, SourceError};
use crate::journal::{InvocationInfo, Trace};

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file, or a directory with all that is below it.
    Path(PathBuf),
    Stdin,
    Spooled(Spooled),
}

/// A file without a name, into which journals were copied from elsewhere.
#[derive(Clone, Debug)]
pub struct Spooled {
    /// Where they are from.
    pub name: String,
    pub file: Arc<File>,
}

impl PartialEq for Spooled {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file)
    }
}

impl Eq for Spooled {}

/// What the files are read as: it matters for the readable form alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Recorded,
    Candidate,
}

/// A file opened, its rows not yet put together into journals.
#[derive(Debug)]
pub struct SourceFile {
    pub name: String,
    pub segment: Segment,
}

/// A candidate's steps as read, for an invocation or a pattern of targets.
#[derive(Debug)]
pub struct NamedTrace {
    pub id: Option<String>,
    pub target: Option<String>,
    pub trace: Trace,
}

/// All that was read of the inputs of one side.
#[derive(Debug, Default)]
pub struct Files {
    pub files: Vec<SourceFile>,
    /// Rows that only tell of an invocation.
    pub info: Vec<(String, InvocationInfo)>,
    pub traces: Vec<NamedTrace>,
    pub problems: Vec<Problem>,
    /// For what is not read in place.
    pub(super) room: Arc<Room>,
}

impl Files {
    pub fn open(inputs: &[Input], role: Role, room: &Arc<Room>) -> Result<Self, SourceError> {
        let mut files = Self { room: Arc::clone(room), ..Self::default() };
        for input in inputs {
            match input {
                Input::Stdin => {
                    let store = Store::spool(&mut io::stdin().lock(), room)
                        .map_err(|source| SourceError::Io { path: "standard input".to_owned(), source })?;
                    files.open_store("standard input", store, role)?;
                }
                Input::Path(path) if path.is_dir() => files.open_directory(path, role)?,
                Input::Path(path) => files.open_file(path, role)?,
                Input::Spooled(Spooled { name, file }) => {
                    let failed = |source| SourceError::Io { path: name.clone(), source };
                    let file = file.try_clone().map_err(failed)?;
                    let len = file.metadata().map_err(failed)?.len();
                    files.open_store(name, Store::File { file, len }, role)?;
                }
            }
        }
        Ok(files)
    }

    /// Junk in a directory is told and passed over; a file that was named must be readable.
    fn open_directory(&mut self, directory: &Path, role: Role) -> Result<(), SourceError> {
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
            // A link to a directory may lead back up here.
            if hidden || (symlink && path.is_dir()) {
                continue;
            }
            if let Err(error) = self.open_found(&path, role) {
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

    /// Something met in a directory.
    fn open_found(&mut self, path: &Path, role: Role) -> Result<(), SourceError> {
        let name = || path.display().to_string();
        let metadata = std::fs::metadata(path).map_err(|source| SourceError::Io { path: name(), source })?;
        if metadata.is_dir() {
            self.open_directory(path, role)
        } else if metadata.is_file() {
            self.open_file(path, role)
        } else {
            // A pipe that nobody writes to would be waited for.
            Err(SourceError::Foreign {
                path: name(),
                reason: "it is a pipe, a socket or a device: name it to have it read".to_owned(),
            })
        }
    }

    fn open_file(&mut self, path: &Path, role: Role) -> Result<(), SourceError> {
        let name = path.display().to_string();
        let failed = |source| SourceError::Io { path: name.clone(), source };
        let kind = std::fs::metadata(path).map_err(failed)?.file_type();
        let store = if kind.is_file() {
            Store::open(path).map_err(failed)?
        } else {
            // A pipe can not be read at any place.
            Store::spool(&mut File::open(path).map_err(failed)?, &self.room).map_err(failed)?
        };
        self.open_store(&name, store, role)
    }

    fn open_store(&mut self, name: &str, store: Store, role: Role) -> Result<(), SourceError> {
        let io = |source| SourceError::Io { path: name.to_owned(), source };
        let format = |reason: String| SourceError::Format { path: name.to_owned(), reason };
        match Format::of(&store).map_err(io)? {
            Format::Empty => {
                self.problems.push(Problem::file(name, "it is empty", Lost::Nothing));
                Ok(())
            }
            Format::Unknown => Err(SourceError::Foreign {
                path: name.to_owned(),
                reason: "it is neither Arrow IPC nor JSON".to_owned(),
            }),
            // It may hold any journal.
            Format::Packed(by) => Err(format(format!("it is packed by {by}, which is not read: unpack it first"))),
            Format::Arrow => match Segment::open(store).map_err(|error| format(error.to_string()))? {
                Opened::Segment(segment) => {
                    self.take_segment(name, *segment).map_err(|error| format(error.to_string()))
                }
                Opened::Unusual(store) => self.take_unusual(name, &store),
            },
            Format::Json => self.take_json(name, &store, role),
        }
    }

    fn take_segment(&mut self, name: &str, mut segment: Segment) -> Result<(), ArrowError> {
        if let Some(cut) = &segment.cut {
            let last = segment.last_id();
            self.problems.push(Problem::cut(name, segment.rows(), last, &cut.to_string()));
        }
        if segment.is_info() {
            return self.take_info(name, &mut segment);
        }
        if let Some(missing) = segment.missing_column() {
            return Err(ArrowError::MissingColumn(missing));
        }
        self.files.push(SourceFile { name: name.to_owned(), segment });
        Ok(())
    }

    fn take_info(&mut self, name: &str, segment: &mut Segment) -> Result<(), ArrowError> {
        let found = segment.pieces();
        for piece in &found.pieces {
            let info = segment.info(segment.far(), piece.batch as usize, piece.row);
            self.info.push((found.text(piece), info.map_err(|error| ArrowError::Malformed(error.to_string()))?));
        }
        for broken in found.broken {
            self.problems.push(Problem::broken_batch(name, segment, broken));
        }
        Ok(())
    }
}

/// What a file holds, by its first bytes.
enum Format {
    Arrow,
    Json,
    Empty,
    /// By a program of this name.
    Packed(&'static str),
    Unknown,
}

/// What packed files begin with.
const PACKERS: [(&[u8], &str); 5] = [
    (b"\x1F\x8B", "gzip"),
    (b"\x28\xB5\x2F\xFD", "zstd"),
    (b"PK\x03\x04", "zip"),
    (b"\xFD7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
];

impl Format {
    fn of(store: &Store) -> io::Result<Self> {
        let mut head = [0; 256];
        let read = StoreReader::new(store, 0).read(&mut head)?;
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
            None if store.size() > read as u64 => Self::Json,
            None => Self::Empty,
        })
    }
}
