//! The runtime's side of the conversation with a candidate, without I/O: what to send, and what the answer means.
//!
//! [`tripwire`] gets the SDK's own verdict; [`trace`] gets the candidate's whole step trace, to explain it. Neither
//! lets a `ctx.run` closure run: in the first the SDK never leaves replay, in the second every result is there
//! already.

mod answer;
mod request;
pub mod trace;
pub mod tripwire;

pub use answer::{Answer, AnswerReader, Ended, Listen};
pub use request::Attempt;
pub use trace::Tracer;
pub use tripwire::{Outcome, Tripwire};

/// Which SDK answers, as its `x-restate-server` header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sdk {
    TypeScript,
    Python,
    Rust,
    Go,
    Java,
    Ruby,
    Unknown,
}

impl Sdk {
    /// Reads `restate-sdk-typescript/1.17.2`.
    pub fn of(header: &str) -> Self {
        let name = header.split('/').next().unwrap_or_default();
        match name.strip_prefix("restate-sdk-").unwrap_or(name) {
            "typescript" => Self::TypeScript,
            "python" => Self::Python,
            "rust" => Self::Rust,
            "go" => Self::Go,
            "java" | "kotlin" => Self::Java,
            "ruby" => Self::Ruby,
            _ => Self::Unknown,
        }
    }

    /// Whether a handler may skip replay on its own account, so that every id it could ask for needs a fence.
    fn may_skip_replay(self) -> bool {
        matches!(self, Self::Python | Self::Unknown)
    }

    /// Whether tracing is known to run nothing: what a fence is for this SDK has been tried.
    pub fn can_be_traced(self) -> bool {
        self != Self::Unknown
    }
}
