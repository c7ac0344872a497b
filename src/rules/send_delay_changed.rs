//! A delayed send with another delivery time.
//!
//! Replay does not compare the time: the server has already accepted the recorded send with the recorded time. This
//! note exists because a developer may expect a changed delay to apply at once. A trace made later than the recording
//! has later times, even where the delay is the same.
//!
//! What to do: nothing. To change the delivery time, cancel the invocation that was sent, and send again.

use crate::journal::CommandKind;
use super::{DivergenceView, Level, Rule};

pub const RULE: Rule =
    Rule { id: "send-delay-changed", level: Level::Note, page: include_str!("send_delay_changed.rs"), applies };

fn applies(view: &DivergenceView<'_>) -> bool {
    view.changed_kind() == Some(CommandKind::OneWayCall) && view.differs("invoke_time")
}
