//! wip
pub mod check;
pub mod diff;
pub mod journal;
pub mod protocol;
pub mod report;
pub mod rules;
pub mod source;
