//! A read, write or clear of state under another key.
//!
//! The key of every state operation is compared on replay, of reads as well as of writes. Whether the read was answered
//! from state that came along (eager) or was fetched (lazy) does not matter.
//!
//! Example: `ctx.get("cart")` became `ctx.get("basket")`.
//!
//! What to do: read and write the recorded key for what is in flight; migrate state in a step behind the frontier, or in
//! new invocations.

use crate::journal::CommandKind;
use super::{Level, Place, Rule};

pub const RULE: Rule =
    Rule { id: "state-key-changed", level: Level::Error, page: include_str!("state_key_changed.rs"), applies };

fn applies(place: &Place<'_>) -> bool {
    use CommandKind::{ClearState, GetEagerState, GetLazyState, SetState};
    matches!(place.changed_kind(), Some(GetEagerState | GetLazyState | SetState | ClearState)) && place.changes("key")
}
