//! wip
pub mod diff;
pub mod journal;
pub mod protocol;
