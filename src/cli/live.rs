//! Flags and plumbing of live candidates, for all commands that take one.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::Failure;
use super::access::{is_admin_api, is_url};
use crate::check::live::{Live, LiveOptions};
use crate::rules::Redaction;
use crate::transport::{Deployment, HttpVersion, Identity, Transport};

/// The heading of all flags of live candidates.
pub const LIVE: &str = "Live candidate";

/// How to speak to a live candidate
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = LIVE)]
pub struct LiveFlags {
    /// Speak HTTP/1.1 instead of HTTP/2
    #[arg(long = "http1.1")]
    http1: bool,
    /// A header for every request; may be given several times
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// Sign requests with this private key (PEM), for a deployment with identity keys
    #[arg(long, value_name = "FILE")]
    identity_key: Option<PathBuf>,
    /// Journals under way at once
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,
    /// Seconds that the verdict on one journal may take, and its explanation again
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
}

/// What every use of a live candidate has to say.
pub const WARNING: &str = "\
A live candidate replays for real, up to the last recorded command. No ctx.run closure runs, ever; but handler code \
outside of ctx.run does run, as on any retry, and after a mismatch some SDKs run cleanup code (except, finally, \
destructors). Use an instance that takes no traffic.

Lambda functions are called with the credentials, profile and endpoint that the AWS SDK finds: AWS_PROFILE, \
AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL_LAMBDA and so on; the region is the ARN's.";

impl LiveFlags {
    pub fn options(&self, redaction: Redaction) -> LiveOptions {
        LiveOptions { redaction, trace: true, concurrency: self.concurrency.into(), prove: false }
    }

    /// Discovers the deployment of this URL or ARN.
    pub async fn discover(&self, name: &str, options: LiveOptions) -> Result<Live, Failure> {
        if self.http1 && !name.starts_with("http") {
            return Err(Failure::Usage(format!("--http1.1 is for URLs, and {name} is none")));
        }
        let deployment = Deployment::new(name, self.transport()?).await;
        let deployment = deployment.map_err(|error| Failure::Usage(error.to_string()))?;
        match Live::discover(deployment, options).await {
            Err(_) if is_url(name) && is_admin_api(name).await => Err(Failure::Usage(format!(
                "{name} is the admin API of a Restate server: --against takes a deployment (http://localhost:9080); \
                 journals are what comes from the admin API"
            ))),
            Err(error) => Err(Failure::Live(Box::new(error))),
            Ok(live) => Ok(live),
        }
    }

    fn transport(&self) -> Result<Transport, Failure> {
        let identity = match &self.identity_key {
            None => None,
            Some(path) => {
                let bad = |reason: String| Failure::Usage(format!("could not read {}: {reason}", path.display()));
                let pem = fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
                Some(Identity::from_pem(&pem).map_err(|error| bad(error.to_string()))?)
            }
        };
        Ok(Transport {
            version: if self.http1 { HttpVersion::Http1 } else { HttpVersion::Http2 },
            headers: self.headers()?,
            identity,
            timeout: Some(Duration::from_secs(self.timeout)),
            connections: 0,
        })
    }

    fn headers(&self) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::new();
        for header in &self.header {
            let parsed = header.split_once(':').and_then(|(name, value)| {
                let name: HeaderName = name.trim().parse().ok()?;
                let value: HeaderValue = value.trim().parse().ok()?;
                Some((name, value))
            });
            let (name, value) =
                parsed.ok_or_else(|| Failure::Usage(format!("--header {header:?} is not NAME: VALUE")))?;
            headers.append(name, value);
        }
        Ok(headers)
    }
}

/// Runs what waits on the network; one thread is enough, since candidates are what is waited for.
pub fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Usage(format!("could not start: {error}")))?;
    Ok(runtime.block_on(work))
}
