//! Transport: the network towards candidates, which is HTTP, Lambda, identity keys, and a deployment's manifest.
//!
//! It carries bytes. [`crate::replay`] decides what to send and what an answer means.

mod body;
mod candidate;
mod connections;
mod connector;
mod failure;
mod http;
mod identity;
mod invoke;
#[cfg(feature = "lambda")]
mod lambda;
mod manifest;
mod options;
mod tcp;
mod tls;

pub use candidate::{Candidate, CandidateError};
pub use failure::HttpError;
pub use http::Endpoint;
pub use identity::{Identity, IdentityError};
pub use invoke::Invoke;
pub(crate) use invoke::segment;
#[cfg(feature = "lambda")]
pub use lambda::{Arn, ArnError, Function, LambdaError};
pub use manifest::{DiscoveryError, Manifest, ManifestHandler, ManifestInput, ManifestService};
pub use options::{HttpVersion, Transport};
pub(crate) use tls::tls_config;
