//! Connections to one deployment, shared by many requests: a few for HTTP/2, one a request under way for HTTP/1.1.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::failure::HttpError;
use super::http::HttpVersion;
use super::socket::{Address, Connection};

type Body = Full<Bytes>;

pub(super) struct Connections {
    pub address: Address,
    version: HttpVersion,
    /// How long one that was there and is gone is waited for.
    patience: Duration,
    shared: Vec<tokio::sync::Mutex<Option<http2::SendRequest<Body>>>>,
    next: AtomicUsize,
    /// Those that may be between two requests.
    idle: Mutex<Vec<http1::SendRequest<Body>>>,
    presence: Mutex<Presence>,
}

/// Whether the deployment is there.
#[derive(Clone, Copy)]
enum Presence {
    NeverMet,
    Met,
    LostSince(Instant),
}

/// Between two looks for a deployment that is gone: a crashed one takes a moment to start again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

impl Connections {
    pub fn new(address: Address, version: HttpVersion, count: usize, patience: Duration) -> Self {
        Self {
            address,
            version,
            patience,
            shared: (0..count).map(|_| tokio::sync::Mutex::new(None)).collect(),
            next: AtomicUsize::new(0),
            idle: Mutex::default(),
            presence: Mutex::new(Presence::NeverMet),
        }
    }

    pub async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, HttpError> {
        match self.version {
            HttpVersion::Http2 => Ok(self.shared().await?.send_request(request).await?),
            HttpVersion::Http1 => {
                let mut sender = match self.take_idle() {
                    Some(sender) => sender,
                    None => self.open_http1().await?,
                };
                let response = sender.send_request(request).await?;
                self.idle().push(sender);
                Ok(response)
            }
        }
    }

    /// Requests from now on go over new connections: those there are do not answer.
    pub async fn renew(&self) {
        for slot in &self.shared {
            slot.lock().await.take();
        }
        self.idle().clear();
    }

    /// A connection that is still good, one slot after the other.
    async fn shared(&self) -> Result<http2::SendRequest<Body>, HttpError> {
        let mut slot = self.shared[self.next.fetch_add(1, Ordering::Relaxed) % self.shared.len()].lock().await;
        if let Some(sender) = &*slot
            && !sender.is_closed()
        {
            return Ok(sender.clone());
        }
        let io = TokioIo::new(self.connect().await?);
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(1 << 20).initial_connection_window_size(8 << 20);
        let (sender, driver) = builder.handshake(io).await?;
        tokio::spawn(driver);
        *slot = Some(sender.clone());
        Ok(sender)
    }

    async fn open_http1(&self) -> Result<http1::SendRequest<Body>, HttpError> {
        let (sender, driver) = http1::handshake(TokioIo::new(self.connect().await?)).await?;
        tokio::spawn(driver);
        Ok(sender)
    }

    /// One whose last answer was read to its end.
    fn take_idle(&self) -> Option<http1::SendRequest<Body>> {
        let mut idle = self.idle();
        idle.retain(|sender| !sender.is_closed());
        let ready = idle.iter().position(http1::SendRequest::is_ready)?;
        Some(idle.swap_remove(ready))
    }

    fn idle(&self) -> MutexGuard<'_, Vec<http1::SendRequest<Body>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A deployment that has been there may be about to come back, so it is waited for, by all requests together.
    async fn connect(&self) -> Result<Connection, HttpError> {
        loop {
            let started = Instant::now();
            match self.address.connect(self.patience).await {
                Ok(connection) => {
                    self.presence(|_| Presence::Met);
                    return Ok(connection);
                }
                Err(error) => {
                    let presence = self.presence(|presence| match presence {
                        Presence::Met => Presence::LostSince(started),
                        presence => presence,
                    });
                    match presence {
                        Presence::LostSince(since) if since.elapsed() < self.patience => {
                            tokio::time::sleep(LOOK_AGAIN).await;
                        }
                        Presence::LostSince(_) => {
                            return Err(HttpError::Gone(self.address.authority.clone(), error));
                        }
                        Presence::Met | Presence::NeverMet => {
                            return Err(HttpError::Connect(self.address.authority.clone(), error));
                        }
                    }
                }
            }
        }
    }

    fn presence(&self, change: impl FnOnce(Presence) -> Presence) -> Presence {
        let mut presence = self.presence.lock().unwrap_or_else(PoisonError::into_inner);
        *presence = change(*presence);
        *presence
    }
}
