//! A request body: bytes that are all there, sent without announcing their length, as the server does.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// The body of one request.
#[derive(Clone, Debug)]
pub(super) struct RequestBody {
    rest: Option<Bytes>,
    /// Whether the request says how long the body is. A server streams its attempts over HTTP/2, so a handler sees no
    /// `content-length` there.
    sized: bool,
}

impl RequestBody {
    pub fn new(bytes: Bytes, sized: bool) -> Self {
        Self { rest: Some(bytes).filter(|bytes| !bytes.is_empty()), sized }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.get_mut().rest.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.rest {
            Some(bytes) if !self.sized => {
                let mut hint = SizeHint::default();
                hint.set_lower(bytes.len() as u64);
                hint
            }
            rest => SizeHint::with_exact(rest.as_ref().map_or(0, Bytes::len) as u64),
        }
    }
}
