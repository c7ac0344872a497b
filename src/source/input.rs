//! Opening what was named: files, directories, standard input.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::{SpooledData, SpooledTempFile};

use super::arrow::{
    ArrowError, ArrowWriter, BrokenBatch, Converted, Cut, Opened, RowRef, Segment, Store, WriteError, convert,
};
use super::json::{End, Item, Row, Text, read_rows};
use super::readable::Readable;
use crate::journal::{EntryKind, InvocationInfo, Trace};

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

/// What stops a run: nothing could be read of what was named.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("could not read {path}: {source}")]
    Io { path: String, source: io::Error },
    #[error("could not read {path}: {reason}")]
    Format { path: String, reason: String },
    /// It is well, perhaps, but no journals.
    #[error("could not read {path}: {reason}")]
    Foreign { path: String, reason: String },
}

/// Something that could not be read while the rest could.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub file: String,
    /// Row or line, counted from 1.
    pub row: Option<u64>,
    /// The invocation it belongs to, where that can be told.
    pub invocation: Option<String>,
    pub reason: String,
    pub lost: Lost,
}

/// What a problem costs beyond the invocation that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lost {
    Nothing,
    /// Rows of which nobody knows whose they are: what was checked may not be all there is.
    Rows,
}

impl Problem {
    /// A row that can not be read. Whose it is may be known.
    fn row(file: &str, row: u64, invocation: Option<String>, reason: impl Into<String>) -> Self {
        let lost = if invocation.is_some() { Lost::Nothing } else { Lost::Rows };
        Self { file: file.to_owned(), row: Some(row), invocation, reason: reason.into(), lost }
    }

    /// A file that can not be read.
    fn file(file: &str, reason: impl Into<String>, lost: Lost) -> Self {
        Self { file: file.to_owned(), row: None, invocation: None, reason: reason.into(), lost }
    }

    /// A file that can not be read behind this row, which belongs to `invocation`.
    fn cut(file: &str, rows: u64, invocation: Option<String>, reason: &str) -> Self {
        let reason = match &invocation {
            Some(_) => format!("{reason}; this, its last journal, may lack entries"),
            None => reason.to_owned(),
        };
        let row = Some(rows).filter(|rows| *rows > 0);
        Self { file: file.to_owned(), row, invocation, reason, lost: Lost::Rows }
    }

    pub(super) fn broken_batch(file: &str, segment: &Segment, broken: BrokenBatch) -> Self {
        Self::row(
            file,
            segment.row_number(broken.batch, 0),
            None,
            format!("from here on a batch of rows is lost: {}", broken.reason),
        )
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.file)?;
        if let Some(row) = self.row {
            write!(f, ", row {row}")?;
        }
        if let Some(invocation) = &self.invocation {
            write!(f, ", {invocation}")?;
        }
        write!(f, ": {}", self.reason)
    }
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
}

