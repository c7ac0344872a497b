//! Copying journals out of a running cluster: what to read, how far it is, and the file they go to.

mod copy;
mod fetch;
mod listing;
mod part_file;
mod progress;

pub use copy::{Copied, CopyError, Pace, copy};
pub use fetch::{JournalsError, fetch};
pub use part_file::{Begun, Recording, RecordingError, Subject};
