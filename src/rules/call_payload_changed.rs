//! A call or send of another payload.
//!
//! The bytes of a request's parameter are compared on replay, so any change in it, in meaning or only in notation (key
//! order, spaces, a field that is now written out), leaves the invocation stuck (RT0016). The recorded request was
//! already sent; nothing new can be sent in its place.
//!
//! Example: `{"qty":2}` became `{"qty":3}`, or `{"amount":10,"id":1}` became `{"id":1,"amount":10}`.
//!
//! What to do: keep the recorded payload for what is in flight. If the values differ from run to run (ids, times), take
//! them inside `ctx.run` or from `ctx.rand`. If only the notation differs, pin the serialiser.

use crate::journal::CommandKind;
use super::{Level, Place, Rule};

pub const RULE: Rule =
    Rule { id: "call-payload-changed", level: Level::Error, page: include_str!("call_payload_changed.rs"), applies };

fn applies(place: &Place<'_>) -> bool {
    matches!(place.changed_kind(), Some(CommandKind::Call | CommandKind::OneWayCall)) && place.changes("parameter")
}
