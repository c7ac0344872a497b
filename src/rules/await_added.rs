//! An await on something that had not completed, where the recorded run went on.
//!
//! The journal holds commands after this point, so the recorded run did not wait here. The candidate does wait, and the
//! journal holds no result that would wake it up. SDKs report that an `await` could not be replayed (RT0016).
//!
//! Some SDKs raise no error: every version of the Java SDK's own state machine up to 2.8, and old versions of other
//! SDKs. They suspend instead, which looks healthy from outside. If the candidate awaits a run, it stays suspended for
//! good, because no run executes during replay. Otherwise it stays suspended until the awaited operation completes;
//! then replay goes on, and may still end in RT0016.
//!
//! Example: a sleep, call or run that the recorded run started and awaited only later is now awaited at once;
//! `Promise.race` became `Promise.all`.
//!
//! What to do: await where the recorded run awaited, for invocations in flight.

use crate::diff::Shape;
use super::{DivergenceView, Level, Rule};

pub const RULE: Rule =
    Rule { id: "await-added", level: Level::Error, page: include_str!("await_added.rs"), applies };

fn applies(view: &DivergenceView<'_>) -> bool {
    view.shape == Shape::Awaited
}
