//! A `ctx.run` step with another name.
//!
//! Replay compares the name of a run. To the SDK another name is another step, and the invocation is stuck (RT0016),
//! even though the closure would not have run again.
//!
//! Example: `ctx.run("price", …)` became `ctx.run("compute price", …)`; or the name is built from a value that changed.
//!
//! What to do: keep the recorded name. The code inside the closure may change freely: a recorded result is never
//! computed again.

use crate::journal::CommandKind;
use super::{DivergenceView, Level, Rule};

pub const RULE: Rule =
    Rule { id: "run-renamed", level: Level::Error, page: include_str!("run_renamed.rs"), applies };

fn applies(view: &DivergenceView<'_>) -> bool {
    view.changed_kind() == Some(CommandKind::Run) && view.changes("name")
}
