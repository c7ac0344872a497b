//! wip
pub mod check;
pub mod cli;
pub mod diff;
pub mod journal;
pub mod protocol;
pub mod render;
pub mod report;
pub mod rules;
pub mod source;
