//! HTTP errors: why a request to a candidate got no usable answer.

use std::error::Error;
use std::time::Duration;

use http::StatusCode;

#[derive(Clone, Debug, thiserror::Error)]
pub enum HttpError {
    #[error("{0} is no URL of a deployment: {1}")]
    Url(String, String),
    #[error("could not connect to {0}: {1}")]
    Connect(String, String),
    #[error("it is gone: could not connect to {0} any more: {1}")]
    Gone(String, String),
    #[error("the connection failed: {0}")]
    Connection(String),
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    #[error("{}", describe_status(*.0))]
    Status(StatusCode),
    #[error("it answers {0}: requests are signed with {1}, and it has another key configured")]
    OtherKey(StatusCode, String),
    #[error("it answers with content type {0:?}")]
    ContentType(String),
    #[error("its answer is longer than {0} bytes")]
    TooLong(usize),
    #[error("it was given up: {0}")]
    GivenUp(String),
}

fn describe_status(status: StatusCode) -> String {
    let meaning = match status.as_u16() {
        401 | 403 => ": it has identity keys configured; sign requests with --identity-key",
        404 => ": there is no such handler there",
        415 => ": it does not speak this protocol version",
        300..=399 => ": it redirects, and journals are not sent elsewhere",
        _ => "",
    };
    format!("it answers {status}{meaning}")
}

impl HttpError {
    /// Whether the same request may succeed when it is sent again.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Connect(..) | Self::Connection(_) => true,
            Self::Status(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            Self::Url(..)
            | Self::Gone(..)
            | Self::TimedOut(_)
            | Self::OtherKey(..)
            | Self::ContentType(_)
            | Self::TooLong(_)
            | Self::GivenUp(_) => false,
        }
    }

    /// Whether the candidate is at fault rather than the request.
    pub(crate) fn is_of_the_deployment(&self) -> bool {
        self.is_passing() || matches!(self, Self::TimedOut(_))
    }
}

impl From<&hyper::Error> for HttpError {
    fn from(error: &hyper::Error) -> Self {
        Self::Connection(with_causes(error))
    }
}

impl From<hyper::Error> for HttpError {
    fn from(error: hyper::Error) -> Self {
        Self::from(&error)
    }
}

/// An error and what caused it, in one line.
pub(super) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
