//! A call or send with other headers, idempotency key, scope or limit key.
//!
//! All of them are compared on replay; headers in their order.
//!
//! Example: a tracing header added to every call by a new interceptor; an idempotency key derived from something else.
//!
//! What to do: send the recorded options for what is in flight. Headers that vary from run to run (trace ids) must be the
//! same on replay: take them from the invocation's own input headers, not from the attempt.

use crate::journal::CommandKind;
use super::{Level, Place, Rule};

pub const RULE: Rule =
    Rule { id: "call-options-changed", level: Level::Error, page: include_str!("call_options_changed.rs"), applies };

fn applies(place: &Place<'_>) -> bool {
    matches!(place.changed_kind(), Some(CommandKind::Call | CommandKind::OneWayCall))
        && ["headers", "idempotency_key", "scope", "limit_key"].iter().any(|field| place.changes(field))
}
