//! A failure: the error that ends a run without a verdict, and the exit status of a run.

use crate::admin::AdminError;
use crate::check::live::LiveError;
use crate::operate::LogError;
use crate::record::CopyError;
use crate::source::SourceError;

/// The error that ends a run without a verdict.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("{0}")]
    Usage(String),
    #[error("{file}: {reason}")]
    Policy { file: String, reason: String },
    #[error("interrupted; what was done until then is reported")]
    Interrupted,
    #[error("interrupted before {0}")]
    InterruptedBefore(&'static str),
    #[error("could not write {to}: {source}")]
    Output { to: String, source: std::io::Error },
    #[error(transparent)]
    Live(Box<LiveError>),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("{0}")]
    Stopped(String),
    #[error(transparent)]
    Copy(#[from] CopyError),
    #[error("could not start {0} threads: {1}")]
    Threads(u16, rayon::ThreadPoolBuildError),
}

/// The exit status of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Compatible = 0,
    Mismatch = 1,
    /// The job could not be done.
    Undone = 2,
    Undecided = 3,
}
