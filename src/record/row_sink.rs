//! A row sink: where the rows of a copy go. There are two, a part file and memory.

use std::io;
use std::path::PathBuf;

use super::progress::DetachedRange;
use crate::journal::InvocationColumn;
use crate::source::arrow::{RowRef, WriteError};

/// The texts of all columns of an invocation, in the order of [`InvocationColumn::ALL`].
pub type InfoTexts<'a> = [&'a str; InvocationColumn::ALL.len()];

/// Why rows could not be written.
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

/// Where the rows of a copy go.
///
/// Each row of a journal comes once, but not always in order: a later part of a journal may come before its beginning.
pub trait RowSink {
    /// Whether the next row of this journal must come with the texts of its invocation.
    fn wants_info(&self, id: &str) -> bool;

    /// Adds a row, with the texts of its invocation where [`Self::wants_info`] asked for them.
    fn push(&mut self, row: RowRef<'_>, info: Option<InfoTexts<'_>>) -> Result<(), RecordingError>;

    /// Makes sure that what was pushed survives an interruption, where the sink can be continued later. `detached` gives
    /// the ranges of journals that are here while what precedes them is not.
    fn commit(&mut self, detached: impl FnOnce() -> Vec<DetachedRange>) -> Result<(), RecordingError>;
}
