//! A recorded command in whose place the candidate issues a command of another kind.
//!
//! Replay finds a command of another kind at this position, and the invocation is stuck (RT0016).
//!
//! The rule also applies where two commands differ only in a completion id, and nothing before them explains the
//! difference. Then SDKs of different kinds made the recording and the trace.
//!
//! Example: a call turned into a one-way send, a state write into a state clear, a run into a call.
//!
//! What to do: keep the recorded operation for invocations in flight, in a branch that only old invocations take; or
//! deploy a new revision, and let the old one drain.

use super::{DivergenceView, Level, Rule};

pub const RULE: Rule =
    Rule { id: "command-replaced", level: Level::Error, page: include_str!("command_replaced.rs"), applies };

/// The last of the error rules: it takes every divergence that no other rule judged.
fn applies(_view: &DivergenceView<'_>) -> bool {
    true
}
