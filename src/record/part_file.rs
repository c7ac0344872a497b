//! A recording: the Arrow file that journals are copied into. It appears only when it is whole, and an interrupted copy is
//! continued by the next run.
//!
//! Rows go to `FILE.part`. From time to time the copy makes sure that they are on disk, and `FILE.part.json` says up to
//! which byte. A finished part is renamed to `FILE`. After an interruption the next run truncates the part to that byte,
//! and learns from its rows what it need not read again.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::progress::DetachedRange;
use super::row_sink::{InfoTexts, RecordingError, RowSink};
use crate::admin::ClusterSelection;
use crate::journal::IdOrder;
use crate::platform;
use crate::source::Storage;
use crate::source::arrow::{ArrowWriter, FileIndex, OpenedArrow, RowRef};

/// What a recording is a copy of. A part is continued only if it is a copy of the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingSubject {
    pub url: String,
    /// The condition on `sys_invocation`.
    pub condition: Option<String>,
    pub limit: Option<u64>,
}

impl RecordingSubject {
    pub fn new(url: String, selected: &ClusterSelection) -> Self {
        Self { url, condition: selected.sql(), limit: selected.selection.limit }
    }
}

impl std::fmt::Display for RecordingSubject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.url)?;
        if let Some(condition) = &self.condition {
            write!(f, " where {}", condition.replace('\n', " "))?;
        }
        self.limit.map_or(Ok(()), |limit| write!(f, " limit {limit}"))
    }
}

/// The content of `FILE.part.json`.
#[derive(Debug, Serialize, Deserialize)]
struct PartFileState {
    /// The layout of the part's batches. A part with another layout is not continued.
    layout: u32,
    subject: RecordingSubject,
    /// The number of bytes of the part that are whole batches, safely on disk.
    committed: u64,
    #[serde(rename = "apart")]
    detached: Vec<DetachedRange>,
}

/// Increased whenever the batches that [`ArrowWriter`] writes change.
const LAYOUT: u32 = 2;

/// What an earlier, interrupted run has written.
#[derive(Debug, Default)]
pub struct EarlierRows {
    /// Ids of the part's runs of rows, and the number of rows in each.
    pub rows: Vec<(IdOrder, u32)>,
    /// The ranges among them that are not the beginning of their journal.
    pub detached: Vec<DetachedRange>,
}

/// Rows on their way into a file.
pub struct RecordingFile {
    writer: ArrowWriter<PartWriter>,
    /// `None` for a temporary file.
    paths: Option<PartPaths>,
}

struct PartPaths {
    target: PathBuf,
    part: PathBuf,
    state: PathBuf,
    subject: RecordingSubject,
}

struct PartWriter {
    file: BufWriter<File>,
    at: u64,
    /// Discards what is written: the Arrow writer starts with the schema, which a continued part has already.
    muted: bool,
}

impl Write for PartWriter {
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

impl RecordingFile {
    /// A temporary file without a name, which is removed when it is closed.
    pub fn temporary() -> Result<Self, RecordingError> {
        let file = tempfile::tempfile().map_err(|source| RecordingError::Io { path: std::env::temp_dir(), source })?;
        Ok(Self { writer: writer(file, 0)?, paths: None })
    }

    /// The file `target`, continuing what an earlier run has written of it.
    pub fn open(target: &Path, subject: RecordingSubject) -> Result<(Self, EarlierRows), RecordingError> {
        let beside = |ending: &str| {
            let mut name = target.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        let paths =
            PartPaths { target: target.to_owned(), part: beside(".part"), state: beside(".part.json"), subject };
        if target.is_dir() {
            return Err(RecordingError::Directory(paths.target));
        }
        let failed = |source| RecordingError::Io { path: paths.part.clone(), source };
        let (mut file, locked) = match platform::open_as_only_writer(&paths.part) {
            Ok(opened) => opened,
            Err(TryLockError::WouldBlock) => return Err(RecordingError::Busy(paths.part)),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        };
        // Some file systems have no locks.
        if let Err(error) = locked {
            tracing::debug!(%error, "not locked");
        }
        let (committed, earlier) = paths.earlier_rows()?.unwrap_or_default();
        file.set_len(committed).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok((Self { writer: writer(file, committed)?, paths: Some(paths) }, earlier))
    }

    /// Finishes the file: it gets its name. The open file is returned for those who read it next.
    pub fn finish(self) -> Result<Arc<File>, RecordingError> {
        let Self { writer, paths } = self;
        let sink = writer.finish()?;
        let path = || paths.as_ref().map_or_else(std::env::temp_dir, |paths| paths.part.clone());
        let file =
            sink.file.into_inner().map_err(|error| RecordingError::Io { path: path(), source: error.into_error() })?;
        if let Some(paths) = &paths {
            file.sync_all().map_err(|source| RecordingError::Io { path: path(), source })?;
            fs::rename(&paths.part, &paths.target)
                .map_err(|source| RecordingError::Io { path: paths.target.clone(), source })?;
            // The state means nothing without its part.
            let _ = fs::remove_file(&paths.state);
        }
        Ok(Arc::new(file))
    }
}

impl RowSink for RecordingFile {
    fn wants_info(&self, id: &str) -> bool {
        self.writer.begins(id)
    }

    fn push(&mut self, row: RowRef<'_>, info: Option<InfoTexts<'_>>) -> Result<(), RecordingError> {
        Ok(self.writer.push(row, info)?)
    }

    fn commit(&mut self, detached: impl FnOnce() -> Vec<DetachedRange>) -> Result<(), RecordingError> {
        let Some(paths) = &self.paths else { return Ok(()) };
        self.writer.flush()?;
        let sink = self.writer.sink_mut();
        let synced = sink.flush().and_then(|()| sink.file.get_ref().sync_data());
        synced.map_err(|source| RecordingError::Io { path: paths.part.clone(), source })?;
        let (committed, subject) = (sink.at, paths.subject.clone());
        paths.write_state(&PartFileState { layout: LAYOUT, subject, committed, detached: detached() })
    }
}

fn writer(file: File, at: u64) -> Result<ArrowWriter<PartWriter>, RecordingError> {
    let sink = PartWriter { file: BufWriter::with_capacity(BUFFER, file), at, muted: at > 0 };
    let mut writer = ArrowWriter::with_info(sink)?;
    writer.sink_mut().muted = false;
    Ok(writer)
}

impl PartPaths {
    /// What an earlier run left behind, if it can be continued.
    fn earlier_rows(&self) -> Result<Option<(u64, EarlierRows)>, RecordingError> {
        let Ok(text) = fs::read(&self.state) else { return Ok(None) };
        let Ok(state) = serde_json::from_slice::<PartFileState>(&text) else { return Ok(None) };
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
            tracing::warn!("{} can not be continued, and is written anew", self.part.display());
            return Ok(None);
        };
        let found = index.take_spans();
        let rows = found.spans.iter().map(|span| (span.id, span.rows)).collect();
        Ok(Some((state.committed, EarlierRows { rows, detached: state.detached })))
    }

    /// Replaces the state in one step, so that there is always a whole one.
    fn write_state(&self, state: &PartFileState) -> Result<(), RecordingError> {
        let failed = |source| RecordingError::Io { path: self.state.clone(), source };
        let mut next = self.state.clone().into_os_string();
        next.push(".next");
        let text = serde_json::to_vec(state).map_err(|error| failed(error.into()))?;
        fs::write(&next, text).map_err(failed)?;
        fs::rename(&next, &self.state).map_err(failed)
    }
}
