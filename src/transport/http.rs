//! One deployment over HTTP: many requests at once; h2c by prior knowledge, HTTP/2 over TLS, or HTTP/1.1.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HOST};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Frame, Incoming};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::connections::Connections;
pub use super::failure::HttpError;
use super::identity::Identity;
use super::invoke::{Invoke, header};
use super::socket::Address;
use crate::replay::{Answer, AnswerReader, Listen};

/// How a deployment is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpVersion {
    #[default]
    Http2,
    Http1,
}

/// Flags of the transport.
#[derive(Debug, Default)]
pub struct Transport {
    pub version: HttpVersion,
    pub headers: HeaderMap,
    pub identity: Option<Identity>,
    /// For one request, from its first byte to its last, with all its tries.
    pub timeout: Option<Duration>,
    pub connections: usize,
}

impl Transport {
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(DEFAULT_TIMEOUT)
    }
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_CONNECTIONS: usize = 2;

/// How long a deployment that was there is waited for when it is gone.
const PATIENCE: Duration = Duration::from_secs(10);

const TRIES: u32 = 3;

/// After so many requests in a row without an answer, nothing is tried twice any more; and then nothing at all.
const HOPELESS: usize = 8;
const GIVEN_UP: usize = 64;

/// A manifest longer than this is none.
const LONGEST_PAGE: usize = 16 << 20;

/// A deployment's address with its connections.
pub struct Endpoint {
    base: Url,
    transport: Transport,
    connections: Connections,
    /// Second tries are made one at a time: where a request brings the deployment down, it brings down no other's last try.
    again: tokio::sync::Mutex<()>,
    /// Requests in a row that got no answer.
    unanswered: AtomicUsize,
    given_up: OnceLock<String>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// A whole answer that is not an attempt's: discovery's.
#[derive(Debug)]
pub struct Page {
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Endpoint {
    pub fn new(base: &str, transport: Transport) -> Result<Self, HttpError> {
        let bad = |reason: String| HttpError::Url(base.to_owned(), reason);
        let url = Url::parse(base).map_err(|error| bad(error.to_string()))?;
        if url.host_str().is_none() {
            return Err(bad("it names no host".to_owned()));
        }
        let address = Address::of(&url, transport.version)
            .ok_or_else(|| bad(format!("scheme {} is neither http nor https", url.scheme())))?;
        let count = if transport.connections == 0 { DEFAULT_CONNECTIONS } else { transport.connections };
        let patience = PATIENCE.min(transport.timeout() / 2);
        let connections = Connections::new(address, transport.version, count, patience);
        let (again, unanswered, given_up) = (tokio::sync::Mutex::default(), AtomicUsize::new(0), OnceLock::new());
        Ok(Self { base: url, transport, connections, again, unanswered, given_up })
    }

    pub fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    pub fn version(&self) -> HttpVersion {
        self.transport.version
    }

    /// When what begins now has to have its answer.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.timeout()
    }

