//! A delayed send that would be delivered at another time.
//!
//! Not compared on replay: the recorded send has already been handed over with the recorded time. Told because one may
//! expect a changed delay to apply at once. A trace made at another time than the recording has other times even where
//! the delay is the same.
//!
//! What to do: nothing; cancel the invocation that was sent, and send again, if its time must change.

use crate::journal::CommandKind;
use super::{Level, Place, Rule};

pub const RULE: Rule =
    Rule { id: "send-delay-changed", level: Level::Note, page: include_str!("send_delay_changed.rs"), applies };

fn applies(place: &Place<'_>) -> bool {
    place.changed_kind() == Some(CommandKind::OneWayCall) && place.differs("invoke_time")
}
