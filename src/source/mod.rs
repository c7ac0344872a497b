//! Sources: where journals come from. They are Arrow IPC, rows as JSON, or the readable form, told apart by their content
//! and not by their extension.
//!
//! Everything becomes Arrow that is read in place (what is not is written anew, into a spill buffer), so that rows become
//! journals in one way only, in memory that does not grow with the files. An [`Input`] is opened (`open`, `contents`), the
//! spans of its journals are indexed (`index`), and workers load the rows of some journals (`load`) and assemble them
//! (`assemble`).

pub mod arrow;
mod assemble;
mod contents;
mod handlers;
mod ids;
mod index;
mod journals;
mod json;
mod load;
mod open;
mod problem;
pub mod readable;
mod spill;
mod storage;

pub use assemble::{INCOMPLETE, Loaded, Loader};
pub use ids::Ids;
pub use index::{Corpus, SpanRange, open};
pub use journals::Journals;
pub use open::{CopiedJournals, Input};
pub use problem::{Lost, Problem, SourceError};
pub use storage::Storage;
