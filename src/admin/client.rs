//! A client of the admin API: requests that are tried again where that can do no harm, and errors that say what to do.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::transport::{segment, tls_config};

/// How the admin API is spoken to.
#[derive(Clone, Debug)]
pub struct Access {
    /// Sent as `authorization: Bearer …`.
    pub token: Option<String>,
    /// How long the server may be silent: before an answer begins, and between two parts of it.
    pub timeout: Duration,
    /// For how long a request that fails in passing (no connection, a server that restarts) is tried again.
    pub patience: Duration,
}

impl Default for Access {
    fn default() -> Self {
        Self { token: None, timeout: Duration::from_secs(60), patience: Duration::from_secs(60) }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("{url} is no URL of an admin API: {reason}")]
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
    Answer { request: String, reason: String },
    #[error("{request}: the answer is larger than {} MiB", .limit >> 20)]
    TooLarge { request: String, limit: usize },
}

fn and_says(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

impl AdminError {
    /// The status that a request was refused with.
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

    /// Whether the server can not have heard of the request.
    fn is_before_sending(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// The first version whose journals and events have the columns that are read.
pub const OLDEST: &str = "1.5";

/// A client of one admin API. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Admin {
    base: Url,
    http: reqwest::Client,
    access: Access,
}

/// What `GET /version` says.
#[derive(Clone, Debug, Deserialize)]
pub struct Version {
    pub version: String,
    #[serde(default)]
    pub ingress_endpoint: Option<String>,
}

impl Version {
    /// Major and minor.
    fn numbers(&self) -> Option<(u32, u32)> {
        let mut parts = self.version.split('.');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }
}

/// An entry of `GET /deployments`.
#[derive(Clone, Debug, Deserialize)]
pub struct Deployment {
    pub id: String,
    /// `None` for a Lambda.
    #[serde(default)]
    pub uri: Option<String>,
    #[serde(default)]
    pub arn: Option<String>,
    #[serde(default)]
    pub created_at: Option<String>,
    #[serde(default)]
    pub sdk_version: Option<String>,
    #[serde(default)]
    pub min_protocol_version: Option<u32>,
    #[serde(default)]
    pub max_protocol_version: Option<u32>,
    #[serde(default)]
    pub services: Vec<DeploymentService>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct DeploymentService {
    pub name: String,
    #[serde(default)]
    pub revision: u32,
}

/// An entry of `GET /services`: the latest revision of a service.
#[derive(Clone, Debug, Deserialize)]
pub struct Service {
    pub name: String,
    #[serde(default)]
    pub ty: String,
    pub deployment_id: String,
    #[serde(default)]
    pub revision: u32,
    #[serde(default)]
    pub public: bool,
}

/// What a small answer may have; rows are many times larger in memory than as text.
const LARGEST_ANSWER: usize = 64 << 20;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// A server that is not there at the start will rarely come: this much patience, and no more.
const FIRST_PATIENCE: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ARROW: &str = "application/vnd.apache.arrow.stream";

impl Admin {
    pub fn new(base: &str, access: Access) -> Result<Self, AdminError> {
        let mut url = Url::parse(base).map_err(|error| bad_url(base, &error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(bad_url(base, "it is neither http:// nor https:// with a host"));
        }
        url.set_query(None);
        url.set_fragment(None);
        let mut headers = HeaderMap::new();
        if let Some(token) = &access.token {
            let bearer = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
            let mut bearer = bearer.map_err(|_| AdminError::Client("the token has characters no header may".into()))?;
            bearer.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, bearer);
        }
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls_config())
            .default_headers(headers)
            // A token is not to follow a redirect.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT.min(access.timeout))
            .read_timeout(access.timeout)
            .tcp_nodelay(true)
            .user_agent(concat!("rehearse/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| AdminError::Client(reason_of(&error)))?;
        Ok(Self { base: url, http, access })
    }

    /// A client of a server that is there, is Restate, lets us in and is new enough.
    pub async fn connect(base: &str, access: Access) -> Result<Self, AdminError> {
        let patience = access.patience.min(FIRST_PATIENCE);
        let admin = Self::new(base, Access { patience, ..access.clone() })?;
        let version = admin.version().await?;
        if version.numbers().is_some_and(|numbers| numbers < oldest()) {
            return Err(AdminError::TooOld { url: admin.url(), version: version.version });
        }
        Ok(Self { access, ..admin })
    }

    /// The base URL, without what is secret in it.
    pub fn url(&self) -> String {
        let mut url = self.base.clone();
        // Neither can fail for a URL with a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.as_str().trim_end_matches('/').to_owned()
    }

    pub async fn version(&self) -> Result<Version, AdminError> {
        let not_restate = |reason: String| AdminError::NotRestate { url: self.url(), reason };
        match self.get(&["version"]).send().await {
            Ok(answer) => answer.json().map_err(|_| not_restate("GET /version says no version".to_owned())),
            Err(error @ AdminError::Refused { .. }) if error.is_passing() => Err(error),
            Err(AdminError::Refused { status, message, .. }) => {
                let reason = if status.is_redirection() {
                    format!("it redirects ({status})")
                } else if message.contains("bad path") || message.contains("ingress") {
                    "it looks like the ingress; the admin API is on another port (9070 by default)".to_owned()
                } else {
                    format!("GET /version answers {status}")
                };
                Err(not_restate(reason))
            }
            Err(AdminError::Cut { reason, .. }) => Err(not_restate(reason)),
            Err(error) => Err(error),
        }
    }

    pub async fn deployments(&self) -> Result<Vec<Deployment>, AdminError> {
        #[derive(Deserialize)]
        struct Deployments {
            deployments: Vec<Deployment>,
        }
        Ok(self.get(&["deployments"]).send().await?.json::<Deployments>()?.deployments)
    }

    pub async fn services(&self) -> Result<Vec<Service>, AdminError> {
        #[derive(Deserialize)]
        struct Services {
            services: Vec<Service>,
        }
        Ok(self.get(&["services"]).send().await?.json::<Services>()?.services)
    }

    /// The rows of a query: for answers that fit into memory.
    pub async fn query_json<T: DeserializeOwned>(&self, sql: &str) -> Result<Vec<T>, AdminError> {
        #[derive(Deserialize)]
        struct Rows<T> {
            rows: Vec<T>,
        }
        Ok(self.query(sql).send().await?.json::<Rows<T>>()?.rows)
    }

    /// The rows of a query as an Arrow stream. Beginning is tried again, reading is not: what was read stands.
    pub async fn query_arrow(&self, sql: &str) -> Result<Download, AdminError> {
        self.query(sql).accept(ARROW).open().await
    }

    fn query(&self, sql: &str) -> Request<'_> {
        #[derive(Serialize)]
        struct Query<'a> {
            query: &'a str,
        }
        tracing::debug!(sql, "query");
        let mut request = self.post(&["query"]).json(&Query { query: sql });
        // It changes nothing.
        request.idempotent = true;
        request.query = true;
        request
    }

    /// `GET {base}/{path…}`: each part of the path is one segment, whatever is in it.
    pub fn get(&self, path: &[&str]) -> Request<'_> {
        self.request(Method::GET, path)
    }

    /// Not tried again once the server may have heard of it, as with [`Self::patch`].
    pub fn post(&self, path: &[&str]) -> Request<'_> {
        self.request(Method::POST, path)
    }

    pub fn patch(&self, path: &[&str]) -> Request<'_> {
        self.request(Method::PATCH, path)
    }

    /// Not tried again once the server may have heard of it: the second answer would be 404.
    pub fn delete(&self, path: &[&str]) -> Request<'_> {
        self.request(Method::DELETE, path)
    }

    /// Does again what failed in passing, while there is patience. What is done must bear being done twice.
    pub async fn tried<T>(&self, go: impl AsyncFnMut() -> Result<T, AdminError>) -> Result<T, AdminError> {
        self.tried_if(|_| true, go).await
    }

    async fn tried_if<T>(
        &self,
        harmless: impl Fn(&AdminError) -> bool,
        mut go: impl AsyncFnMut() -> Result<T, AdminError>,
    ) -> Result<T, AdminError> {
        let mut patience = Patience::new(self);
        loop {
            match go().await {
                Err(error) if harmless(&error) => patience.wait(error).await?,
                done => return done,
            }
        }
    }

    fn request(&self, method: Method, path: &[&str]) -> Request<'_> {
        let mut url = self.base.clone();
        let path: String = path.iter().map(|part| format!("/{}", segment(part))).collect();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        let idempotent = method == Method::GET;
        Request { admin: self, method, url, accept: "application/json", body: None, idempotent, query: false }
    }
}

