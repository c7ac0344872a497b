//! One deployment over HTTP: a few connections, many requests at once; h2c by prior knowledge, HTTP/2 over TLS, or
//! HTTP/1.1.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use url::Url;

use super::identity::Identity;
use super::invoke::{Invoke, header};
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
    /// For one request, from its first byte to its last.
    pub timeout: Option<Duration>,
    pub connections: usize,
}

impl Transport {
    pub(super) fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(DEFAULT_TIMEOUT)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("{0} is no URL of a deployment: {1}")]
    Url(String, String),
    #[error("could not connect to {0}: {1}")]
    Connect(String, io::Error),
    #[error("the connection failed: {0}")]
    Connection(String),
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    #[error("{}", describe_status(*.0))]
    Status(StatusCode),
    #[error("it answers with content type {0:?}")]
    ContentType(String),
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
    fn is_passing(&self) -> bool {
        match self {
            Self::Connect(..) | Self::Connection(_) => true,
            Self::Status(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            Self::Url(..) | Self::TimedOut(_) | Self::ContentType(_) => false,
        }
    }
}

/// A deployment's address with its connections.
pub struct Endpoint {
    base: Url,
    transport: Transport,
    slots: Vec<Mutex<Option<Sender>>>,
    next: AtomicUsize,
    tls: Option<TlsConnector>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

const TRIES: u32 = 3;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_CONNECTIONS: usize = 2;

#[derive(Clone, Debug)]
enum Sender {
    Http2(hyper::client::conn::http2::SendRequest<Full<Bytes>>),
    /// One request at a time: a connection each.
    Http1,
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
        let tls = match url.scheme() {
            "http" => None,
            "https" => Some(connector(transport.version)),
            other => return Err(bad(format!("scheme {other} is neither http nor https"))),
        };
        let connections = if transport.connections == 0 { DEFAULT_CONNECTIONS } else { transport.connections };
        let slots = (0..connections).map(|_| Mutex::new(None)).collect();
        Ok(Self { base: url, transport, slots, next: AtomicUsize::new(0), tls })
    }

