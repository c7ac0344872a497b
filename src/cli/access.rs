//! How a cluster's admin API is reached, as flags; shared by the commands that need it.

use clap::Args;

use super::Failure;
use crate::cluster::{Access, Admin};

/// How to speak to the admin API
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Admin API")]
pub struct AccessFlags {
    /// A bearer token for the admin API
    #[arg(long, env = "RESTATE_AUTH_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
}

impl AccessFlags {
    pub async fn connect(&self, url: &str) -> Result<Admin, Failure> {
        let access = Access { token: self.token.clone(), ..Access::default() };
        Ok(Admin::connect(url, access).await?)
    }
}
