//! Renderers: they write results for people and machines, one file per format, all from the same invocations and the same
//! [`Report`].
//!
//! A renderer receives every invocation in order, then the report. Renderers decide nothing.

mod accept;
mod apply;
mod audit;
mod audit_json;
mod escape;
mod findings;
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
mod style;
mod text;
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

/// Writes one output format.
pub trait Render: Send {
    /// Receives the next invocation, in order.
    fn invocation(&mut self, invocation: &Invocation, ids: &Ids, out: &mut dyn Write) -> io::Result<()>;

    /// Receives the report, once every invocation is known.
    fn finish(&mut self, report: &Report, ids: &Ids, out: &mut dyn Write) -> io::Result<()>;
}
