//! A live candidate: the only part that talks over the network. What is said is [`crate::replay`]'s.

mod discovery;
mod http;
mod identity;
mod live;

pub use discovery::{Handler, Manifest, Service};
pub use http::{Endpoint, HttpError, HttpVersion, Invoke, Transport};
pub use identity::{Identity, IdentityError};
pub use live::{Live, LiveError, LiveOptions, check_live};
