//! Results as bytes for people and machines: siblings over the same invocations and the same [`Report`].
//!
//! A renderer is given every invocation in order, then the report. Nothing here decides anything.

mod accept;
mod apply;
mod audit;
mod audit_json;
mod escape;
mod github;
mod gitlab;
mod html;
mod human;
mod json;
mod junit;
mod markdown;
mod sarif;
mod show;
mod source;
mod words;

use std::io::{self, Write};

pub use accept::Accept;
pub use apply::{write_actions, write_apply_summary, write_intent, write_repoint, write_turn};
pub use audit::{AuditDetail, ago, write_audit};
pub use audit_json::{AUDIT_SCHEMA_VERSION, write_audit_json};
pub use escape::{brief, escaped, write_json};
pub use github::GitHub;
pub use gitlab::GitLab;
pub use html::Html;
pub use human::Human;
pub use json::{Json, JsonLines, SCHEMA_VERSION};
pub use junit::JUnit;
pub use markdown::Markdown;
pub use sarif::Sarif;
pub use show::{show_human, show_readable, write_trace};
pub use source::SourceFiles;

use crate::report::{Invocation, Report};
use crate::source::Ids;

/// One output format.
pub trait Render: Send {
    /// The next invocation, in order.
    fn invocation(&mut self, invocation: &Invocation, ids: &Ids, out: &mut dyn Write) -> io::Result<()>;

    /// All is known.
    fn finish(&mut self, report: &Report, ids: &Ids, out: &mut dyn Write) -> io::Result<()>;
}
