//! A live candidate, spoken to over the network. What is said is [`crate::replay`]'s.

mod discovery;
mod http;
mod identity;
mod live;

pub use discovery::{Handler, Manifest, Service};
pub use http::{Endpoint, HttpError, HttpVersion, Invoke, Transport};
pub(crate) use http::{segment, tls_config};
pub use identity::{Identity, IdentityError};
pub use live::{Live, LiveError, LiveOptions, check_live};
