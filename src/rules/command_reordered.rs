//! A recorded command that the candidate issues at another position.
//!
//! The candidate issues the same command, but earlier or later. Replay matches commands by position: the invocation is
//! stuck (RT0016) at the first command that moved.
//!
//! Example: two `ctx.run` steps swapped; a call moved before a state write; a loop over a map whose order changed.
//!
//! What to do: restore the recorded order for invocations in flight. If the order comes from iterating over a map or a
//! set, sort it: such code is not deterministic, and gets stuck even without a deploy.

use crate::diff::Shape;
use super::{DivergenceView, Level, Rule};

pub const RULE: Rule =
    Rule { id: "command-reordered", level: Level::Error, page: include_str!("command_reordered.rs"), applies };

fn applies(view: &DivergenceView<'_>) -> bool {
    view.shape == Shape::Moved
}
