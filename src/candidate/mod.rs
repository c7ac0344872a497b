//! A live candidate, spoken to over the network. What is said is [`crate::replay`]'s.

mod deployment;
mod discovery;
mod http;
mod identity;
mod invoke;
#[cfg(feature = "lambda")]
mod lambda;
mod live;

pub use deployment::{Deployment, DeploymentError};
pub use discovery::{Handler, Manifest, Service};
pub(crate) use http::tls_config;
pub use http::{Endpoint, HttpError, HttpVersion, Transport};
pub use identity::{Identity, IdentityError};
pub use invoke::Invoke;
pub(crate) use invoke::segment;
#[cfg(feature = "lambda")]
pub use lambda::{Arn, ArnError, Function, LambdaError};
pub use live::{Live, LiveError, LiveOptions, check_live};
