//! Copying journals out of a running cluster: which to read, how far the copy is, and where it goes (a file, or memory).

mod copy;
mod fetch;
mod journal_buffer;
mod listing;
mod part_file;
mod progress;
mod reader;
mod row_sink;
mod settle;
mod skip;

pub use copy::{CopySummary, copy, copy_to_temporary};
pub use fetch::{FetchedBatch, JournalFetcher};
pub use journal_buffer::FetchedJournal;
pub use part_file::{EarlierRows, RecordingFile, RecordingSubject};
pub use reader::{CopyError, Pace};
pub use row_sink::{RecordingError, RowSink};
