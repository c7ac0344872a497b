//! Why a deployment did not answer.

use std::io;
use std::time::Duration;

use http::StatusCode;

#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("{0} is no URL of a deployment: {1}")]
    Url(String, String),
    #[error("could not connect to {0}: {1}")]
    Connect(String, io::Error),
    #[error("it is gone: could not connect to {0} any more: {1}")]
    Gone(String, io::Error),
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
    /// Whether trying again may help.
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

    /// Whether it tells nothing of the request, but something of the deployment.
    pub(crate) fn is_of_the_deployment(&self) -> bool {
        self.is_passing() || matches!(self, Self::TimedOut(_))
    }
}

impl From<hyper::Error> for HttpError {
    fn from(error: hyper::Error) -> Self {
        let mut reason = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            reason = format!("{reason}: {cause}");
            source = cause.source();
        }
        Self::Connection(reason)
    }
}
