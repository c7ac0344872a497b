//! A state write of another value.
//!
//! The bytes of what is written to state are compared on replay. A value that is computed otherwise, serialised otherwise
//! (key order, a new field, number formatting), or not deterministic leaves the invocation stuck (RT0016).
//!
//! Example: `ctx.set("cart", cart)` where `cart` got a field; a timestamp taken outside of `ctx.run`.
//!
//! What to do: write the recorded value for what is in flight. Take clocks, random numbers and anything read from outside
//! inside `ctx.run` (or `ctx.rand`, `ctx.date`). If only the notation differs, pin the serialiser.

use crate::journal::CommandKind;
use super::{Level, Place, Rule};

pub const RULE: Rule =
    Rule { id: "state-value-changed", level: Level::Error, page: include_str!("state_value_changed.rs"), applies };

fn applies(place: &Place<'_>) -> bool {
    place.changed_kind() == Some(CommandKind::SetState) && place.changes("value")
}
