//! The flags of live candidates, and the connection to one, for every command that takes a candidate.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::access::{is_admin_api, is_url};
use super::failure::Failure;
use crate::check::live::{Live, LiveOptions};
use crate::rules::Redaction;
use crate::transport::{Candidate, HttpVersion, Identity, Transport};

/// The help heading of these flags.
pub const LIVE: &str = "Live candidate";

/// How to talk to a live candidate
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = LIVE)]
pub struct LiveFlags {
    /// Use HTTP/1.1 instead of HTTP/2
    #[arg(long = "http1.1")]
    http1: bool,
    /// A header to send with every request; may be repeated
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// Sign requests with this private key (PEM), for a deployment that checks request identity
    #[arg(long, value_name = "FILE")]
    identity_key: Option<PathBuf>,
    /// How many journals to replay at the same time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,
    /// Seconds that one journal's verdict may take; its explanation may take as long again
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
}

/// The warning that every command with a live candidate prints in its help.
pub const WARNING: &str = "\
A live candidate really executes its handlers, up to the last recorded command. No ctx.run closure runs, ever; but \
handler code outside of ctx.run does run, as on any retry, and after a mismatch some SDKs run cleanup code (except, \
finally, destructors). Use an instance that takes no traffic.

Lambda functions are called with the credentials, profile and endpoint that the AWS SDK finds (AWS_PROFILE, \
AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL_LAMBDA and others), in the region of the ARN.";

impl LiveFlags {
    /// The settings of a check with these flags, and with tracing.
    pub fn options(&self, redaction: Redaction) -> LiveOptions {
        LiveOptions { redaction, trace: true, concurrency: self.concurrency.into(), prove: false }
    }

    /// Connects to the deployment with this URL or ARN, and reads its manifest.
    pub async fn discover(&self, name: &str, options: LiveOptions) -> Result<Live, Failure> {
        if self.http1 && !name.starts_with("http") {
            return Err(Failure::Usage(format!("--http1.1 applies to URLs only, and {name} is not one")));
        }
        let deployment = Candidate::new(name, self.transport()?).await;
        let deployment = deployment.map_err(|error| Failure::Usage(error.to_string()))?;
        match Live::discover(deployment, options).await {
            Err(_) if is_url(name) && is_admin_api(name).await => Err(Failure::Usage(format!(
                "{name} is the admin API of a Restate server, and --against takes a deployment \
                 (http://localhost:9080). The admin API is where JOURNALS can come from"
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

/// Runs network work to its end. One thread is enough: the time goes into waiting for candidates.
pub fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Usage(format!("could not start the async runtime: {error}")))?;
    Ok(runtime.block_on(work))
}
