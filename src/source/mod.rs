//! Where journals come from: Arrow IPC, rows as JSON, the readable form; told by content, not by extension.
//!
//! Everything becomes Arrow that is read in place (rows as JSON through a spool in memory or on disk), so that there
//! is one way in which rows become journals (`corpus`), in memory that does not grow with the files.

pub mod arrow;
mod corpus;
mod handlers;
mod ids;
mod input;
mod journals;
mod json;
mod loader;
mod plain_row;
mod problem;
pub mod readable;
mod rows;

pub use corpus::{Corpus, Task, open};
pub use ids::Ids;
pub use input::{Input, Spooled};
pub use journals::Journals;
pub use loader::{INCOMPLETE, Loaded, Loader};
pub use problem::{Lost, Problem, SourceError};
