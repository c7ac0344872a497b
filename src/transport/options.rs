//! Transport options: how requests to a candidate are made, as the flags of the command line set it.

use std::time::Duration;

use http::HeaderMap;

use super::identity::Identity;

/// The version of HTTP that a candidate is spoken to in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpVersion {
    /// Without TLS, by prior knowledge (h2c).
    #[default]
    Http2,
    Http1,
}

/// How requests to a candidate are made.
#[derive(Debug, Default)]
pub struct Transport {
    pub version: HttpVersion,
    /// These headers go along with every request.
    pub headers: HeaderMap,
    /// The key that every request is signed with.
    pub identity: Option<Identity>,
    /// The time for one request, from its first byte to its last, with all its tries. 30 seconds by default.
    pub timeout: Option<Duration>,
    /// The number of HTTP/2 connections. 0 stands for the default.
    pub connections: usize,
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

impl Transport {
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(DEFAULT_TIMEOUT)
    }
}
