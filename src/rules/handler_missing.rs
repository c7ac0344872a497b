//! A journal of a handler that the candidate does not have.
//!
//! The server (since 1.7) accepts the registration all the same. An invocation of the handler that is resumed on this
//! deployment gets a 404, and stays stuck.
//!
//! Example: a handler renamed, or removed because nobody calls it any more.
//!
//! What to do: keep the handler, under its recorded name, until no journal names it.

use super::{Level, Rule, never_applies};

pub const RULE: Rule = Rule { id: "handler-missing", level: Level::Error, page: include_str!("handler_missing.rs"), applies: never_applies };
