//! Invoke: one attempt at an invocation as a request, over HTTP as well as through Lambda.

use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};

use super::failure::HttpError;

/// The invocation and handler that an attempt is for, and the version of the protocol.
#[derive(Clone, Copy, Debug)]
pub struct Invoke<'a> {
    pub id: &'a str,
    pub service: &'a str,
    /// The key of a virtual object or workflow; `None` for a plain service.
    pub key: Option<&'a str>,
    pub handler: &'a str,
    pub version: u32,
}

/// The cluster that an attempt claims to come from: the name that a server has by default.
const CLUSTER_NAME: &str = "localcluster";

impl Invoke<'_> {
    pub fn path(&self) -> String {
        format!("/invoke/{}/{}", segment(self.service), segment(self.handler))
    }

    /// The headers that a server (1.7) sends with every attempt, no more and no less: handlers can see them.
    pub fn headers(&self) -> Result<HeaderMap, HttpError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, header(&self.content_type())?);
        headers.insert(ACCEPT, header(&self.content_type())?);
        headers.insert("x-restate-invocation-id", header(self.id)?);
        if let Some(key) = self.key {
            headers.insert("x-restate-service-key", header(&percent_encoded(key))?);
        }
        headers.insert("x-restate-cluster-name", HeaderValue::from_static(CLUSTER_NAME));
        Ok(headers)
    }

    /// An answer in another content type is not of the protocol, or of another version of it.
    pub fn check_content_type(&self, answered: &HeaderMap) -> Result<(), HttpError> {
        let answered = answered.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        if answered == self.content_type().as_bytes() {
            return Ok(());
        }
        Err(HttpError::ContentType(String::from_utf8_lossy(answered).into_owned()))
    }

    fn content_type(&self) -> String {
        format!("application/vnd.restate.invocation.v{}", self.version)
    }
}

pub(super) fn header(text: &str) -> Result<HeaderValue, HttpError> {
    HeaderValue::from_str(text).map_err(|error| HttpError::Connection(error.to_string()))
}

/// A key as the server writes it into a header: everything but letters, digits and `-_.~` as percent escapes.
fn percent_encoded(key: &str) -> String {
    let mut encoded = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// A name as one segment of a path, so that a name out of a journal can not lead to another path.
/// (`Url::path_segments_mut` would drop line ends.)
pub(crate) fn segment(name: &str) -> String {
    url::form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>().replace('+', "%20")
}
