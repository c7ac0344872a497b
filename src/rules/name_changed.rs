//! A command other than a run with another name.
//!
//! Commands may carry a name for people to read (a named sleep, a named call). It is compared on replay all the same.
//!
//! Example: `ctx.sleep(1000, "cool down")` became `ctx.sleep(1000, "back off")`.
//!
//! What to do: keep the recorded name for what is in flight.

use super::{Level, Place, Rule};

pub const RULE: Rule =
    Rule { id: "name-changed", level: Level::Error, page: include_str!("name_changed.rs"), applies };

fn applies(place: &Place<'_>) -> bool {
    place.changed_kind().is_some() && place.changes("name")
}
