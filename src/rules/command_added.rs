//! A command that was not recorded.
//!
//! The candidate issues a command where the journal holds another one: a command was inserted before the frontier.
//! Replay matches commands by position. The inserted command meets the recorded command that should come after it, and
//! the invocation is stuck there (RT0016). Every recorded result after that point would answer the wrong command.
//!
//! Example: `ctx.run("audit", …)` inserted between two recorded steps.
//!
//! What to do: put the new step after the last recorded command of the invocations in flight, or into a branch that
//! only new invocations take (by a version in the input or in state); or deploy the code as a new revision, and let the
//! old one drain.

use crate::diff::Shape;
use super::{DivergenceView, Level, Rule};

pub const RULE: Rule =
    Rule { id: "command-added", level: Level::Error, page: include_str!("command_added.rs"), applies };

fn applies(view: &DivergenceView<'_>) -> bool {
    view.shape == Shape::Added
}
