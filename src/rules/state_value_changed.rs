//! A state write with another value.
//!
//! Replay compares the bytes of the written value. A value that is computed differently, serialised differently (key
//! order, a new field, number formatting), or not deterministic leaves the invocation stuck (RT0016).
//!
//! Example: `ctx.set("cart", cart)` where `cart` got a new field; a timestamp taken outside of `ctx.run`.
//!
//! What to do: write the recorded value for invocations in flight. Read clocks, random numbers and anything else from
//! outside inside `ctx.run` (or with `ctx.rand`, `ctx.date`). If only the notation differs, pin the serialiser.

use crate::journal::CommandKind;
use super::{DivergenceView, Level, Rule};

pub const RULE: Rule =
    Rule { id: "state-value-changed", level: Level::Error, page: include_str!("state_value_changed.rs"), applies };

fn applies(view: &DivergenceView<'_>) -> bool {
    view.changed_kind() == Some(CommandKind::SetState) && view.changes("value")
}
