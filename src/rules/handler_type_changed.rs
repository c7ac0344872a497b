//! A handler that is shared in the candidate, and writes state in the journal.
//!
//! Shared handlers run concurrently and cannot write state; exclusive ones can. The server accepts the change, and an
//! invocation in flight would fail at its next state write.
//!
//! Example: a virtual object's handler made shared to raise its throughput.
//!
//! What to do: keep the handler exclusive until the invocations in flight have ended; give the shared one another name.

use super::{Level, Rule, never_applies};

pub const RULE: Rule = Rule { id: "handler-type-changed", level: Level::Error, page: include_str!("handler_type_changed.rs"), applies: never_applies };
