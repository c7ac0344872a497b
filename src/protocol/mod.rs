//! Bytes to messages and back, without I/O: the fields of commands and notifications, driven by the table in
//! [`crate::journal::command`].

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
pub use scan::{Comparison, behind_time, compare, without_payload};
pub use seed::{default_seed, milliseconds, possible_seeds, unique_seed};
