//! Access flags: how to reach a cluster's admin API, for all commands that need it.

use std::time::Duration;

use clap::Args;

use super::failure::Failure;
use crate::admin::{Access, Admin, AdminError};
use crate::transport::{Candidate, Manifest, Transport};

/// How to speak to the admin API
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Admin API")]
pub struct AccessFlags {
    /// A bearer token for the admin API
    #[arg(long, env = "RESTATE_AUTH_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
    /// Seconds that the server may be silent
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    admin_timeout: u64,
    /// Seconds for which to repeat requests that fail in passing, for example while the server restarts
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    retry_for: u64,
}

impl AccessFlags {
    pub async fn connect(&self, url: &str) -> Result<Admin, Failure> {
        // A second variable for the token, for where RESTATE_AUTH_TOKEN belongs to another program.
        let token = std::env::var("REHEARSE_TOKEN").ok().filter(|token| !token.is_empty());
        let access = Access {
            token: token.or_else(|| self.token.clone()),
            timeout: Duration::from_secs(self.admin_timeout),
            patience: Duration::from_secs(self.retry_for),
        };
        match Admin::connect(url, access).await {
            Err(AdminError::NotRestate { url, .. }) if is_deployment(&url).await => Err(Failure::Usage(format!(
                "{url} is a deployment, which goes to --against: here it takes the admin API of the Restate server \
                 (http://localhost:9070)"
            ))),
            done => Ok(done?),
        }
    }
}

/// How long to wait for an answer that only improves an error message.
const GLANCE: Duration = Duration::from_secs(3);

async fn is_deployment(url: &str) -> bool {
    let transport = Transport { timeout: Some(GLANCE), ..Transport::default() };
    let Ok(deployment) = Candidate::new(url, transport).await else { return false };
    Manifest::discover(&deployment).await.is_ok()
}

/// Whether a URL that should be a deployment's is that of an admin API.
pub async fn is_admin_api(url: &str) -> bool {
    let access = Access { timeout: GLANCE, patience: Duration::ZERO, token: None };
    match Admin::new(url, access) {
        Ok(admin) => admin.version().await.is_ok(),
        Err(_) => false,
    }
}

/// Whether this is an address rather than a file.
pub fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}
