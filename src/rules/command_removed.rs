//! A recorded command that the candidate no longer issues.
//!
//! Replay expects every recorded command, in order. Where a command was removed, the candidate's next command meets the
//! removed one, and the invocation is stuck (RT0016).
//!
//! Example: a `ctx.set("status", …)` deleted because nobody reads it.
//!
//! What to do: keep the step for invocations in flight (its recorded result is replayed, nothing runs again), and
//! remove it once no journal holds it; or deploy a new revision, and let the old one drain.

use crate::diff::Shape;
use super::{DivergenceView, Level, Rule};

pub const RULE: Rule =
    Rule { id: "command-removed", level: Level::Error, page: include_str!("command_removed.rs"), applies };

fn applies(view: &DivergenceView<'_>) -> bool {
    view.shape == Shape::Removed
}
