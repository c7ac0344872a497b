//! A journal: what the server recorded of one invocation, as plain data.
//!
//! This module does no I/O, decodes no messages, and judges nothing.
//!
//! A journal is a sequence of entries: commands (what the handler asked for) and notifications (results and
//! signals). [`command`] holds the one table of each command's fields, from which decoding, equality, diff and
//! display all come.

mod bytes;
pub mod command;
mod describe;
mod entries;
mod id;
mod invocation;
mod kind;
mod trace;

pub(crate) use bytes::first_difference;
pub use command::{Command, Compared, Field, FieldKind, FieldValue};
pub use describe::describe;
pub use entries::{Entries, EntryBuffer, Position};
pub use id::{IdOrder, InvocationId};
pub use invocation::{InvocationColumn, InvocationInfo};
pub use kind::{CommandKind, EntryKind, NotificationKind};
pub use trace::{Await, Ending, Step, Trace};

/// One invocation with all of its entries, as [`crate::source`] assembles it.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    pub id: InvocationId,
    pub info: InvocationInfo,
    pub entries: EntryBuffer,
}
