//! The file that journals are copied into: never looking whole while it is not, and gone on with after an interruption.
//!
//! Rows go to `FILE.part`; every now and then it is made sure that they are on disk, and `FILE.part.json` says up to
//! which byte. Once all is there the part gets the name `FILE`. Whatever happens in between, the next run cuts the part
//! off at that byte and knows from its rows what is not to be read again.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::progress::Stretch;
use crate::journal::IdOrder;
use crate::source::Storage;
use crate::source::arrow::{ArrowWriter, FileIndex, INFO_COLUMNS, OpenedArrow, RowRef, WriteError};

#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    #[error("could not write {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Rows(#[from] WriteError),
    #[error("{} is a directory", .0.display())]
    Directory(PathBuf),
    #[error("{} is being written by another rehearse", .0.display())]
    Busy(PathBuf),
    #[error(
        "{} is an unfinished recording of {theirs}, this would be one of {ours}: finish that one, remove it, or name another file",
        part.display()
    )]
    Other { part: PathBuf, theirs: String, ours: String },
}

/// What a recording is of: only the same is gone on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    pub url: String,
    /// The condition on `sys_invocation`.
    pub condition: Option<String>,
    pub limit: Option<u64>,
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.url)?;
        if let Some(condition) = &self.condition {
            write!(f, " where {}", condition.replace('\n', " "))?;
        }
        self.limit.map_or(Ok(()), |limit| write!(f, " limit {limit}"))
    }
}

/// `FILE.part.json`.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    /// The layout of its batches: another is not gone on with.
    layout: u32,
    subject: Subject,
    /// So many bytes of the part are batches of rows.
    committed: u64,
    apart: Vec<Stretch>,
}

/// Counted up whenever [`ArrowWriter`] writes another.
const LAYOUT: u32 = 2;

/// What is in a part already.
#[derive(Debug, Default)]
pub struct Begun {
    /// Journals, in stretches, with how many rows of each.
    pub rows: Vec<(IdOrder, u32)>,
    /// Those of them that are no beginning.
    pub apart: Vec<Stretch>,
}

/// Rows on their way into a file.
pub struct Recording {
    writer: ArrowWriter<Sink>,
    kept: Option<Kept>,
}

struct Kept {
    target: PathBuf,
    part: PathBuf,
    state: PathBuf,
    subject: Subject,
}

struct Sink {
    file: BufWriter<File>,
    at: u64,
    /// The schema is there already, and the writer writes it all the same.
    muted: bool,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.muted {
            return Ok(bytes.len());
        }
        let written = self.file.write(bytes)?;
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

const BUFFER: usize = 256 << 10;

impl Recording {
    /// Into a file without a name, which is gone with the process.
    pub fn temporary() -> Result<Self, RecordingError> {
        let file = tempfile::tempfile().map_err(|source| RecordingError::Io { path: std::env::temp_dir(), source })?;
        Ok(Self { writer: writer(file, 0)?, kept: None })
    }

    /// Into `target`, going on with what was begun.
    pub fn open(target: &Path, subject: Subject) -> Result<(Self, Begun), RecordingError> {
        let beside = |ending: &str| {
            let mut name = target.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        let kept = Kept { target: target.to_owned(), part: beside(".part"), state: beside(".part.json"), subject };
        if target.is_dir() {
            return Err(RecordingError::Directory(kept.target));
        }
        let failed = |source| RecordingError::Io { path: kept.part.clone(), source };
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(&kept.part).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(RecordingError::Busy(kept.part)),
            // Not every file system has locks.
            Err(TryLockError::Error(error)) => tracing::debug!(%error, "not locked"),
        }
        let (committed, begun) = kept.begun()?.unwrap_or_default();
        file.set_len(committed).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok((Self { writer: writer(file, committed)?, kept: Some(kept) }, begun))
    }