    pub fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// `GET {base}/{path}`.
    pub async fn get(&self, path: &str, accept: &str) -> Result<Page, HttpError> {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::ACCEPT, header(accept)?);
        let limit = self.timeout();
        self.with_tries(async || {
            let response = self.send(Method::GET, path, headers.clone(), Bytes::new()).await?;
            if response.status() != StatusCode::OK {
                return Err(HttpError::Status(response.status()));
            }
            let headers = response.headers().clone();
            let body = response.into_body().collect();
            let body = tokio::time::timeout(limit, body).await.map_err(|_| HttpError::TimedOut(limit))?;
            Ok(Page { headers, body: body.map_err(connection)?.to_bytes() })
        })
        .await
    }

    /// One attempt: posts a whole body, and reads the answer until it is known.
    pub async fn attempt(&self, target: &Invoke<'_>, body: Bytes, listen: Listen) -> Result<Answer, HttpError> {
        let limit = self.timeout();
        self.with_tries(async || {
            let attempt = self.attempt_once(target, body.clone(), listen);
            tokio::time::timeout(limit, attempt).await.map_err(|_| HttpError::TimedOut(limit))?
        })
        .await
    }

    async fn attempt_once(&self, target: &Invoke<'_>, body: Bytes, listen: Listen) -> Result<Answer, HttpError> {
        let response = self.send(Method::POST, &target.path(), target.headers()?, body).await?;
        if response.status() != StatusCode::OK {
            return Err(HttpError::Status(response.status()));
        }
        target.check_content_type(response.headers())?;
        let mut reader = AnswerReader::new(listen);
        let mut incoming = response.into_body();
        while let Some(frame) = next_frame(&mut incoming, listen).await {
            if let Some(data) = frame.map_err(connection)?.data_ref()
                && reader.feed(data)
            {
                // What is left is not wanted: dropping the body resets the stream.
                break;
            }
        }
        Ok(reader.finish())
    }

    fn timeout(&self) -> Duration {
        self.transport.timeout()
    }

    async fn with_tries<T>(&self, mut go: impl AsyncFnMut() -> Result<T, HttpError>) -> Result<T, HttpError> {
        let mut tries = 1;
        loop {
            match go().await {
                Err(error) if error.is_passing() && tries < TRIES => {
                    tracing::debug!(%error, tries, "trying again");
                    tokio::time::sleep(Duration::from_millis(100) * 4u32.pow(tries - 1)).await;
                    tries += 1;
                }
                done => return done,
            }
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<http::Response<Incoming>, HttpError> {
        let full = format!("{}{path}", self.base.path().trim_end_matches('/'));
        let authority = self.authority();
        let uri = match self.transport.version {
            HttpVersion::Http2 => format!("{}://{authority}{full}", self.base.scheme()),
            HttpVersion::Http1 => full.clone(),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .body(Full::new(body))
            .map_err(|error| HttpError::Connection(error.to_string()))?;
        request.headers_mut().extend(headers);
        request.headers_mut().extend(self.transport.headers.clone());
        if self.transport.version == HttpVersion::Http1
            && let Ok(host) = HeaderValue::from_str(&authority)
        {
            request.headers_mut().insert(http::header::HOST, host);
        }
        if let Some(identity) = &self.transport.identity {
            identity.sign(&full, request.headers_mut());
        }
        match self.sender().await? {
            Sender::Http2(mut sender) => sender.send_request(request).await.map_err(connection),
            Sender::Http1 => {
                let io = self.connect().await?;
                let (mut sender, driver) =
                    hyper::client::conn::http1::handshake(TokioIo::new(io)).await.map_err(connection)?;
                tokio::spawn(driver);
                sender.send_request(request).await.map_err(connection)
            }
        }
    }

    fn authority(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        self.base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// A connection that is still good, one slot after the other.
    async fn sender(&self) -> Result<Sender, HttpError> {
        if self.transport.version == HttpVersion::Http1 {
            return Ok(Sender::Http1);
        }
        let slot = &self.slots[self.next.fetch_add(1, Ordering::Relaxed) % self.slots.len()];
        let mut slot = slot.lock().await;
        if let Some(Sender::Http2(sender)) = &*slot
            && !sender.is_closed()
        {
            return Ok(Sender::Http2(sender.clone()));
        }
        let io = TokioIo::new(self.connect().await?);
        let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(1 << 20).initial_connection_window_size(8 << 20);
        let (sender, driver) = builder.handshake(io).await.map_err(connection)?;
        tokio::spawn(driver);
        *slot = Some(Sender::Http2(sender.clone()));
        Ok(Sender::Http2(sender))
    }

    async fn connect(&self) -> Result<Connection, HttpError> {
        let failed = |error| HttpError::Connect(self.authority(), error);
        let host = self.base.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = self.base.port_or_known_default().unwrap_or(9080);
        let connected = tokio::time::timeout(Duration::from_secs(10), TcpStream::connect((host.as_str(), port)));
        let stream = connected.await.map_err(|_| failed(io::ErrorKind::TimedOut.into()))?.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let stream = QuickAck(stream);
        let Some(tls) = &self.tls else { return Ok(Connection::Plain(stream)) };
        let name = ServerName::try_from(host).map_err(|error| failed(io::Error::other(error)))?;
        Ok(Connection::Tls(Box::new(tls.connect(name, stream).await.map_err(failed)?)))
    }
}

/// Waits for more of an answer. A candidate that is traced has every result at hand: when it falls silent it is stuck on
/// a fence (some SDKs wait on, if others are awaited along with it), and nothing more will come.
async fn next_frame(
    incoming: &mut Incoming,
    listen: Listen,
) -> Option<Result<hyper::body::Frame<Bytes>, hyper::Error>> {
    match listen {
        Listen::ForTheEnd => incoming.frame().await,
        Listen::ForCommands => tokio::time::timeout(SILENCE, incoming.frame()).await.unwrap_or(None),
    }
}

const SILENCE: Duration = Duration::from_millis(800);

fn connection(error: hyper::Error) -> HttpError {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        reason = format!("{reason}: {cause}");
        source = cause.source();
    }
    HttpError::Connection(reason)
}

/// TLS that trusts whom the system trusts.
pub(crate) fn tls_config() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
}

fn connector(version: HttpVersion) -> TlsConnector {
    let mut config = tls_config();
    config.alpn_protocols = match version {
        HttpVersion::Http2 => vec![b"h2".to_vec()],
        HttpVersion::Http1 => vec![b"http/1.1".to_vec()],
    };
    TlsConnector::from(Arc::new(config))
}

enum Connection {
    Plain(QuickAck),
    Tls(Box<tokio_rustls::client::TlsStream<QuickAck>>),
}

/// A socket that acknowledges at once. Servers without TCP_NODELAY (the Rust SDK's) hold back the rest of an answer until
/// its beginning is acknowledged, which takes 40 ms otherwise; the kernel forgets the wish, so it is renewed.
struct QuickAck(TcpStream);

impl QuickAck {
    fn renew(&self) {
        #[cfg(target_os = "linux")]
        let _ = socket2::SockRef::from(&self.0).set_tcp_quickack(true);
    }
}

impl AsyncRead for QuickAck {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.0).poll_read(context, buffer);
        if matches!(read, Poll::Ready(Ok(()))) {
            self.renew();
        }
        read
    }
}

impl AsyncWrite for QuickAck {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
