//! A recorded command in whose place the candidate issues another kind of command.
//!
//! Example: a call turned into a one-way send, a state write into a state clear, a run into a call. Replay finds a
//! command of another type at this position, and the invocation is stuck (RT0016).
//!
//! Also reported where two commands differ in nothing but a completion id with nothing before it that explains the
//! shift: recording and trace were then not made by the same kind of SDK.
//!
//! What to do: keep the recorded operation for what is in flight, behind a branch that only old invocations take; or
//! deploy a new revision and let the old one drain.

use super::{Level, Place, Rule};

pub const RULE: Rule =
    Rule { id: "command-replaced", level: Level::Error, page: include_str!("command_replaced.rs"), applies };

/// The last of the rules for errors: whatever no other one judged.
fn applies(_place: &Place<'_>) -> bool {
    true
}
