//! A service that has another type in the candidate: service, virtual object or workflow.
//!
//! Keys, state and promises belong to a type. The server refuses the registration (META0006).
//!
//! Example: a service that became a virtual object.
//!
//! What to do: give the service of the new type a new name, and keep the old one until no journal names it.

use super::{Level, Rule, never_applies};

pub const RULE: Rule = Rule { id: "service-type-changed", level: Level::Error, page: include_str!("service_type_changed.rs"), applies: never_applies };
