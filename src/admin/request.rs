//! A request to the admin API, and its answer. A request is repeated only where that can do no harm.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::Url;

use super::failure::AdminError;
use crate::transport::segment;

/// How to speak to an admin API.
#[derive(Clone, Debug)]
pub struct Access {
    /// Sent as `authorization: Bearer …`.
    pub token: Option<String>,
    /// How long the server may be silent: before an answer begins, and between two parts of it.
    pub timeout: Duration,
    /// How long to repeat a request that fails in passing (no connection, a server that restarts).
    pub patience: Duration,
}

impl Default for Access {
    fn default() -> Self {
        Self { token: None, timeout: Duration::from_secs(60), patience: Duration::from_secs(60) }
    }
}

/// The HTTP client of one admin API. Clones share connections.
#[derive(Clone, Debug)]
pub struct AdminConnection {
    pub base: Url,
    pub http: reqwest::Client,
    pub access: Access,
}

impl AdminConnection {
    /// The base URL, without the secrets in it.
    pub fn url(&self) -> String {
        let mut url = self.base.clone();
        // Neither can fail for a URL with a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.as_str().trim_end_matches('/').to_owned()
    }

    pub fn request(&self, method: Method, path: &[&str]) -> AdminRequest<'_> {
        let mut url = self.base.clone();
        let path: String = path.iter().map(|part| format!("/{}", segment(part))).collect();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        let repeatable = method == Method::GET;
        let accept = "application/json";
        AdminRequest { connection: self, method, url, accept, body: None, repeatable, is_query: false }
    }

    /// Repeats `attempt` while its error is passing, `harmless` allows it, and there is patience left.
    pub async fn repeat_if<T>(
        &self,
        harmless: impl Fn(&AdminError) -> bool,
        mut attempt: impl AsyncFnMut() -> Result<T, AdminError>,
    ) -> Result<T, AdminError> {
        let mut patience = Patience::new(self.access.patience);
        loop {
            match attempt().await {
                Err(error) if harmless(&error) => patience.wait(error).await?,
                done => return done,
            }
        }
    }
}

/// The time for which something may go on failing, with longer and longer pauses between attempts.
#[derive(Debug)]
pub struct Patience {
    limit: Duration,
    started: Instant,
    pause: Duration,
}

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

impl Patience {
    pub fn new(limit: Duration) -> Self {
        Self { limit, started: Instant::now(), pause: FIRST_PAUSE }
    }

