//! A workflow promise of another key, or completed with something else.
//!
//! The key of a promise that is awaited, peeked at or completed is compared on replay; so is what it is completed with.
//!
//! Example: `ctx.promise("email-verified")` became `ctx.promise("verified")`; a promise resolved with another value.
//!
//! What to do: keep the recorded key and completion for what is in flight: whoever completes the promise from outside
//! still uses the old key.

use crate::journal::CommandKind;
use super::{Level, Place, Rule};

pub const RULE: Rule =
    Rule { id: "promise-changed", level: Level::Error, page: include_str!("promise_changed.rs"), applies };

fn applies(place: &Place<'_>) -> bool {
    use CommandKind::{CompletePromise, GetPromise, PeekPromise};
    matches!(place.changed_kind(), Some(GetPromise | PeekPromise | CompletePromise))
        && ["key", "completion_value", "completion_failure"].iter().any(|field| place.changes(field))
}