impl Files {
    pub fn open(inputs: &[Input], role: Role) -> Result<Self, SourceError> {
        let mut files = Self::default();
        for input in inputs {
            match input {
                Input::Stdin => {
                    let store = spool_stdin()
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
            spool(&mut File::open(path).map_err(failed)?).map_err(failed)?
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
            Format::Arrow => match Segment::open(store).map_err(|error| format(error.to_string()))? {
                Opened::Segment(segment) => {
                    self.take_segment(name, *segment).map_err(|error| format(error.to_string()))
                }
                Opened::Unusual(store) => self.take_unusual(name, &store),
            },
            Format::Json => self.take_json(name, &store, role),
        }
    }

    fn take_segment(&mut self, name: &str, segment: Segment) -> Result<(), ArrowError> {
        if let Some(cut) = &segment.cut {
            let last = segment.last_id();
            self.problems.push(Problem::cut(name, segment.rows(), last, &cut.to_string()));
        }
        if segment.is_info() {
            return self.take_info(name, &segment);
        }
        if let Some(missing) = segment.missing_column() {
            return Err(ArrowError::MissingColumn(missing));
        }
        self.files.push(SourceFile { name: name.to_owned(), segment });
        Ok(())
    }

    fn take_info(&mut self, name: &str, segment: &Segment) -> Result<(), ArrowError> {
        let found = segment.pieces();
        for piece in &found.pieces {
            let info = segment.info(piece.batch as usize, piece.row);
            self.info.push((found.text(piece), info.map_err(|error| ArrowError::Malformed(error.to_string()))?));
        }
        for broken in found.broken {
            self.problems.push(Problem::broken_batch(name, segment, broken));
        }
        Ok(())
    }

    fn take_unusual(&mut self, name: &str, store: &Store) -> Result<(), SourceError> {
        let mut spool = Spool::new(name);
        let mut last = None;
        let mut rows = 0;
        let converted = convert(store, |row, info| {
            rows += 1;
            match row {
                Ok(Converted::Entry(row)) => {
                    last = Some(row.id.to_owned());
                    self.take_entry(row, info, &mut spool);
                }
                Ok(Converted::Invocation(id)) => self.info.push((id.to_owned(), info.clone())),
                Err(bad) => self.problems.push(Problem::row(name, rows, bad.id.map(str::to_owned), bad.reason)),
            }
        });
        let cut = match converted {
            Ok(cut) => cut,
            Err(error) if rows == 0 => {
                return Err(SourceError::Format { path: name.to_owned(), reason: error.to_string() });
            }
            Err(error) => Some(Cut::Broken(error)),
        };
        if let Some(cut) = cut {
            self.problems.push(Problem::cut(name, rows, last, &cut.to_string()));
        }
        self.take_spool(spool)
    }

    /// A row on its way into the spool. Only a few rows tell of their invocation there, so what comes late is kept here.
    fn take_entry(&mut self, row: RowRef<'_>, info: &InvocationInfo, spool: &mut Spool) {
        if let Some((id, info)) = spool.push(row, info) {
            self.info.push((id, info));
        }
    }

    fn take_json(&mut self, name: &str, store: &Store, role: Role) -> Result<(), SourceError> {
        let mut spool = Spool::new(name);
        let before = self.problems.len();
        let mut taken = 0u64;
        let mut last = None;
        let mut torn_last = false;
        let mut first_bad = None;
        let end = read_rows(StoreReader { store, at: 0 }, |number, item| match item {
            Item::Bad { reason, text } => {
                torn_last = true;
                first_bad.get_or_insert_with(|| reason.clone());
                let mut problem = Problem::row(name, number, find_id(text), format!("it is no JSON row: {reason}"));
                if text.windows(5).filter(|window| *window == b"\"id\":").count() > 1 {
                    problem.lost = Lost::Rows;
                }
                self.problems.push(problem);
            }
            Item::Row(row, text) => {
                taken += 1;
                torn_last = false;
                let id = row.id.as_deref().map(str::to_owned);
                if let Err(reason) = self.take_row(*row, text, role, &mut spool) {
                    self.problems.push(Problem::row(name, number, id.clone(), reason));
                }
                last = id;
            }
        })
        .map_err(|source| SourceError::Io { path: name.to_owned(), source })?;
        if let (0, Some(reason)) = (taken, first_bad) {
            self.problems.truncate(before);
            return Err(SourceError::Foreign {
                path: name.to_owned(),
                reason: format!("it is neither Arrow IPC nor JSON rows ({reason})"),
            });
        }
        if end == End::Missing {
            match self.problems.last_mut() {
                // The row that was cut through says whose it is.
                Some(problem) if torn_last && problem.invocation.is_some() => problem.lost = Lost::Rows,
                _ => self.problems.push(Problem::cut(name, taken, last, &Cut::Off.to_string())),
            }
        }
        self.take_spool(spool)
    }

    fn take_row(&mut self, row: Row<'_>, text: &[u8], role: Role, spool: &mut Spool) -> Result<(), String> {
        if row.entries.is_some() {
            return self.take_readable(text, role, spool);
        }
        let id = row.id.as_deref().ok_or("it has no id")?;
        let info = row.info();
        let (Some(index), Some(entry_type)) = (row.index, row.entry_type.as_deref()) else {
            if row.index.is_none() && row.entry_type.is_none() && row.raw.is_none() {
                self.info.push((id.to_owned(), info));
                return Ok(());
            }
            return Err(format!("it has no {}", if row.index.is_none() { "index" } else { "entry_type" }));
        };
        let raw = row.raw.as_deref().ok_or("it has no raw")?;
        let index = u32::try_from(index.0).map_err(|_| format!("index {} is too large", index.0))?;
        let version = row.version.map_or(2, |version| u32::try_from(version.0).unwrap_or(u32::MAX));
        // Journals of version 1 have other types; they are refused by their version.
        if version > 1 && EntryKind::from_entry_type(entry_type).is_none() {
            return Err(format!("unknown entry type {entry_type:?}"));
        }
        if raw.len() % 2 == 1 {
            return Err(format!("raw has an odd number of hex digits ({})", raw.len()));
        }
        let mut bytes = std::mem::take(&mut spool.hex);
        bytes.clear();
        bytes.resize(raw.len() / 2, 0);
        let decoded = hex_simd::decode(raw.as_bytes(), hex_simd::Out::from_slice(&mut bytes)).is_ok();
        if decoded {
            self.take_entry(RowRef { id, index, entry_type, raw: &bytes, version }, &info, spool);
        }
        spool.hex = bytes;
        if decoded { Ok(()) } else { Err("raw is not hex".to_owned()) }
    }

    fn take_readable(&mut self, text: &[u8], role: Role, spool: &mut Spool) -> Result<(), String> {
        let readable: Readable =
            serde_json::from_slice(text).map_err(|error| format!("it is not in the readable form: {error}"))?;
        readable.check()?;
        match role {
            Role::Candidate => {
                if readable.id.is_none() && readable.target.is_none() {
                    return Err("a trace needs an id or a target".to_owned());
                }
                let trace = readable.trace().map_err(|error| error.to_string())?;
                self.traces.push(NamedTrace { id: readable.id, target: readable.target, trace });
            }
            Role::Recorded => {
                let id = readable.id.clone().ok_or("a recorded journal needs an id")?;
                let info = readable.info();
                let entries = readable.entries().map_err(|error| error.to_string())?;
                let entries = entries.view();
                if entries.is_empty() {
                    return Err("it has no entries".to_owned());
                }
                for at in 0..entries.len() {
                    let entry_type = entries.kind(at).entry_type();
                    let row =
                        RowRef { id: &id, index: at as u32, entry_type: &entry_type, raw: entries.raw(at), version: 2 };
                    self.take_entry(row, &info, spool);
                }
            }
        }
        Ok(())
    }

    fn take_spool(&mut self, spool: Spool) -> Result<(), SourceError> {
        let name = spool.name.clone();
        let format = |reason: String| SourceError::Format { path: name.clone(), reason };
        let Some(store) = spool.finish().map_err(|error| format(error.to_string()))? else { return Ok(()) };
        match Segment::open(store).map_err(|error| format(error.to_string()))? {
            Opened::Segment(segment) => self.files.push(SourceFile { name: name.clone(), segment: *segment }),
            Opened::Unusual(_) => return Err(format("the spool is not in the form it was written in".to_owned())),
        }
        Ok(())
    }
}

impl Row<'_> {
    fn info(&self) -> InvocationInfo {
        let text = |text: &Option<Text<'_>>| text.as_deref().filter(|text| !text.is_empty()).map(str::to_owned);
        InvocationInfo {
            target: text(&self.target),
            service: text(&self.target_service_name),
            key: text(&self.target_service_key),
            handler: text(&self.target_handler_name),
            service_type: text(&self.target_service_ty),
            deployment: text(&self.pinned_deployment_id),
            status: text(&self.status),
            protocol_version: self
                .pinned_service_protocol_version
                .and_then(|version| u32::try_from(version.0).ok())
                .filter(|version| *version != 0),
            created_at: text(&self.created_at),
        }
    }
}

/// What a file holds, by its first bytes.
enum Format {
    Arrow,
    Json,
    Empty,
    Unknown,
}

impl Format {
    fn of(store: &Store) -> io::Result<Self> {
        let mut head = [0; 256];
        let read = StoreReader { store, at: 0 }.read(&mut head)?;
        let head = &head[..read];
        if head.starts_with(b"ARROW1") || head.starts_with(&[0xFF; 4]) {
            return Ok(Self::Arrow);
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

struct StoreReader<'a> {
    store: &'a Store,
    at: u64,
}

impl Read for StoreReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.store.read_into(self.at, buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// The id in a torn row, as far as it can be made out.
fn find_id(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let after = text.split_once("\"id\"")?.1.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let (id, _) = after.split_once('"')?;
    Some(id.to_owned())
}

/// Kept in memory up to this size, on disk beyond: growing memory costs more than writing to the page cache.
const IN_MEMORY: usize = 4 << 20;

fn spool_stdin() -> io::Result<Store> {
    spool(&mut io::stdin().lock())
}

fn spool(input: &mut impl Read) -> io::Result<Store> {
    let mut file = SpooledTempFile::new(IN_MEMORY);
    io::copy(input, &mut file)?;
    file.flush()?;
    store_of(file)
}

fn store_of(file: SpooledTempFile) -> io::Result<Store> {
    Ok(match file.into_inner() {
        SpooledData::InMemory(bytes) => Store::Memory(bytes.into_inner()),
        SpooledData::OnDisk(file) => {
            let len = file.metadata()?.len();
            Store::File { file, len }
        }
    })
}

/// Rows on their way to becoming Arrow.
struct Spool {
    name: String,
    writer: Option<ArrowWriter<io::BufWriter<SpooledTempFile>>>,
    failed: Option<WriteError>,
    hex: Vec<u8>,
    keeps_info: bool,
    last_told: String,
}

impl Spool {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            writer: None,
            failed: None,
            hex: Vec::new(),
            keeps_info: false,
            last_told: String::new(),
        }
    }

    /// Gives back what it can not keep of the invocation: the file has the columns for that only if its first row
    /// tells of one.
    fn push(&mut self, row: RowRef<'_>, info: &InvocationInfo) -> Option<(String, InvocationInfo)> {
        let known = *info != InvocationInfo::default();
        let pushed = match &mut self.writer {
            Some(writer) => writer.push(row, Some(info)),
            None => {
                let sink = io::BufWriter::with_capacity(64 << 10, SpooledTempFile::new(IN_MEMORY));
                let created = if known { ArrowWriter::with_info(sink) } else { ArrowWriter::new(sink) };
                self.keeps_info = known;
                created.and_then(|writer| self.writer.insert(writer).push(row, Some(info)))
            }
        };
        if let Err(error) = pushed {
            self.failed.get_or_insert(error);
        }
        if !known || self.keeps_info || self.last_told == row.id {
            return None;
        }
        self.last_told.clear();
        self.last_told.push_str(row.id);
        Some((row.id.to_owned(), info.clone()))
    }

    fn finish(self) -> Result<Option<Store>, WriteError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let Some(writer) = self.writer else { return Ok(None) };
        let file = writer.finish()?.into_inner().map_err(|error| WriteError::from(error.into_error()))?;
        store_of(file).map(Some).map_err(WriteError::from)
    }
}
