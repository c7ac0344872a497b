//! A service that is of another type in the candidate: service, virtual object or workflow.
//!
//! Keys, state and promises belong to a type. The server refuses the registration (META0006).
//!
//! Example: a service that became a virtual object.
//!
//! What to do: give the new type a new name, and keep the old one until no journal is of it.

use super::{Level, Rule, of_the_deployment};

pub const RULE: Rule = Rule { id: "service-type-changed", level: Level::Error, page: include_str!("service_type_changed.rs"), applies: of_the_deployment };
