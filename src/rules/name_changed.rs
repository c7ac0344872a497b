//! A command, other than a run, with another name.
//!
//! Commands may carry a name for people to read (a named sleep, a named call). Replay compares it as well.
//!
//! Example: `ctx.sleep(1000, "cool down")` became `ctx.sleep(1000, "back off")`.
//!
//! What to do: keep the recorded name for invocations in flight.

use super::{DivergenceView, Level, Rule};

pub const RULE: Rule =
    Rule { id: "name-changed", level: Level::Error, page: include_str!("name_changed.rs"), applies };

fn applies(view: &DivergenceView<'_>) -> bool {
    view.changed_kind().is_some() && view.changes("name")
}
