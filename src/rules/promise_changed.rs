//! A workflow promise with another key, or completed with another value.
//!
//! Replay compares the key of a promise that the handler awaits, peeks at or completes, and the value or failure that
//! it completes the promise with.
//!
//! Example: `ctx.promise("email-verified")` became `ctx.promise("verified")`; a promise resolved with another value.
//!
//! What to do: keep the recorded key and completion for invocations in flight: whoever completes the promise from
//! outside still uses the old key.

use crate::journal::CommandKind;
use super::{DivergenceView, Level, Rule};

pub const RULE: Rule =
    Rule { id: "promise-changed", level: Level::Error, page: include_str!("promise_changed.rs"), applies };

fn applies(view: &DivergenceView<'_>) -> bool {
    use CommandKind::{CompletePromise, GetPromise, PeekPromise};
    matches!(view.changed_kind(), Some(GetPromise | PeekPromise | CompletePromise))
        && ["key", "completion_value", "completion_failure"].iter().any(|field| view.changes(field))
}
