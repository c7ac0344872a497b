//! Opening what was named: files, directories, standard input.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::{SpooledData, SpooledTempFile};

use super::arrow::{ArrowError, ArrowWriter, Opened, RowRef, Segment, Store, WriteError, convert};
use super::json::{Item, Row, Text, read_rows};
use super::readable::Readable;
use crate::journal::{InvocationInfo, Trace};

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file, or a directory with all that is below it.
    Path(PathBuf),
    Stdin,
}

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
            if hidden {
                continue;
            }
            if path.is_dir() {
                // A link may lead back up here.
                if !symlink {
                    self.open_directory(&path, role)?;
                }
            } else if let Err(error) = self.open_file(&path, role) {
                let reason = match error {
                    SourceError::Io { source, .. } => source.to_string(),
                    SourceError::Format { reason, .. } => reason,
                };
                self.problems.push(Problem { file: path.display().to_string(), row: None, invocation: None, reason });
            }
        }
        Ok(())
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
                self.problems.push(Problem {
                    file: name.to_owned(),
                    row: None,
                    invocation: None,
                    reason: "it is empty".to_owned(),
                });
                Ok(())
            }
            Format::Unknown => Err(format("it is neither Arrow IPC nor JSON".to_owned())),
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
        if let Some(missing) = segment.missing_column() {
            // Ids with no index: rows of sys_invocation.
            if missing != "index" {
                return Err(ArrowError::MissingColumn(missing));
            }
            let found = segment.pieces()?;
            for piece in &found.pieces {
                let info = segment
                    .info(piece.batch as usize, piece.row)
                    .map_err(|error| ArrowError::Malformed(error.to_string()))?;
                self.info.push((found.text(piece), info));
            }
            return Ok(());
        }
        if segment.truncated {
            let last = segment.last_id()?;
            let cut = match &last {
                Some(_) => "the file is cut off in the middle of a batch; this, its last journal, may lack entries",
                None => "the file is cut off before its first batch ends",
            };
            let row = Some(segment.rows()).filter(|rows| *rows > 0);
            self.problems.push(Problem { file: name.to_owned(), row, invocation: last, reason: cut.to_owned() });
        }
        self.files.push(SourceFile { name: name.to_owned(), segment });
        Ok(())
    }

    fn take_unusual(&mut self, name: &str, store: &Store) -> Result<(), SourceError> {
        let mut spool = Spool::new(name);
        let mut last = None;
        let mut rows = 0;
        let converted = convert(store, |row, info| {
            rows += 1;
            last = Some(row.id.to_owned());
            if row.index == u32::MAX && row.entry_type.is_empty() {
                self.info.push((row.id.to_owned(), info.clone()));
            } else {
                spool.push(row, info);
            }
        });
        if let Err(error) = converted {
            if rows == 0 {
                return Err(SourceError::Format { path: name.to_owned(), reason: error.to_string() });
            }
            let reason = format!(
                "the file could not be read to its end ({error}); this, the last journal read, may lack entries"
            );
            self.problems.push(Problem { file: name.to_owned(), row: Some(rows), invocation: last, reason });
        }
        self.take_spool(spool)
    }

    fn take_json(&mut self, name: &str, store: &Store, role: Role) -> Result<(), SourceError> {
        let mut spool = Spool::new(name);
        let mut taken = 0u64;
        let mut first_bad = None;
        read_rows(StoreReader { store, at: 0 }, |line, item| {
            let problem = |invocation: Option<String>, reason: String| Problem {
                file: name.to_owned(),
                row: Some(line),
                invocation,
                reason,
            };
            match item {
                Item::Bad { reason, text } => {
                    first_bad.get_or_insert_with(|| reason.clone());
                    self.problems.push(problem(find_id(text), format!("it is no JSON row: {reason}")));
                }
                Item::Row(row, text) => {
                    taken += 1;
                    let id = row.id.as_deref().map(str::to_owned);
                    if let Err(reason) = self.take_row(*row, text, role, &mut spool) {
                        self.problems.push(problem(id, reason));
                    }
                }
            }
        })
        .map_err(|source| SourceError::Io { path: name.to_owned(), source })?;
        if let (0, Some(reason)) = (taken, first_bad) {
            return Err(SourceError::Format {
                path: name.to_owned(),
                reason: format!("it is neither Arrow IPC nor JSON rows ({reason})"),
            });
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
        let raw = row.raw.as_deref().unwrap_or_default();
        let index = u32::try_from(index.0).map_err(|_| format!("index {} is too large", index.0))?;
        let version = row.version.map_or(2, |version| u32::try_from(version.0).unwrap_or(u32::MAX));
        if raw.len() % 2 == 1 {
            return Err(format!("raw has an odd number of hex digits ({})", raw.len()));
        }
        spool.push_hex(RowRef { id, index, entry_type, raw: &[], version }, raw, &info)
    }

    fn take_readable(&mut self, text: &[u8], role: Role, spool: &mut Spool) -> Result<(), String> {
        let readable: Readable =
            serde_json::from_slice(text).map_err(|error| format!("it is not in the readable form: {error}"))?;
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
                for at in 0..entries.len() {
                    let entry_type = entries.kind(at).entry_type();
                    let row =
                        RowRef { id: &id, index: at as u32, entry_type: &entry_type, raw: entries.raw(at), version: 2 };
                    spool.push(row, &info);
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
        let text = |text: &Option<Text<'_>>| {
            text.as_deref().filter(|text| !text.is_empty()).map(str::to_owned)
        };
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
}

impl Spool {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), writer: None, failed: None, hex: Vec::new() }
    }

    fn push_hex(&mut self, row: RowRef<'_>, hex: &str, info: &InvocationInfo) -> Result<(), String> {
        let mut raw = std::mem::take(&mut self.hex);
        raw.clear();
        raw.resize(hex.len() / 2, 0);
        let decoded = hex_simd::decode(hex.as_bytes(), hex_simd::Out::from_slice(&mut raw)).is_ok();
        if decoded {
            self.push(RowRef { raw: &raw, ..row }, info);
        }
        self.hex = raw;
        if decoded { Ok(()) } else { Err("raw is not hex".to_owned()) }
    }

    fn push(&mut self, row: RowRef<'_>, info: &InvocationInfo) {
        let pushed = match &mut self.writer {
            Some(writer) => writer.push(row, (row.index == 0).then_some(info)),
            None => {
                let sink = io::BufWriter::with_capacity(64 << 10, SpooledTempFile::new(IN_MEMORY));
                let created = if *info == InvocationInfo::default() {
                    ArrowWriter::new(sink)
                } else {
                    ArrowWriter::with_info(sink)
                };
                created.and_then(|writer| self.writer.insert(writer).push(row, Some(info)))
            }
        };
        if let Err(error) = pushed {
            self.failed.get_or_insert(error);
        }
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
