//! A live candidate, spoken to over the network. What is said is [`crate::replay`]'s.

mod agreement;
mod connections;
mod deployment;
mod discovery;
mod failure;
mod http;
mod identity;
mod invoke;
mod lacking;
#[cfg(feature = "lambda")]
mod lambda;
mod live;
mod many;
mod socket;

pub use deployment::{Deployment, DeploymentError};
pub use discovery::{Handler, Manifest, Service};
pub use http::{Endpoint, HttpError, HttpVersion, Transport};
pub use identity::{Identity, IdentityError};
pub use invoke::Invoke;
pub(crate) use invoke::segment;
#[cfg(feature = "lambda")]
pub use lambda::{Arn, ArnError, Function, LambdaError};
pub use live::{Live, LiveError, LiveOptions};
pub use many::{Ended, check_live, in_order};
pub(crate) use socket::tls_config;