    /// `GET {base}/{path}`.
    pub async fn get(&self, path: &str, accept: &str) -> Result<Page, HttpError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, header(accept)?);
        let page = async || {
            let response = self.send(Method::GET, path, headers.clone(), Bytes::new()).await?;
            self.expect_ok(response.status())?;
            let (head, body) = response.into_parts();
            match Limited::new(body, LONGEST_PAGE).collect().await {
                Ok(body) => Ok(Page { headers: head.headers, body: body.to_bytes() }),
                Err(error) if error.is::<LengthLimitError>() => Err(HttpError::TooLong(LONGEST_PAGE)),
                Err(error) => Err(match error.downcast::<hyper::Error>() {
                    Ok(error) => (*error).into(),
                    Err(error) => HttpError::Connection(error.to_string()),
                }),
            }
        };
        self.with_tries(self.deadline(), page).await
    }

    /// One attempt: posts a whole body, and reads the answer until it is known.
    pub async fn attempt(&self, target: &Invoke<'_>, body: Bytes, listen: Listen) -> Result<Answer, HttpError> {
        self.attempt_until(self.deadline(), target, body, listen).await
    }

    /// One attempt that has to be over by then.
    pub async fn attempt_until(
        &self,
        deadline: Instant,
        target: &Invoke<'_>,
        body: Bytes,
        listen: Listen,
    ) -> Result<Answer, HttpError> {
        if let Some(reason) = self.given_up.get() {
            return Err(HttpError::GivenUp(reason.clone()));
        }
        let answer = self.with_tries(deadline, async || self.attempt_once(target, body.clone(), listen).await).await;
        match &answer {
            Err(error @ HttpError::Gone(..)) => drop(self.given_up.set(error.to_string())),
            Err(error) if error.is_of_the_deployment() => {
                if matches!(error, HttpError::TimedOut(_)) {
                    self.connections.renew().await;
                }
                if self.unanswered.fetch_add(1, Ordering::Relaxed) + 1 == GIVEN_UP {
                    let reason = format!("{GIVEN_UP} requests in a row had no answer, the last one because {error}");
                    let _ = self.given_up.set(reason);
                }
            }
            _ => self.unanswered.store(0, Ordering::Relaxed),
        }
        answer
    }

    async fn attempt_once(&self, target: &Invoke<'_>, body: Bytes, listen: Listen) -> Result<Answer, HttpError> {
        let response = self.send(Method::POST, &target.path(), target.headers()?, body).await?;
        self.expect_ok(response.status())?;
        target.check_content_type(response.headers())?;
        let mut reader = AnswerReader::new(listen);
        let mut incoming = response.into_body();
        while let Some(frame) = next_frame(&mut incoming, listen).await {
            if let Some(data) = frame?.data_ref()
                && reader.feed(data)
            {
                // What is left is not wanted: dropping the body resets the stream.
                break;
            }
        }
        Ok(reader.finish())
    }

    fn expect_ok(&self, status: StatusCode) -> Result<(), HttpError> {
        match (status, &self.transport.identity) {
            (StatusCode::OK, _) => Ok(()),
            (StatusCode::UNAUTHORIZED, Some(identity)) => {
                Err(HttpError::OtherKey(status, identity.public_id().to_owned()))
            }
            _ => Err(HttpError::Status(status)),
        }
    }

    fn timeout(&self) -> Duration {
        self.transport.timeout()
    }

    /// Tries again what may pass, until the deadline.
    async fn with_tries<T>(
        &self,
        deadline: Instant,
        mut go: impl AsyncFnMut() -> Result<T, HttpError>,
    ) -> Result<T, HttpError> {
        let tries = async {
            let mut done = go().await;
            for tried in 1..TRIES {
                match &done {
                    Err(error) if error.is_passing() && self.unanswered.load(Ordering::Relaxed) < HOPELESS => {
                        tracing::debug!(%error, tried, "trying again");
                    }
                    _ => break,
                }
                tokio::time::sleep(Duration::from_millis(100) * 4u32.pow(tried - 1)).await;
                let _alone = self.again.lock().await;
                done = go().await;
            }
            done
        };
        timeout_at(deadline, tries).await.unwrap_or_else(|_| Err(HttpError::TimedOut(self.timeout())))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>, HttpError> {
        let full = format!("{}{path}", self.base.path().trim_end_matches('/'));
        let authority = &self.connections.address.authority;
        let uri = match self.transport.version {
            HttpVersion::Http2 => format!("{}://{authority}{full}", self.base.scheme()),
            HttpVersion::Http1 => full.clone(),
        };
        let request = Request::builder().method(method).uri(uri).body(Full::new(body));
        let mut request = request.map_err(|error| HttpError::Connection(error.to_string()))?;
        *request.headers_mut() = headers;
        request.headers_mut().extend(self.transport.headers.clone());
        if self.transport.version == HttpVersion::Http1 && !request.headers().contains_key(HOST) {
            request.headers_mut().insert(HOST, header(authority)?);
        }
        if let Some(identity) = &self.transport.identity {
            identity.sign(&full, request.headers_mut());
        }
        self.connections.send(request).await
    }
}

/// Waits for more of an answer. A candidate that is traced has every result at hand: when it falls silent it is stuck on
/// a fence (some SDKs wait on, if others are awaited along with it), and nothing more will come.
async fn next_frame(incoming: &mut Incoming, listen: Listen) -> Option<Result<Frame<Bytes>, hyper::Error>> {
    match listen {
        Listen::ForTheEnd => incoming.frame().await,
        Listen::ForCommands => tokio::time::timeout(SILENCE, incoming.frame()).await.unwrap_or(None),
    }
}

const SILENCE: Duration = Duration::from_millis(800);
