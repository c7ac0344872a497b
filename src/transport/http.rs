//! Endpoint: a candidate that is reached over HTTP, with many requests at once. It speaks HTTP/2, or HTTP/1.1.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Frame, Incoming};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::body::RequestBody;
use super::connections::Connections;
use super::failure::HttpError;
use super::invoke::{Invoke, header};
use super::options::{HttpVersion, Transport};
use crate::replay::{Answer, AnswerReader, Listen};

const DEFAULT_CONNECTIONS: usize = 2;

/// How long a candidate that was there and is gone is waited for, at most.
const PATIENCE: Duration = Duration::from_secs(10);

const TRIES: u32 = 3;

/// After this many requests in a row without an answer, no request is tried twice any more.
const HOPELESS: usize = 8;
/// After this many, no request is sent any more.
const GIVEN_UP: usize = 64;

/// The longest page that is read, in bytes.
const LONGEST_PAGE: usize = 16 << 20;

/// The address of a candidate, with its connections.
pub struct Endpoint {
    base: Url,
    transport: Transport,
    connections: Connections,
    /// Second tries are made one at a time, so that a request which brings the candidate down does not spoil the last try
    /// of another.
    again: tokio::sync::Mutex<()>,
    /// The number of requests in a row that got no answer.
    unanswered: AtomicUsize,
    given_up: OnceLock<String>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// Page: the whole answer to a GET request, as discovery makes it.
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
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad(format!("scheme {} is neither http nor https", url.scheme())));
        }
        let count = if transport.connections == 0 { DEFAULT_CONNECTIONS } else { transport.connections };
        let patience = PATIENCE.min(transport.timeout() / 2);
        let connections = Connections::new(transport.version, count, patience);
        let (again, unanswered, given_up) = (tokio::sync::Mutex::default(), AtomicUsize::new(0), OnceLock::new());
        Ok(Self { base: url, transport, connections, again, unanswered, given_up })
    }

    pub fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    pub fn version(&self) -> HttpVersion {
        self.transport.version
    }

    /// The time at which a request that is sent now has to be answered.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.timeout()
    }

    /// `GET {base}/{path}`.
    pub async fn get(&self, path: &str, accept: &str) -> Result<Page, HttpError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, header(accept)?);
        let page = async || {
            let request = self.request(Method::GET, path, headers.clone(), Bytes::new())?;
            let response = self.connections.send(request).await?;
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

    /// One attempt: posts a whole body, and reads the answer until it is decided.
    pub async fn attempt(&self, target: &Invoke<'_>, body: Bytes, listen: Listen) -> Result<Answer, HttpError> {
        self.attempt_until(self.deadline(), target, body, listen).await
    }

    /// One attempt, given up at the deadline.
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
                    self.connections.renew();
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
        let request = self.request(Method::POST, &target.path(), target.headers()?, body)?;
        // A traced candidate may break the connection that it is traced over.
        let response = match listen {
            Listen::ForTheEnd => self.connections.send(request).await?,
            Listen::ForCommands => self.connections.send_alone(request).await?,
        };
        self.expect_ok(response.status())?;
        target.check_content_type(response.headers())?;
        let mut reader = AnswerReader::new(listen);
        let mut incoming = response.into_body();
        while let Some(frame) = next_frame(&mut incoming, listen).await {
            if let Some(data) = frame?.data_ref()
                && reader.feed(data)
            {
                // The rest is not needed. Dropping the body resets the stream.
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

    /// Tries again after failures that may pass, until the deadline.
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

    fn request(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Request<RequestBody>, HttpError> {
        let full = format!("{}{path}", self.base.path().trim_end_matches('/'));
        // Without the user and password that a URL may have: those are no part of a request's target.
        let host = self.base.host_str().unwrap_or_default();
        let port = self.base.port().map(|port| format!(":{port}")).unwrap_or_default();
        let uri = format!("{}://{host}{port}{full}", self.base.scheme());
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .body(RequestBody::new(body, self.version() == HttpVersion::Http1));
        let mut request = request.map_err(|error| HttpError::Connection(error.to_string()))?;
        *request.headers_mut() = headers;
        request.headers_mut().extend(self.transport.headers.clone());
        if let Some(identity) = &self.transport.identity {
            identity.sign(&full, request.headers_mut());
        }
        Ok(request)
    }
}

/// Waits for the next frame of an answer; `None` is its end. A candidate that is traced has every result at hand. When it
/// falls silent it waits for the fence behind its recorded commands (some SDKs go on waiting if other results are awaited
/// along with it), and sends nothing more.
async fn next_frame(incoming: &mut Incoming, listen: Listen) -> Option<Result<Frame<Bytes>, hyper::Error>> {
    match listen {
        Listen::ForTheEnd => incoming.frame().await,
        Listen::ForCommands => tokio::time::timeout(SILENCE, incoming.frame()).await.unwrap_or(None),
    }
}

/// A traced candidate that sends nothing for this long has taken its last step.
const SILENCE: Duration = Duration::from_millis(800);
