//! A sleep that would wake up at another time.
//!
//! Not compared on replay: the recorded wake-up time stands for what is in flight, the new one is for new invocations.
//! Told because one may expect a changed duration to apply at once. A trace made at another time than the recording has
//! other wake-up times even where the duration is the same.
//!
//! What to do: nothing. To wake up a recorded sleep earlier, restart the invocation from before it.

use crate::journal::CommandKind;
use super::{Level, Place, Rule};

pub const RULE: Rule =
    Rule { id: "sleep-duration-changed", level: Level::Note, page: include_str!("sleep_duration_changed.rs"), applies };

fn applies(place: &Place<'_>) -> bool {
    place.changed_kind() == Some(CommandKind::Sleep) && place.differs("wake_up_time")
}
