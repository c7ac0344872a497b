//! A client of one admin API: connecting, listing what is registered, and running SQL queries.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::Url;

use super::failure::{AdminError, OLDEST};
use super::request::{Access, AdminConnection, AdminRequest, Download, Patience, innermost_cause};
use crate::transport::tls_config;

/// A client of one admin API. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Admin {
    connection: AdminConnection,
}

/// The answer of `GET /version`.
#[derive(Clone, Debug, Deserialize)]
pub struct ServerVersion {
    pub version: String,
    #[serde(default)]
    pub ingress_endpoint: Option<String>,
}

/// An entry of `GET /deployments`.
#[derive(Clone, Debug, Deserialize)]
pub struct RegisteredDeployment {
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
    pub services: Vec<ServiceRevision>,
}

impl RegisteredDeployment {
    /// Its URL, or the ARN of a Lambda function.
    pub fn endpoint(&self) -> &str {
        self.uri.as_deref().or(self.arn.as_deref()).unwrap_or_default()
    }
}

/// A service of a deployment.
#[derive(Clone, Debug, Deserialize)]
pub struct ServiceRevision {
    pub name: String,
    #[serde(default)]
    pub revision: u32,
}

/// An entry of `GET /services`: the latest revision of a service.
#[derive(Clone, Debug, Deserialize)]
pub struct RegisteredService {
    pub name: String,
    #[serde(default)]
    pub ty: String,
    pub deployment_id: String,
    #[serde(default)]
    pub revision: u32,
    #[serde(default)]
    pub public: bool,
}

/// A server that does not answer the first request will rarely start to: wait no longer than this for it.
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
            // A redirect must not carry the token elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT.min(access.timeout))
            .read_timeout(access.timeout)
            .tcp_nodelay(true)
            .user_agent(concat!("rehearse/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| AdminError::Client(innermost_cause(&error)))?;
        Ok(Self { connection: AdminConnection { base: url, http, access } })
    }

    /// Connects, and checks that the server is Restate, lets us in and is new enough.
    pub async fn connect(base: &str, access: Access) -> Result<Self, AdminError> {
        let patience = access.patience.min(FIRST_PATIENCE);
        let mut admin = Self::new(base, Access { patience, ..access.clone() })?;
        let version = admin.version().await?.version;
        if major_minor(&version).is_some_and(|numbers| Some(numbers) < major_minor(OLDEST)) {
            return Err(AdminError::TooOld { url: admin.url(), version });
        }
        admin.connection.access = access;
        Ok(admin)
    }

    /// The base URL, without the secrets in it.
    pub fn url(&self) -> String {
        self.connection.url()
    }

    pub async fn version(&self) -> Result<ServerVersion, AdminError> {
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

    pub async fn deployments(&self) -> Result<Vec<RegisteredDeployment>, AdminError> {
        #[derive(Deserialize)]
        struct DeploymentList {
            deployments: Vec<RegisteredDeployment>,
        }
        Ok(self.get(&["deployments"]).send().await?.json::<DeploymentList>()?.deployments)
    }

    pub async fn services(&self) -> Result<Vec<RegisteredService>, AdminError> {
        #[derive(Deserialize)]
        struct ServiceList {
            services: Vec<RegisteredService>,
        }
        Ok(self.get(&["services"]).send().await?.json::<ServiceList>()?.services)
    }

    /// The rows of a query, for answers that fit into memory.
    pub async fn query_json<T: DeserializeOwned>(&self, sql: &str) -> Result<Vec<T>, AdminError> {
        #[derive(Deserialize)]
        struct QueryAnswer<T> {
            rows: Vec<T>,
        }
        Ok(self.query(sql).send().await?.json::<QueryAnswer<T>>()?.rows)
    }

    /// The rows of a query as an Arrow stream. Only the start of the answer is tried again; once reading has begun, an
    /// error is the caller's to handle, since the caller has used what was read.
    pub async fn query_arrow(&self, sql: &str) -> Result<Download, AdminError> {
        self.query(sql).accept(ARROW).open().await
    }

    fn query(&self, sql: &str) -> AdminRequest<'_> {
        #[derive(Serialize)]
        struct QueryBody<'a> {
            query: &'a str,
        }
        tracing::debug!(sql, "query");
        self.post(&["query"]).json(&QueryBody { query: sql }).query()
    }

    /// `GET {base}/{path…}`: each part of the path is one segment, whatever characters are in it.
    pub fn get(&self, path: &[&str]) -> AdminRequest<'_> {
        self.connection.request(Method::GET, path)
    }

    /// Not repeated once the server may have received it; the same holds for [`Self::patch`].
    pub fn post(&self, path: &[&str]) -> AdminRequest<'_> {
        self.connection.request(Method::POST, path)
    }

    pub fn patch(&self, path: &[&str]) -> AdminRequest<'_> {
        self.connection.request(Method::PATCH, path)
    }

    /// Not repeated once the server may have received it: the second answer would be 404.
    pub fn delete(&self, path: &[&str]) -> AdminRequest<'_> {
        self.connection.request(Method::DELETE, path)
    }

    /// Repeats `attempt` while it fails in passing and there is patience left. Doing it twice must be harmless.
    pub async fn repeat<T>(&self, attempt: impl AsyncFnMut() -> Result<T, AdminError>) -> Result<T, AdminError> {
        self.connection.repeat_if(|_| true, attempt).await
    }

    /// The patience for one piece of work that repeats its own attempts.
    pub fn patience(&self) -> Patience {
        Patience::new(self.connection.access.patience)
    }
}

fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn bad_url(url: &str, reason: &str) -> AdminError {
    AdminError::Url { url: url.to_owned(), reason: reason.to_owned() }
}
