//! The network towards candidates: HTTP, Lambda, identity keys, and a deployment's manifest.
//!
//! It carries bytes; what to send, and what an answer means, is [`crate::replay`]'s.

mod connections;
mod deployment;
mod failure;
mod http;
mod identity;
mod invoke;
#[cfg(feature = "lambda")]
mod lambda;
mod manifest;
mod socket;

pub use deployment::{Deployment, DeploymentError};
pub use http::{Endpoint, HttpError, HttpVersion, Transport};
pub use identity::{Identity, IdentityError};
pub use invoke::Invoke;
pub(crate) use invoke::segment;
#[cfg(feature = "lambda")]
pub use lambda::{Arn, ArnError, Function, LambdaError};
pub use manifest::{DiscoveryError, Handler, Manifest, Service};
pub(crate) use socket::tls_config;
