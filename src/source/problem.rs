//! Problem: something that could not be read, and what that costs.

use std::io;

/// Why a run stops: nothing could be read of something that was named.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("could not read {path}: {source}")]
    Io { path: String, source: io::Error },
    #[error("could not read {path}: {reason}")]
    Format { path: String, reason: String },
    /// It may be in order, but it holds no journals.
    #[error("could not read {path}: {reason}")]
    Foreign { path: String, reason: String },
}

/// Something that could not be read while the rest could.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub file: String,
    /// Row or line, counted from 1.
    pub row: Option<u64>,
    /// The invocation it belongs to, if that is known.
    pub invocation: Option<String>,
    pub reason: String,
    pub lost: Lost,
}

/// What a problem costs beyond the invocation that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lost {
    Nothing,
    /// Rows of unknown journals: there may be more than what was checked.
    Rows,
}

impl Problem {
    /// A row that cannot be read. The journal it belongs to may be known.
    pub(super) fn row(file: &str, row: u64, invocation: Option<String>, reason: impl Into<String>) -> Self {
        let lost = if invocation.is_some() { Lost::Nothing } else { Lost::Rows };
        Self { file: file.to_owned(), row: Some(row), invocation, reason: reason.into(), lost }
    }

    /// A file that cannot be read.
    pub(super) fn file(file: &str, reason: impl Into<String>, lost: Lost) -> Self {
        Self { file: file.to_owned(), row: None, invocation: None, reason: reason.into(), lost }
    }

    /// A file that cannot be read beyond this row, which belongs to `invocation`.
    pub(super) fn truncated(file: &str, rows: u64, invocation: Option<String>, reason: &str) -> Self {
        let reason = match &invocation {
            Some(_) => format!("{reason}; this, its last journal, may lack entries"),
            None => reason.to_owned(),
        };
        let row = Some(rows).filter(|rows| *rows > 0);
        Self { file: file.to_owned(), row, invocation, reason, lost: Lost::Rows }
    }

    /// A batch that begins with this row and cannot be read.
    pub(super) fn batch(file: &str, row: u64, reason: &str) -> Self {
        Self::row(file, row, None, format!("from here on a batch of rows is lost: {reason}"))
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
