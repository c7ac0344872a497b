//! A live check: replays journals on a deployment, whose SDK gives the verdict, and explains each mismatch by a trace.

mod judge;
mod manifest_check;
mod ordered;
mod subject;

pub use judge::{Live, LiveError, LiveOptions};
pub use ordered::{RunEnd, check_live, in_order};
