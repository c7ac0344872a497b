//! A handler that ends with another result.
//!
//! Once the output is recorded, replay compares it like any other command, byte for byte, whether it is a value or a
//! failure. The output is recorded just before an invocation ends, so few journals in flight hold one. Journals of
//! completed invocations do hold one, and this finding then shows what the candidate would have returned.
//!
//! Example: a new field in the returned object; a value returned where a terminal error was recorded.
//!
//! What to do: nothing, if the invocation has completed and the change is intended. Otherwise keep the recorded result
//! for invocations in flight.

use crate::journal::CommandKind;
use super::{DivergenceView, Level, Rule};

pub const RULE: Rule =
    Rule { id: "output-changed", level: Level::Error, page: include_str!("output_changed.rs"), applies };

fn applies(view: &DivergenceView<'_>) -> bool {
    view.changed_kind() == Some(CommandKind::Output) && !view.changes_only("name")
}
