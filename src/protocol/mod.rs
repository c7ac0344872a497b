//! Bytes to messages and back, without I/O: the fields of commands and notifications, driven by the table in
//! [`crate::journal::command`].

mod command;
mod notification;
mod scan;

pub use command::{DecodeError, decode, encode};
pub use notification::{Notification, NotificationId, Outcome, decode_notification, encode_notification};
pub use scan::same_unless_uncompared;
