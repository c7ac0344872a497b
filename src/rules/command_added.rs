//! A command that was not recorded.
//!
//! The candidate issues a command where the journal has another one: something was inserted before the frontier. Replay
//! matches commands by position, so the first one that is new meets the recorded one that should come later, and the
//! invocation is stuck (RT0016) from there on. Every recorded result after it would answer the wrong command.
//!
//! Example: `ctx.run("audit", …)` inserted between two recorded steps.
//!
//! What to do: put the new step behind what is in flight (after the last recorded command), or behind a branch that only
//! new invocations take (a version in the input or in state); or deploy it as a new revision, and let the old one drain.

use crate::diff::Shape;
use super::{Level, Place, Rule};

pub const RULE: Rule =
    Rule { id: "command-added", level: Level::Error, page: include_str!("command_added.rs"), applies };

fn applies(place: &Place<'_>) -> bool {
    place.shape == Shape::Added
}
