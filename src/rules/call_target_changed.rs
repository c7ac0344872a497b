//! A call or send to another service, handler or key.
//!
//! Replay compares all three. The recorded request has already gone to the recorded target.
//!
//! Example: `Stock/reserve` became `Inventory/reserve`; a virtual object is addressed under another key.
//!
//! What to do: keep calling the recorded target for invocations in flight: keep the old handler deployed, as a
//! forwarder if need be, until no journal names it.

use crate::journal::CommandKind;
use super::{DivergenceView, Level, Rule};

pub const RULE: Rule =
    Rule { id: "call-target-changed", level: Level::Error, page: include_str!("call_target_changed.rs"), applies };

fn applies(view: &DivergenceView<'_>) -> bool {
    matches!(view.changed_kind(), Some(CommandKind::Call | CommandKind::OneWayCall))
        && ["service_name", "handler_name", "key"].iter().any(|field| view.changes(field))
}
