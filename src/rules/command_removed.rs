//! A recorded command that the candidate does not issue any more.
//!
//! Replay expects every recorded command, in order. Where one was dropped, the candidate's next command meets the one
//! that was removed, and the invocation is stuck (RT0016).
//!
//! Example: a `ctx.set("status", …)` deleted because nobody reads it.
//!
//! What to do: keep the step for what is in flight (its recorded result is replayed, nothing runs again), and remove it
//! once no journal holds it; or deploy a new revision and let the old one drain.

use crate::diff::Shape;
use super::{Level, Place, Rule};

pub const RULE: Rule =
    Rule { id: "command-removed", level: Level::Error, page: include_str!("command_removed.rs"), applies };

fn applies(place: &Place<'_>) -> bool {
    place.shape == Shape::Removed
}
