//! A read, write or clear of state under another key.
//!
//! Replay compares the key of every state operation, of reads too. It makes no difference whether a read was answered
//! from the state sent with the invocation (eager) or fetched from the server (lazy).
//!
//! Example: `ctx.get("cart")` became `ctx.get("basket")`.
//!
//! What to do: read and write the recorded key for invocations in flight; migrate state in a step beyond the frontier,
//! or in new invocations.

use crate::journal::CommandKind;
use super::{DivergenceView, Level, Rule};

pub const RULE: Rule =
    Rule { id: "state-key-changed", level: Level::Error, page: include_str!("state_key_changed.rs"), applies };

fn applies(view: &DivergenceView<'_>) -> bool {
    use CommandKind::{ClearState, GetEagerState, GetLazyState, SetState};
    matches!(view.changed_kind(), Some(GetEagerState | GetLazyState | SetState | ClearState)) && view.changes("key")
}
