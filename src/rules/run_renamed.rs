//! A `ctx.run` step with another name.
//!
//! The name of a run is compared on replay. Another name is another step to the SDK, and the invocation is stuck (RT0016),
//! even though the closure would not have run again.
//!
//! Example: `ctx.run("price", …)` became `ctx.run("compute price", …)`; or the name is built from a value that changed.
//!
//! What to do: keep the old name. What happens inside of the closure may change freely: a recorded result is never
//! computed again.

use crate::journal::CommandKind;
use super::{Level, Place, Rule};

pub const RULE: Rule =
    Rule { id: "run-renamed", level: Level::Error, page: include_str!("run_renamed.rs"), applies };

fn applies(place: &Place<'_>) -> bool {
    place.changed_kind() == Some(CommandKind::Run) && place.changes("name")
}
