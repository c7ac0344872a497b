//! The invocation protocol: decodes bytes into messages and encodes messages into bytes, without I/O.
//!
//! The table in [`crate::journal::command`] says which fields a command has.

mod command;
mod control;
mod draws;
mod frame;
mod notification;
mod scan;
mod seed;

pub use command::{DecodeError, decode, decode_or_bare, encode};
pub use control::{AttemptError, Start, Suspension};
pub use draws::Draws;
pub use frame::{FrameReader, MessageType, OversizedFrame, put_frame};
pub use notification::{CompletionResult, Notification, NotificationId, decode_notification, encode_notification};
pub use scan::{Comparison, compare, end_of_differing_time, without_payload};
pub use seed::{default_seed, milliseconds, possible_seeds, unique_seed};
