//! A recorded input that does not match the candidate's schema, where the candidate fails during replay.
//!
//! On replay the handler receives the recorded input again. A schema that requires more than before rejects it before
//! the first step.
//!
//! Released binaries validate inputs. A build of your own does so with `--features json-schema`, and without it never
//! reports this rule.
//!
//! Example: a new required field in the input type.
//!
//! What to do: accept the recorded inputs: make new fields optional, or give them defaults.

use super::{Level, Rule, never_applies};

pub const RULE: Rule = Rule { id: "input-rejected", level: Level::Error, page: include_str!("input_rejected.rs"), applies: never_applies };
