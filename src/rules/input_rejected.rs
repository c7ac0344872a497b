//! A recorded input that does not fit the candidate's schema, where the candidate fails while replaying.
//!
//! On replay the handler is given the recorded input again. A schema that asks for more than before refuses it before the
//! first step.
//!
//! Released binaries validate inputs. A build of your own does so with `--features json-schema`, and without it never
//! reports this rule.
//!
//! Example: a new required field in the input type.
//!
//! What to do: accept what is recorded: make new fields optional, or give them defaults.

use super::{Level, Rule, of_the_deployment};

pub const RULE: Rule = Rule { id: "input-rejected", level: Level::Error, page: include_str!("input_rejected.rs"), applies: of_the_deployment };
