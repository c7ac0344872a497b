//! Journals replayed on a live deployment: the SDK's own verdict, and the trace that explains a mismatch.

mod judge;
mod manifest_check;
mod ordered;
mod subject;

pub use judge::{Live, LiveError, LiveOptions};
pub use ordered::{Ended, check_live, in_order};
