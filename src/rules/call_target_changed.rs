//! A call or send to another service, handler or key.
//!
//! All three are compared on replay. The recorded request has already gone to the recorded target.
//!
//! Example: `Stock/reserve` became `Inventory/reserve`; a virtual object addressed under another key.
//!
//! What to do: keep calling the recorded target for what is in flight: keep the old handler deployed, as a forwarder if
//! need be, until no journal names it.

use crate::journal::CommandKind;
use super::{Level, Place, Rule};

pub const RULE: Rule =
    Rule { id: "call-target-changed", level: Level::Error, page: include_str!("call_target_changed.rs"), applies };

fn applies(place: &Place<'_>) -> bool {
    matches!(place.changed_kind(), Some(CommandKind::Call | CommandKind::OneWayCall))
        && ["service_name", "handler_name", "key"].iter().any(|field| place.changes(field))
}
