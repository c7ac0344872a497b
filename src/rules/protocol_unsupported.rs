//! A journal pinned to a service protocol version that the candidate does not speak.
//!
//! An invocation goes on with the protocol version that it began with. A deployment whose range does not hold that version
//! can not take it over: the server refuses to resume it there.
//!
//! Example: a journal of protocol 5 on an SDK that begins at 6; one of protocol 7 on an SDK that ends at 6.
//!
//! What to do: build the candidate with an SDK whose range holds the pinned version, or let the old deployment drain.

use super::{Level, Rule, of_the_deployment};

pub const RULE: Rule = Rule { id: "protocol-unsupported", level: Level::Error, page: include_str!("protocol_unsupported.rs"), applies: of_the_deployment };
