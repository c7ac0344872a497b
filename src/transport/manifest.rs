//! What a deployment says of itself: services, handlers, protocol range, input schemas.

use serde::Deserialize;

use super::deployment::{Deployment, DeploymentError};
use crate::replay::Sdk;

/// A deployment's manifest.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    #[serde(default)]
    pub min_protocol_version: u32,
    #[serde(default)]
    pub max_protocol_version: u32,
    #[serde(default)]
    pub services: Vec<Service>,
    /// `x-restate-server`, as it came.
    #[serde(skip)]
    pub server: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Service {
    pub name: String,
    /// `SERVICE`, `VIRTUAL_OBJECT` or `WORKFLOW`.
    pub ty: String,
    #[serde(default)]
    pub handlers: Vec<Handler>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Handler {
    pub name: String,
    /// `EXCLUSIVE`, `SHARED` or `WORKFLOW`; nothing for a plain service's.
    pub ty: Option<String>,
    pub input: Option<Input>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    pub json_schema: Option<serde_json::Value>,
}

#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    #[error(transparent)]
    Unanswered(#[from] DeploymentError),
    #[error("its manifest can not be read: {0}")]
    Manifest(#[from] serde_json::Error),
}

const ACCEPT: &str = "application/vnd.restate.endpointmanifest.v4+json, application/vnd.restate.endpointmanifest.v3+json, \
                      application/vnd.restate.endpointmanifest.v2+json, application/vnd.restate.endpointmanifest.v1+json";

impl Manifest {
    pub async fn discover(deployment: &Deployment) -> Result<Self, DiscoveryError> {
        let page = deployment.get("/discover", ACCEPT).await?;
        let mut manifest: Self = serde_json::from_slice(&page.body)?;
        let server =
            page.headers.get("x-restate-server").map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        manifest.server = server.unwrap_or_default();
        Ok(manifest)
    }

    pub fn sdk(&self) -> Sdk {
        Sdk::of(&self.server)
    }

    /// Whether tracing it is known to run nothing.
    pub fn can_be_traced(&self) -> bool {
        Sdk::can_be_traced(&self.server)
    }

    /// The version for a journal that does not say which one it is pinned to: what is recorded is the same in all of them.
    pub fn likely_version(&self) -> u32 {
        const USUAL: u32 = 6;
        if self.max_protocol_version == 0 {
            return USUAL;
        }
        USUAL.min(self.max_protocol_version).max(self.min_protocol_version)
    }

    /// Every handler, by service and name.
    pub fn handlers(&self) -> impl Iterator<Item = (String, String)> + '_ {
        let names = |service: &Service| {
            let of = service.name.clone();
            service.handlers.iter().map(move |handler| (of.clone(), handler.name.clone())).collect::<Vec<_>>()
        };
        self.services.iter().flat_map(names)
    }

    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name == name)
    }

    /// Whether it speaks this version. A manifest that gives no range speaks what it is asked for.
    pub fn speaks(&self, version: u32) -> bool {
        self.max_protocol_version == 0 || (self.min_protocol_version..=self.max_protocol_version).contains(&version)
    }
}

impl Service {
    pub fn handler(&self, name: &str) -> Option<&Handler> {
        self.handlers.iter().find(|handler| handler.name == name)
    }
}
