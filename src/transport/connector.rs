//! Connector: opens connections to one candidate, plain or under TLS, and waits for a candidate that was there and is gone.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use tower_service::Service;

use super::failure::HttpError;
use super::options::HttpVersion;
use super::tcp::{QuickAck, TcpConnector};
use super::tls::{tls_config_for, tls_hint};

/// Clones share what is known of the candidate.
#[derive(Clone)]
pub(super) struct Connector(Arc<Shared>);

struct Shared {
    https: HttpsConnector<TcpConnector>,
    version: HttpVersion,
    /// The time that one try may take, and that a candidate which is gone is waited for.
    patience: Duration,
    presence: Mutex<Presence>,
}

/// Whether the candidate is there.
#[derive(Clone, Copy)]
enum Presence {
    NeverMet,
    Met,
    LostSince(Instant),
}

/// The pause between two tries to reach a candidate that is gone: a crashed one takes a moment to start again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

type Stream = MaybeHttpsStream<TokioIo<QuickAck>>;

impl Connector {
    pub fn new(version: HttpVersion, patience: Duration) -> Self {
        let https = HttpsConnector::from((TcpConnector, tls_config_for(version)));
        Self(Arc::new(Shared { https, version, patience, presence: Mutex::new(Presence::NeverMet) }))
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, HttpError>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), HttpError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let shared = Arc::clone(&self.0);
        Box::pin(async move { shared.connect(uri).await })
    }
}

impl Shared {
    /// A candidate that was there may be about to come back, so all requests together wait for it.
    async fn connect(&self, uri: Uri) -> Result<Stream, HttpError> {
        loop {
            let started = Instant::now();
            let reason = match self.try_once(uri.clone()).await {
                Ok(stream) => {
                    self.presence(|_| Presence::Met);
                    return Ok(stream);
                }
                Err(reason) => reason,
            };
            let presence = self.presence(|presence| match presence {
                Presence::Met => Presence::LostSince(started),
                presence => presence,
            });
            let authority = || uri.authority().map(ToString::to_string).unwrap_or_default();
            match presence {
                Presence::LostSince(since) if since.elapsed() < self.patience => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                Presence::LostSince(_) => return Err(HttpError::Gone(authority(), reason)),
                Presence::Met | Presence::NeverMet => return Err(HttpError::Connect(authority(), reason)),
            }
        }
    }

    /// One try; the error is the reason, as text.
    async fn try_once(&self, uri: Uri) -> Result<Stream, String> {
        let connecting = self.https.clone().call(uri);
        let stream = match tokio::time::timeout(self.patience, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(tls_hint(&*error).map_or_else(|| error.to_string(), str::to_owned)),
            Err(_) => return Err("timed out".to_owned()),
        };
        // A server that does not know ALPN accepts the connection, and then expects HTTP/1.1.
        if let MaybeHttpsStream::Https(tls) = &stream
            && self.version == HttpVersion::Http2
            && tls.inner().get_ref().1.alpn_protocol().is_none()
        {
            return Err("it does not speak HTTP/2 over TLS (--http1.1 speaks HTTP/1.1)".to_owned());
        }
        Ok(stream)
    }

    fn presence(&self, change: impl FnOnce(Presence) -> Presence) -> Presence {
        let mut presence = self.presence.lock().unwrap_or_else(PoisonError::into_inner);
        *presence = change(*presence);
        *presence
    }
}
