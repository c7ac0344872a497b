//! A journal pinned to a service protocol version that the candidate does not speak.
//!
//! An invocation keeps the protocol version that it started with. A deployment that does not support this version
//! cannot take the invocation over: the server refuses to resume it there.
//!
//! Example: a journal of protocol version 5 and an SDK that starts at 6; a journal of version 7 and an SDK that ends at
//! 6.
//!
//! What to do: build the candidate with an SDK that supports the pinned version, or let the old deployment drain.

use super::{Level, Rule, never_applies};

pub const RULE: Rule = Rule { id: "protocol-unsupported", level: Level::Error, page: include_str!("protocol_unsupported.rs"), applies: never_applies };
