//! Results as bytes for people and machines: siblings over the same invocations and the same [`Report`].
//!
//! A renderer is given every invocation in order, then the report. Nothing here decides anything.

mod escape;
mod human;
mod json;
mod show;

use std::io::{self, Write};

pub use escape::{brief, escaped, write_json};
pub use human::Human;
pub use json::{Json, JsonLines, SCHEMA_VERSION};
pub use show::{show_human, show_readable, write_trace};

use crate::report::{Invocation, Report};
use crate::source::Ids;

/// One output format.
pub trait Render {
    /// The next invocation, in order.
    fn invocation(&mut self, invocation: &Invocation, ids: &Ids, out: &mut dyn Write) -> io::Result<()>;

    /// All is known.
    fn finish(&mut self, report: &Report, ids: &Ids, out: &mut dyn Write) -> io::Result<()>;
}
