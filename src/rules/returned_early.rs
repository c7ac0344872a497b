//! A handler that returns, or fails for good, before the recorded commands end.
//!
//! The journal goes on with further commands where the candidate ends. Replay finds the output in the place of a
//! recorded command, and the invocation is stuck (RT0016).
//!
//! Example: a guard `if (!order.valid) return` added at the top; a terminal error thrown earlier than before.
//!
//! What to do: let invocations in flight run on to where they were: put the new exit beyond the frontier, or into a
//! branch that only new invocations take.

use crate::diff::Shape;
use super::{DivergenceView, Level, Rule};

pub const RULE: Rule =
    Rule { id: "returned-early", level: Level::Error, page: include_str!("returned_early.rs"), applies };

fn applies(view: &DivergenceView<'_>) -> bool {
    view.shape == Shape::ReturnedEarly
}