    /// Adds a row, with the texts of [`INFO_COLUMNS`] where it [`Self::begins`] a journal.
    pub fn push(&mut self, row: RowRef<'_>, info: Option<[&str; INFO_COLUMNS.len()]>) -> Result<(), RecordingError> {
        Ok(self.writer.push(row, info)?)
    }

    /// Whether the next row needs what is known of its invocation.
    pub fn begins(&self, id: &str) -> bool {
        self.writer.begins(id)
    }

    /// Whether it stays, and so is worth committing.
    pub fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Makes sure that what was pushed is there after whatever happens.
    pub fn commit(&mut self, apart: Vec<Stretch>) -> Result<(), RecordingError> {
        self.writer.flush()?;
        let Some(kept) = &self.kept else { return Ok(()) };
        let sink = self.writer.sink_mut();
        let synced = sink.flush().and_then(|()| sink.file.get_ref().sync_data());
        synced.map_err(|source| RecordingError::Io { path: kept.part.clone(), source })?;
        kept.write_state(&State { layout: LAYOUT, subject: kept.subject.clone(), committed: sink.at, apart })
    }

    /// All is there: the file gets its name, or is handed out to be read.
    pub fn finish(self) -> Result<Arc<File>, RecordingError> {
        let Self { writer, kept } = self;
        let sink = writer.finish()?;
        let path = || kept.as_ref().map_or_else(std::env::temp_dir, |kept| kept.part.clone());
        let file =
            sink.file.into_inner().map_err(|error| RecordingError::Io { path: path(), source: error.into_error() })?;
        if let Some(kept) = &kept {
            file.sync_all().map_err(|source| RecordingError::Io { path: path(), source })?;
            fs::rename(&kept.part, &kept.target)
                .map_err(|source| RecordingError::Io { path: kept.target.clone(), source })?;
            // Without its part it means nothing.
            let _ = fs::remove_file(&kept.state);
        }
        Ok(Arc::new(file))
    }
}

fn writer(file: File, at: u64) -> Result<ArrowWriter<Sink>, RecordingError> {
    let sink = Sink { file: BufWriter::with_capacity(BUFFER, file), at, muted: at > 0 };
    let mut writer = ArrowWriter::with_info(sink)?;
    writer.sink_mut().muted = false;
    Ok(writer)
}

impl Kept {
    /// What an earlier run left behind, if that can be gone on with.
    fn begun(&self) -> Result<Option<(u64, Begun)>, RecordingError> {
        let Ok(text) = fs::read(&self.state) else { return Ok(None) };
        let Ok(state) = serde_json::from_slice::<State>(&text) else { return Ok(None) };
        let failed = |source| RecordingError::Io { path: self.part.clone(), source };
        let len = fs::metadata(&self.part).map_err(failed)?.len();
        if state.layout != LAYOUT || state.committed == 0 || len < state.committed {
            return Ok(None);
        }
        if state.subject != self.subject {
            return Err(RecordingError::Other {
                part: self.part.clone(),
                theirs: state.subject.to_string(),
                ours: self.subject.to_string(),
            });
        }
        let file = File::open(&self.part).map_err(failed)?;
        let Ok(OpenedArrow::Indexed(mut index)) = FileIndex::open(Storage::File { file, len: state.committed }) else {
            tracing::warn!("{} can not be gone on with, and is begun anew", self.part.display());
            return Ok(None);
        };
        let found = index.take_spans();
        let rows = found.spans.iter().map(|span| (span.id, span.rows)).collect();
        Ok(Some((state.committed, Begun { rows, apart: state.apart })))
    }

    /// In one step, so that there is always one state or the other.
    fn write_state(&self, state: &State) -> Result<(), RecordingError> {
        let failed = |source| RecordingError::Io { path: self.state.clone(), source };
        let mut next = self.state.clone().into_os_string();
        next.push(".next");
        let text = serde_json::to_vec(state).map_err(|error| failed(error.into()))?;
        fs::write(&next, text).map_err(failed)?;
        fs::rename(&next, &self.state).map_err(failed)
    }
}
