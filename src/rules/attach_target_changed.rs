//! An attach to, or a look at the output of, another invocation.
//!
//! The target (an invocation id, a workflow, or an idempotent request) is compared on replay.
//!
//! Example: `ctx.attach(id)` where the id now comes from another call; a workflow addressed under another key.
//!
//! What to do: attach to the recorded target for what is in flight.

use crate::journal::CommandKind;
use super::{Level, Place, Rule};

pub const RULE: Rule =
    Rule { id: "attach-target-changed", level: Level::Error, page: include_str!("attach_target_changed.rs"), applies };

fn applies(place: &Place<'_>) -> bool {
    matches!(place.changed_kind(), Some(CommandKind::AttachInvocation | CommandKind::GetInvocationOutput))
        && !place.changes_only("name")
}
