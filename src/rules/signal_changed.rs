//! A signal sent, or an awakeable completed, with another target, name or value.
//!
//! Replay compares all of them. Cancelling an invocation is a signal too.
//!
//! Example: `ctx.resolveAwakeable(id, value)` with another value; the same awakeable rejected instead of resolved.
//!
//! The id of an awakeable contains the id of the invocation that made it, so a trace of another invocation has other
//! ids.
//!
//! What to do: complete the awakeable or send the signal as recorded, for invocations in flight: it has already been
//! delivered.

use crate::journal::CommandKind;
use super::{DivergenceView, Level, Rule};

pub const RULE: Rule =
    Rule { id: "signal-changed", level: Level::Error, page: include_str!("signal_changed.rs"), applies };

fn applies(view: &DivergenceView<'_>) -> bool {
    matches!(view.changed_kind(), Some(CommandKind::SendSignal | CommandKind::CompleteAwakeable))
        && !view.changes_only("name")
}
