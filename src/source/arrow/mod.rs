//! Arrow IPC, as the admin API's `/query` streams it and as `rehearse` writes it.
//!
//! A file is not read through but read in place. One pass over its messages (`ipc`) notes where the columns of each batch
//! lie (`schema`, `index`) and which rows belong to which journal (`spans`). A worker that checks some journals reads only
//! their rows, into buffers of its own (`batch_reader`). That works for two schemas: the one that `writer` writes and the
//! one that the server sends. Whatever else arrow-rs can read is written anew by `writer`, into a spill buffer, and read
//! from there (`normalize`). Streams from a network are decoded by arrow-rs too, behind the same checks.

mod batch_reader;
mod entry_types;
mod index;
mod ipc;
mod normalize;
mod schema;
mod spans;
mod writer;

pub use batch_reader::{BatchReader, Prefetched};
pub use index::{FileIndex, OpenedArrow};
pub use ipc::{BufferedView, IpcError, Truncation};
pub use normalize::{BadRow, DecodedRow, DecodedRows, NormalizedRows, StreamDecoder, ValueColumn, decode_file};
pub use spans::{JournalSpan, JournalSpans};
pub use writer::{ArrowWriter, RowHead, RowRef, WriteError};
