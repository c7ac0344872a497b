//! A signal sent, or an awakeable completed, with another target, name or value.
//!
//! All of it is compared on replay. Cancelling an invocation is a signal too.
//!
//! Example: `ctx.resolveAwakeable(id, value)` with another value; the same awakeable rejected instead of resolved.
//!
//! An awakeable's id contains the id of the invocation that made it: a trace of another invocation has other ids.
//!
//! What to do: complete what was recorded the way it was recorded for what is in flight: it has already been delivered.

use crate::journal::CommandKind;
use super::{Level, Place, Rule};

pub const RULE: Rule =
    Rule { id: "signal-changed", level: Level::Error, page: include_str!("signal_changed.rs"), applies };

fn applies(place: &Place<'_>) -> bool {
    matches!(place.changed_kind(), Some(CommandKind::SendSignal | CommandKind::CompleteAwakeable))
        && !place.changes_only("name")
}
