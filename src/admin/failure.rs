//! An admin API failure: why a request was not answered, and whether the same request may succeed a little later.

use std::time::Duration;

use http::StatusCode;

/// The oldest server version whose journals and events have the columns that are read.
pub const OLDEST: &str = "1.5";

#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("{url} is not the URL of an admin API: {reason}")]
    Url { url: String, reason: String },
    #[error("could not start HTTP: {0}")]
    Client(String),
    #[error("could not reach the admin API at {url}: {reason}")]
    Unreachable { url: String, reason: String },
    #[error("the admin API at {url} refuses access ({status}): give a token with --token")]
    Unauthorized { url: String, status: StatusCode },
    #[error("{url} is not the admin API of a Restate server: {reason}")]
    NotRestate { url: String, reason: String },
    #[error("the server at {url} is Restate {version}; {OLDEST} is the oldest that can be read from")]
    TooOld { url: String, version: String },
    #[error("the server refuses the query: {message}")]
    Query { message: String },
    #[error("{request}: the server answers {status}{}", and_says(.message))]
    Refused { request: String, status: StatusCode, message: String },
    #[error("{request}: nothing comes from the server for {} s", .after.as_secs())]
    Silent { request: String, after: Duration },
    #[error("{request}: the answer was cut off: {reason}")]
    Cut { request: String, reason: String },
    #[error("{request}: the answer is not understood: {reason}")]
    Malformed { request: String, reason: String },
    #[error("{request}: the answer is larger than {} MiB", .limit >> 20)]
    TooLarge { request: String, limit: usize },
}

fn and_says(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

impl AdminError {
    /// The status that the server refused the request with.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } | Self::Unauthorized { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the same request may succeed a little later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Silent { .. } | Self::Cut { .. } => true,
            Self::Refused { status, .. } => matches!(status.as_u16(), 408 | 429 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// Whether the request failed before the server can have received it.
    pub fn is_before_sending(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}
