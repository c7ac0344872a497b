//! Arrow IPC, as the admin API's `/query` streams it and as `rehearse` writes it.
//!
//! Files are not read through but read *in*: one pass over the message headers notes where each batch's buffers lie
//! (`layout`); ids are then read to know which rows belong to which journal (`pieces`); and a worker that checks some
//! journals reads just their rows into buffers of its own (`slab`). What the fast path does not know (compressed,
//! nested, view-typed batches) goes through arrow-rs into the form that it does know ([`convert`]).

mod convert;
mod feed;
mod kinds;
mod layout;
mod message;
mod pieces;
mod reading;
mod room;
mod segment;
mod slab;
mod spool;
mod store;
mod texts;
mod write;

pub use convert::{BadRow, Converted, convert, convert_batch};
pub use feed::Feed;
pub use layout::INFO_COLUMNS;
pub use message::{ArrowError, Cut, Near};
pub use pieces::{BrokenBatch, Piece, Pieces};
pub use room::Room;
pub use segment::{Opened, Segment};
pub use slab::{Body, Slab};
pub use spool::{RowHead, Spool};
pub use store::{Scratch, Store, StoreReader};
pub use write::{ArrowWriter, RowRef, WriteError};
