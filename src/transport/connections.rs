//! Connections to one candidate, shared by many requests: a few for HTTP/2, and for HTTP/1.1 one for each request that is
//! under way.

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;

use super::body::RequestBody;
use super::connector::Connector;
use super::failure::{HttpError, with_causes};
use super::options::HttpVersion;

/// Keeps its connections: one for HTTP/2, as many as there are requests for HTTP/1.1.
type Pool = legacy::Client<Connector, RequestBody>;

pub(super) struct Connections {
    connector: Connector,
    version: HttpVersion,
    pools: RwLock<Vec<Pool>>,
    next: AtomicUsize,
}

impl Connections {
    /// `count` is the number of HTTP/2 connections, `patience` how long a candidate that is gone is waited for.
    pub fn new(version: HttpVersion, count: usize, patience: Duration) -> Self {
        let count = match version {
            HttpVersion::Http2 => count,
            HttpVersion::Http1 => 1,
        };
        let connector = Connector::new(version, patience);
        let pools = (0..count).map(|_| pool(&connector, version)).collect();
        Self { connector, version, pools: RwLock::new(pools), next: AtomicUsize::new(0) }
    }

    pub async fn send(&self, request: Request<RequestBody>) -> Result<Response<Incoming>, HttpError> {
        loop {
            if let Some(done) = settle(self.next_pool().request(request.clone()).await) {
                return done;
            }
        }
    }

    /// Sends a request over a connection of its own, so that a candidate that breaks the connection over it loses no other
    /// request.
    pub async fn send_alone(&self, request: Request<RequestBody>) -> Result<Response<Incoming>, HttpError> {
        let alone = pool(&self.connector, self.version);
        loop {
            if let Some(done) = settle(alone.request(request.clone()).await) {
                return done;
            }
        }
    }

    /// From now on requests go over new connections, because the old ones do not answer.
    pub fn renew(&self) {
        for slot in self.pools.write().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            *slot = pool(&self.connector, self.version);
        }
    }

    /// One pool after the other.
    fn next_pool(&self) -> Pool {
        let pools = self.pools.read().unwrap_or_else(PoisonError::into_inner);
        pools[self.next.fetch_add(1, Ordering::Relaxed) % pools.len()].clone()
    }
}

fn pool(connector: &Connector, version: HttpVersion) -> Pool {
    legacy::Client::builder(TokioExecutor::new())
        .http2_only(version == HttpVersion::Http2)
        .http2_initial_stream_window_size(1 << 20)
        .http2_initial_connection_window_size(8 << 20)
        .build(connector.clone())
}

/// The connector's own error, or hyper's, out of what the pool wraps them in.
fn cause_of(error: &legacy::Error) -> Option<HttpError> {
    std::iter::successors(error.source(), |&error| error.source()).find_map(|cause| {
        let ours = cause.downcast_ref::<HttpError>().cloned();
        ours.or_else(|| cause.downcast_ref::<hyper::Error>().map(HttpError::from))
    })
}

/// What a request came to; `None` where it has to be sent once more.
fn settle(sent: Result<Response<Incoming>, legacy::Error>) -> Option<Result<Response<Incoming>, HttpError>> {
    match sent {
        Ok(response) => Some(Ok(response)),
        Err(error) => match cause_of(&error) {
            Some(cause) => Some(Err(cause)),
            // Another request was opening the connection that this one waited for, and could not. Whoever asks again
            // opens it for itself, and learns why that fails.
            None if error.is_connect() => None,
            None => Some(Err(HttpError::Connection(with_causes(&error)))),
        },
    }
}
