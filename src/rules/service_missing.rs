//! A journal of a service that the candidate does not have.
//!
//! The server does not refuse such a registration. An invocation of the service that is resumed on the deployment finds
//! nothing there, and stays stuck.
//!
//! Example: a service renamed, or not bound in the new build.
//!
//! What to do: keep the service in the candidate, under the recorded name, until no journal is of it.

use super::{Level, Rule, of_the_deployment};

pub const RULE: Rule = Rule { id: "service-missing", level: Level::Error, page: include_str!("service_missing.rs"), applies: of_the_deployment };