    /// Waits before the next attempt; returns the error where it is not passing, or no patience is left.
    pub async fn wait(&mut self, error: AdminError) -> Result<(), AdminError> {
        if !error.is_passing() || self.started.elapsed() + self.pause > self.limit {
            return Err(error);
        }
        tracing::info!(%error, "trying again");
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

/// A request that is being put together.
#[derive(Debug)]
#[must_use = "`send` sends it"]
pub struct AdminRequest<'a> {
    connection: &'a AdminConnection,
    method: Method,
    url: Url,
    accept: &'static str,
    body: Option<Result<Bytes, String>>,
    /// Sending it twice does no harm.
    repeatable: bool,
    /// It is an SQL query: the server refuses the query, not the request.
    is_query: bool,
}

/// The largest JSON answer that is read: as rows in memory it takes many times the space of its text.
const LARGEST_ANSWER: usize = 64 << 20;

impl AdminRequest<'_> {
    /// Adds `?name=value`.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        self
    }

    pub fn json(mut self, body: &impl Serialize) -> Self {
        self.body = Some(serde_json::to_vec(body).map(Bytes::from).map_err(|error| error.to_string()));
        self
    }

    pub fn accept(mut self, accept: &'static str) -> Self {
        self.accept = accept;
        self
    }

    /// Marks an SQL query, which changes nothing and so may be repeated.
    pub fn query(mut self) -> Self {
        self.repeatable = true;
        self.is_query = true;
        self
    }

    /// Sends the request and reads the whole answer. An answer other than 2xx is an error.
    pub async fn send(self) -> Result<AdminResponse, AdminError> {
        let name = self.name();
        self.repeat(async || {
            let mut download = self.start().await?;
            let mut body = BytesMut::new();
            while let Some(chunk) = download.next().await? {
                if body.len() + chunk.len() > LARGEST_ANSWER {
                    return Err(AdminError::TooLarge { request: name.clone(), limit: LARGEST_ANSWER });
                }
                body.extend_from_slice(&chunk);
            }
            Ok(AdminResponse { request: name.clone(), status: download.response.status(), body: body.freeze() })
        })
        .await
    }

    /// Sends the request, and leaves the answer to be read in parts.
    pub async fn open(self) -> Result<Download, AdminError> {
        self.repeat(async || self.start().await).await
    }

    /// `PATCH /invocations/inv_…/pause`
    fn name(&self) -> String {
        let path = self.url.path();
        let path = path.strip_prefix(self.connection.base.path().trim_end_matches('/')).unwrap_or(path);
        format!("{} {path}", self.method)
    }

    async fn repeat<T>(&self, attempt: impl AsyncFnMut() -> Result<T, AdminError>) -> Result<T, AdminError> {
        self.connection.repeat_if(|error| self.repeatable || error.is_before_sending(), attempt).await
    }

    async fn start(&self) -> Result<Download, AdminError> {
        let mut request = self.connection.http.request(self.method.clone(), self.url.clone());
        request = request.header(header::ACCEPT, self.accept);
        match &self.body {
            None => {}
            Some(Ok(body)) => request = request.header(header::CONTENT_TYPE, "application/json").body(body.clone()),
            Some(Err(reason)) => return Err(AdminError::Client(reason.clone())),
        }
        let response = request.send().await.map_err(|error| self.failed(&error))?;
        let status = response.status();
        let download = Download { request: self.name(), timeout: self.connection.access.timeout, response };
        if status.is_success() { Ok(download) } else { Err(self.refused(status, download).await) }
    }

    fn failed(&self, error: &reqwest::Error) -> AdminError {
        if error.is_connect() {
            return AdminError::Unreachable { url: self.connection.url(), reason: innermost_cause(error) };
        }
        broken(self.name(), self.connection.access.timeout, error)
    }

    async fn refused(&self, status: StatusCode, mut download: Download) -> AdminError {
        const LONGEST_REFUSAL: usize = 64 << 10;
        let mut body = BytesMut::new();
        while let Ok(Some(chunk)) = download.next().await {
            body.extend_from_slice(&chunk);
            if body.len() > LONGEST_REFUSAL {
                break;
            }
        }
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return AdminError::Unauthorized { url: self.connection.url(), status };
        }
        let message = message_of(&body);
        if !self.is_query || !matches!(status, StatusCode::BAD_REQUEST | StatusCode::INTERNAL_SERVER_ERROR) {
            return AdminError::Refused { request: download.request, status, message };
        }
        // A server that has just started, or lost a node, does not find its partitions yet. A malformed id in a condition
        // is an "External error: non valid invocation id" too, and stays one however often it is asked.
        if message.contains("External error") && !message.contains("non valid") {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            return AdminError::Refused { request: download.request, status, message };
        }
        AdminError::Query { message: message.trim_start_matches("Datafusion error: ").to_owned() }
    }
}

/// The server sends errors as `{"message": "…", "restate_code": "META0004"}`; a proxy in between sends text.
fn message_of(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct ErrorBody {
        message: String,
        #[serde(default)]
        restate_code: Option<String>,
    }
    match serde_json::from_slice(body) {
        Ok(ErrorBody { message, restate_code: Some(code) }) => format!("{message} [{code}]"),
        Ok(ErrorBody { message, restate_code: None }) => message,
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
    AdminError::Cut { request, reason: innermost_cause(error) }
}

/// The text of the innermost cause; the errors around it repeat the URL.
pub fn innermost_cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct AdminResponse {
    request: String,
    pub status: StatusCode,
    pub body: Bytes,
}

impl AdminResponse {
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, AdminError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| AdminError::Malformed { request: self.request.clone(), reason: error.to_string() })
    }
}

/// An answer that is read part by part while it arrives.
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

    /// The error for an answer that ended although the stream inside of it did not.
    pub fn cut_off(&self) -> AdminError {
        AdminError::Cut { request: self.request.clone(), reason: "its stream does not say that it ends".to_owned() }
    }

    /// The error for an answer whose content cannot be read.
    pub fn malformed(&self, reason: &dyn std::fmt::Display) -> AdminError {
        AdminError::Malformed { request: self.request.clone(), reason: reason.to_string() }
    }
}
