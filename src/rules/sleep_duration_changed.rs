//! A sleep with another wake-up time.
//!
//! Replay does not compare the time: the recorded wake-up time holds for invocations in flight, and the new one for new
//! invocations. This note exists because a developer may expect a changed duration to apply at once. A trace made later
//! than the recording has later wake-up times, even where the duration is the same.
//!
//! What to do: nothing. To wake up a recorded sleep earlier, restart the invocation from a point before it.

use crate::journal::CommandKind;
use super::{DivergenceView, Level, Rule};

pub const RULE: Rule =
    Rule { id: "sleep-duration-changed", level: Level::Note, page: include_str!("sleep_duration_changed.rs"), applies };

fn applies(view: &DivergenceView<'_>) -> bool {
    view.changed_kind() == Some(CommandKind::Sleep) && view.differs("wake_up_time")
}
