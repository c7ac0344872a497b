//! Manifest: what a deployment says of itself, which is its services, handlers, protocol range and input schemas.

use serde::Deserialize;

use super::candidate::{Candidate, CandidateError};
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
    pub services: Vec<ManifestService>,
    /// The header `x-restate-server`, as it was received.
    #[serde(skip)]
    pub server: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct ManifestService {
    pub name: String,
    /// `SERVICE`, `VIRTUAL_OBJECT` or `WORKFLOW`.
    pub ty: String,
    #[serde(default)]
    pub handlers: Vec<ManifestHandler>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct ManifestHandler {
    pub name: String,
    /// `EXCLUSIVE`, `SHARED` or `WORKFLOW`; `None` for a handler of a plain service.
    pub ty: Option<String>,
    pub input: Option<ManifestInput>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestInput {
    pub json_schema: Option<serde_json::Value>,
}

#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    #[error(transparent)]
    Unanswered(#[from] CandidateError),
    #[error("its manifest can not be read: {0}")]
    Manifest(#[from] serde_json::Error),
}

const ACCEPT: &str = "application/vnd.restate.endpointmanifest.v4+json, application/vnd.restate.endpointmanifest.v3+json, \
                      application/vnd.restate.endpointmanifest.v2+json, application/vnd.restate.endpointmanifest.v1+json";

impl Manifest {
    pub async fn discover(candidate: &Candidate) -> Result<Self, DiscoveryError> {
        let page = candidate.get("/discover", ACCEPT).await?;
        let mut manifest: Self = serde_json::from_slice(&page.body)?;
        let server =
            page.headers.get("x-restate-server").map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        manifest.server = server.unwrap_or_default();
        Ok(manifest)
    }

    pub fn sdk(&self) -> Sdk {
        Sdk::of(&self.server)
    }

    /// Whether this SDK is known to run no closure when it is traced.
    pub fn can_be_traced(&self) -> bool {
        Sdk::can_be_traced(&self.server)
    }

    /// The protocol version for a journal that does not say which one it is pinned to. Journals are the same in all of them.
    pub fn likely_version(&self) -> u32 {
        const USUAL: u32 = 6;
        if self.max_protocol_version == 0 {
            return USUAL;
        }
        USUAL.min(self.max_protocol_version).max(self.min_protocol_version)
    }

    /// Every handler, by service and name.
    pub fn handlers(&self) -> impl Iterator<Item = (String, String)> + '_ {
        let names = |service: &ManifestService| {
            let of = service.name.clone();
            service.handlers.iter().map(move |handler| (of.clone(), handler.name.clone())).collect::<Vec<_>>()
        };
        self.services.iter().flat_map(names)
    }

    pub fn service(&self, name: &str) -> Option<&ManifestService> {
        self.services.iter().find(|service| service.name == name)
    }

    /// Whether the deployment speaks this version. One whose manifest gives no range is taken to speak every version.
    pub fn speaks(&self, version: u32) -> bool {
        self.max_protocol_version == 0 || (self.min_protocol_version..=self.max_protocol_version).contains(&version)
    }
}

impl ManifestService {
    pub fn handler(&self, name: &str) -> Option<&ManifestHandler> {
        self.handlers.iter().find(|handler| handler.name == name)
    }
}
