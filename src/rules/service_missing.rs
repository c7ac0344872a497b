//! A journal of a service that the candidate does not have.
//!
//! The server accepts the registration all the same. An invocation of the service that is resumed on this deployment
//! fails there, and stays stuck.
//!
//! Example: a service renamed, or not bound in the new build.
//!
//! What to do: keep the service in the candidate, under its recorded name, until no journal names it.

use super::{Level, Rule, never_applies};

pub const RULE: Rule = Rule { id: "service-missing", level: Level::Error, page: include_str!("service_missing.rs"), applies: never_applies };