/// How long something may go on failing.
#[derive(Debug)]
pub struct Patience {
    limit: Duration,
    begun: Instant,
    pause: Duration,
}

impl Patience {
    pub fn new(admin: &Admin) -> Self {
        Self { limit: admin.access.patience, begun: Instant::now(), pause: FIRST_PAUSE }
    }

    /// Waits a little, longer each time; gives the error back when it is not passing, or there is no patience left.
    pub async fn wait(&mut self, error: AdminError) -> Result<(), AdminError> {
        if !error.is_passing() || self.begun.elapsed() + self.pause > self.limit {
            return Err(error);
        }
        tracing::info!(%error, "trying again");
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

fn oldest() -> (u32, u32) {
    Version { version: OLDEST.to_owned(), ingress_endpoint: None }.numbers().unwrap_or_default()
}

fn bad_url(url: &str, reason: &str) -> AdminError {
    AdminError::Url { url: url.to_owned(), reason: reason.to_owned() }
}

/// A request on its way.
#[derive(Debug)]
#[must_use = "it is sent by `send`"]
pub struct Request<'a> {
    admin: &'a Admin,
    method: Method,
    url: Url,
    accept: &'static str,
    body: Option<Result<Bytes, String>>,
    idempotent: bool,
    /// Refusals are about the query, not about the request.
    query: bool,
}

impl Request<'_> {
    /// Adds `?name=value`.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        self
    }

    pub fn json(mut self, body: &impl Serialize) -> Self {
        self.body = Some(serde_json::to_vec(body).map(Bytes::from).map_err(|error| error.to_string()));
        self
    }

    fn accept(mut self, accept: &'static str) -> Self {
        self.accept = accept;
        self
    }

    /// Sends it and reads the whole answer. An answer other than 2xx is an error.
    pub async fn send(self) -> Result<Answer, AdminError> {
        let name = self.name();
        self.tried(async || {
            let mut download = self.begin().await?;
            let mut body = BytesMut::new();
            while let Some(chunk) = download.next().await? {
                if body.len() + chunk.len() > LARGEST_ANSWER {
                    return Err(AdminError::TooLarge { request: name.clone(), limit: LARGEST_ANSWER });
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Answer { request: name.clone(), status: download.response.status(), body: body.freeze() })
        })
        .await
    }

    /// Sends it; the answer is yet to be read.
    async fn open(self) -> Result<Download, AdminError> {
        self.tried(async || self.begin().await).await
    }

    /// `PATCH /invocations/inv_…/pause`
    fn name(&self) -> String {
        let path = self.url.path();
        let path = path.strip_prefix(self.admin.base.path().trim_end_matches('/')).unwrap_or(path);
        format!("{} {path}", self.method)
    }

    async fn tried<T>(&self, go: impl AsyncFnMut() -> Result<T, AdminError>) -> Result<T, AdminError> {
        self.admin.tried_if(|error| self.idempotent || error.is_before_sending(), go).await
    }

    async fn begin(&self) -> Result<Download, AdminError> {
        let mut request = self.admin.http.request(self.method.clone(), self.url.clone());
        request = request.header(header::ACCEPT, self.accept);
        match &self.body {
            None => {}
            Some(Ok(body)) => request = request.header(header::CONTENT_TYPE, "application/json").body(body.clone()),
            Some(Err(reason)) => return Err(AdminError::Client(reason.clone())),
        }
        let response = request.send().await.map_err(|error| self.failed(&error))?;
        let status = response.status();
        let download = Download { request: self.name(), timeout: self.admin.access.timeout, response };
        if status.is_success() { Ok(download) } else { Err(self.refused(status, download).await) }
    }

    fn failed(&self, error: &reqwest::Error) -> AdminError {
        if error.is_connect() {
            return AdminError::Unreachable { url: self.admin.url(), reason: reason_of(error) };
        }
        broken(self.name(), self.admin.access.timeout, error)
    }

    async fn refused(&self, status: StatusCode, mut download: Download) -> AdminError {
        const WANTED: usize = 64 << 10;
        let mut body = BytesMut::new();
        while let Ok(Some(chunk)) = download.next().await {
            body.extend_from_slice(&chunk);
            if body.len() > WANTED {
                break;
            }
        }
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return AdminError::Unauthorized { url: self.admin.url(), status };
        }
        let message = message_of(&body);
        if !self.query || !matches!(status, StatusCode::BAD_REQUEST | StatusCode::INTERNAL_SERVER_ERROR) {
            return AdminError::Refused { request: download.request, status, message };
        }
        // A server that has just started, or lost a node, does not find its partitions yet. An id in a condition that is
        // none is an "External error: non valid invocation id", for ever.
        if message.contains("External error") && !message.contains("non valid") {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            return AdminError::Refused { request: download.request, status, message };
        }
        AdminError::Query { message: message.trim_start_matches("Datafusion error: ").to_owned() }
    }
}

