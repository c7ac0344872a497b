//! A call or send with another payload.
//!
//! Replay compares the bytes of the request's parameter. Any change leaves the invocation stuck (RT0016), whether the
//! meaning changed or only the notation (key order, spaces, a field that is now written out). The recorded request was
//! already sent; nothing new can be sent in its place.
//!
//! Example: `{"qty":2}` became `{"qty":3}`, or `{"amount":10,"id":1}` became `{"id":1,"amount":10}`.
//!
//! What to do: keep the recorded payload for invocations in flight. If the values differ from run to run (ids, times),
//! create them inside `ctx.run` or with `ctx.rand`. If only the notation differs, pin the serialiser.

use crate::journal::CommandKind;
use super::{DivergenceView, Level, Rule};

pub const RULE: Rule =
    Rule { id: "call-payload-changed", level: Level::Error, page: include_str!("call_payload_changed.rs"), applies };

fn applies(view: &DivergenceView<'_>) -> bool {
    matches!(view.changed_kind(), Some(CommandKind::Call | CommandKind::OneWayCall)) && view.changes("parameter")
}
