//! A handler that returns, or fails for good, where more is recorded.
//!
//! The candidate ends where the journal goes on with further commands: replay finds the output in the place of a recorded
//! command, and the invocation is stuck (RT0016).
//!
//! Example: a guard `if (!order.valid) return` added at the top; a terminal error thrown earlier than before.
//!
//! What to do: let what is in flight run on to where it was: put the new exit behind the frontier, or behind a branch
//! that only new invocations take.

use crate::diff::Shape;
use super::{Level, Place, Rule};

pub const RULE: Rule =
    Rule { id: "returned-early", level: Level::Error, page: include_str!("returned_early.rs"), applies };

fn applies(place: &Place<'_>) -> bool {
    place.shape == Shape::ReturnedEarly
}
