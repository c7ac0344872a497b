//! An attach, or a read of an invocation's output, with another target.
//!
//! Replay compares the target: an invocation id, a workflow, or an idempotent request.
//!
//! Example: `ctx.attach(id)` where the id now comes from another call; a workflow addressed under another key.
//!
//! What to do: attach to the recorded target for invocations in flight.

use crate::journal::CommandKind;
use super::{DivergenceView, Level, Rule};

pub const RULE: Rule =
    Rule { id: "attach-target-changed", level: Level::Error, page: include_str!("attach_target_changed.rs"), applies };

fn applies(view: &DivergenceView<'_>) -> bool {
    matches!(view.changed_kind(), Some(CommandKind::AttachInvocation | CommandKind::GetInvocationOutput))
        && !view.changes_only("name")
}
