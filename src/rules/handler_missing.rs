//! A journal of a handler that the candidate does not have.
//!
//! The server does not refuse such a registration (since 1.7). An invocation of the handler that is resumed on the
//! deployment finds nothing there (404), and stays stuck.
//!
//! Example: a handler renamed or removed because nobody calls it any more.
//!
//! What to do: keep the handler, under the recorded name, until no journal is of it.

use super::{Level, Rule, of_the_deployment};

pub const RULE: Rule = Rule { id: "handler-missing", level: Level::Error, page: include_str!("handler_missing.rs"), applies: of_the_deployment };
