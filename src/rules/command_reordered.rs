//! A recorded command that the candidate issues at another place.
//!
//! The same command is there, but earlier or later. Replay matches by position: the first of the commands that changed
//! places is where the invocation is stuck (RT0016).
//!
//! Example: two `ctx.run` steps swapped; a call moved before a state write; a loop over a map whose order changed.
//!
//! What to do: restore the recorded order for what is in flight. If the order comes from iterating a map or a set, sort
//! it: such code is not deterministic, and gets stuck without any deploy.

use crate::diff::Shape;
use super::{Level, Place, Rule};

pub const RULE: Rule =
    Rule { id: "command-reordered", level: Level::Error, page: include_str!("command_reordered.rs"), applies };

fn applies(place: &Place<'_>) -> bool {
    place.shape == Shape::Moved
}
