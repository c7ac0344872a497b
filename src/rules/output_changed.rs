//! A handler that ends with another result.
//!
//! Once the output is recorded it is compared on replay like any other command: value or failure, bytes and all. It is
//! recorded just before an invocation ends, so few in-flight journals hold one; journals of completed invocations do, and
//! show what the candidate would have returned.
//!
//! Example: a new field in the returned object; a value returned where a terminal error was recorded.
//!
//! What to do: nothing, if the journal is of a completed invocation and the change is meant. Otherwise keep the recorded
//! result for what is in flight.

use crate::journal::CommandKind;
use super::{Level, Place, Rule};

pub const RULE: Rule =
    Rule { id: "output-changed", level: Level::Error, page: include_str!("output_changed.rs"), applies };

fn applies(place: &Place<'_>) -> bool {
    place.changed_kind() == Some(CommandKind::Output) && !place.changes_only("name")
}
