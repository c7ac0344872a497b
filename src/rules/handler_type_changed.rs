//! A handler that is shared in the candidate, and writes state in the journal.
//!
//! Shared handlers run beside each other and can not write state; exclusive ones can. The server does not refuse the change,
//! and an invocation in flight would break where it next writes.
//!
//! Example: a virtual object's handler made shared for the sake of throughput.
//!
//! What to do: keep the handler exclusive until what is in flight has ended; give the shared one another name.

use super::{Level, Rule, of_the_deployment};

pub const RULE: Rule = Rule { id: "handler-type-changed", level: Level::Error, page: include_str!("handler_type_changed.rs"), applies: of_the_deployment };
