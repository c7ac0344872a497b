//! A call or send with other headers, another idempotency key, scope or limit key.
//!
//! Replay compares all of them, and the headers in their order too.
//!
//! Example: a new interceptor adds a tracing header to every call; the idempotency key is derived from something else.
//!
//! What to do: send the recorded options for invocations in flight. Headers that vary from run to run (trace ids) must
//! be the same on replay: take them from the invocation's own input headers, not from the attempt.

use crate::journal::CommandKind;
use super::{DivergenceView, Level, Rule};

pub const RULE: Rule =
    Rule { id: "call-options-changed", level: Level::Error, page: include_str!("call_options_changed.rs"), applies };

fn applies(view: &DivergenceView<'_>) -> bool {
    matches!(view.changed_kind(), Some(CommandKind::Call | CommandKind::OneWayCall))
        && ["headers", "idempotency_key", "scope", "limit_key"].iter().any(|field| view.changes(field))
}
