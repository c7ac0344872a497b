//! Envelope: an HTTP request or response as JSON, in the shape of API Gateway's proxy events. Restate calls Lambda
//! functions so.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Puts a request for a function into an envelope.
pub fn seal(method: &Method, path: &str, headers: &HeaderMap, body: &[u8]) -> Vec<u8> {
    let headers = headers.iter().map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())));
    let request = ProxyRequest {
        path,
        http_method: method.as_str(),
        headers: headers.map(|(name, value)| (name, value.into_owned())).collect(),
        body: STANDARD.encode(body),
        is_base64_encoded: true,
    };
    serde_json::to_vec(&request).expect("text is JSON")
}

/// Takes what a function answered out of its envelope; `None` where it is not an HTTP response.
pub fn open(payload: &[u8]) -> Option<FunctionResponse> {
    let answer: ProxyResponse = serde_json::from_slice(payload).ok()?;
    let text = answer.body.unwrap_or_default();
    let body = if answer.is_base64_encoded { STANDARD.decode(text).ok()? } else { text.into_bytes() };
    let headers = answer.headers.unwrap_or_default();
    let headers = headers.iter().filter_map(|(name, value)| {
        Some((name.parse::<HeaderName>().ok()?, value.as_str()?.parse::<HeaderValue>().ok()?))
    });
    Some(FunctionResponse {
        status: StatusCode::from_u16(answer.status_code).ok()?,
        headers: headers.collect(),
        body: body.into(),
    })
}

#[derive(Debug)]
pub struct FunctionResponse {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProxyRequest<'a> {
    path: &'a str,
    http_method: &'a str,
    headers: BTreeMap<&'a str, String>,
    body: String,
    is_base64_encoded: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProxyResponse {
    status_code: u16,
    headers: Option<BTreeMap<String, Value>>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_http_response_is_none() {
        for foreign in ["", "null", "\"done\"", r#"{"ok":true}"#, r#"{"statusCode":20}"#, r#"{"statusCode":"200"}"#] {
            assert!(open(foreign.as_bytes()).is_none(), "{foreign}");
        }
        assert!(open(br#"{"statusCode":200,"isBase64Encoded":true,"body":"%"}"#).is_none());
    }

    #[test]
    fn bodies_are_base64_or_text() {
        let response =
            open(br#"{"statusCode":200,"headers":{"A-b":"c"},"isBase64Encoded":true,"body":"aGk="}"#).unwrap();
        assert_eq!((&response.body[..], &response.headers["a-b"]), (&b"hi"[..], &HeaderValue::from_static("c")));
        assert_eq!(&open(br#"{"statusCode":404,"body":"hi"}"#).unwrap().body[..], b"hi");
        assert!(open(br#"{"statusCode":404}"#).unwrap().body.is_empty());
    }
}