/// Errors come as `{"message": "…", "restate_code": "META0004"}`, or as text from what stands in between.
fn message_of(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Said {
        message: String,
        #[serde(default)]
        restate_code: Option<String>,
    }
    match serde_json::from_slice(body) {
        Ok(Said { message, restate_code: Some(code) }) => format!("{message} [{code}]"),
        Ok(Said { message, restate_code: None }) => message,
        Err(_) => {
            let text = String::from_utf8_lossy(body);
            text.lines().next().unwrap_or_default().chars().take(200).collect()
        }
    }
}

fn broken(request: String, timeout: Duration, error: &reqwest::Error) -> AdminError {
    if error.is_timeout() {
        return AdminError::Silent { request, after: timeout };
    }
    AdminError::Cut { request, reason: reason_of(error) }
}

/// The innermost cause; what is around it repeats the URL.
fn reason_of(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    request: String,
    pub status: StatusCode,
    pub body: Bytes,
}

impl Answer {
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, AdminError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| AdminError::Answer { request: self.request.clone(), reason: error.to_string() })
    }
}

/// An answer that is read as it comes.
#[derive(Debug)]
pub struct Download {
    request: String,
    timeout: Duration,
    response: reqwest::Response,
}

impl Download {
    /// The next bytes; `None` at the end of a whole answer.
    pub async fn next(&mut self) -> Result<Option<Bytes>, AdminError> {
        let chunk = self.response.chunk().await;
        chunk.map_err(|error| broken(self.request.clone(), self.timeout, &error))
    }

    /// The answer ended, and what was in it had not.
    pub fn cut_off(&self) -> AdminError {
        AdminError::Cut { request: self.request.clone(), reason: "its stream does not say that it ends".to_owned() }
    }

    /// What is in the answer is not what it should be.
    pub fn malformed(&self, reason: &dyn std::fmt::Display) -> AdminError {
        AdminError::Answer { request: self.request.clone(), reason: reason.to_string() }
    }
}
