//! Identity: the private key that requests are signed with, for deployments that have identity keys configured. Each
//! request carries an EdDSA JWT, as Restate's own requests do.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;

#[derive(Debug, thiserror::Error)]
#[error("it is no Ed25519 private key in PEM (PKCS #8): {0}")]
pub struct IdentityError(String);

/// The private key that a Restate server signs with (`request-identity-private-key-pem-file`).
#[derive(Debug)]
pub struct Identity {
    key: Ed25519KeyPair,
    /// `publickeyv1_…`, which deployments know the key by.
    id: String,
}

impl Identity {
    pub fn from_pem(pem: &str) -> Result<Self, IdentityError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes());
        let der = der.map_err(|error| IdentityError(error.to_string()))?;
        // OpenSSL does not write the public key, which would be checked otherwise.
        let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der());
        let key = key.map_err(|error| IdentityError(error.to_string()))?;
        let id = format!("publickeyv1_{}", bs58::encode(key.public_key()).into_string());
        Ok(Self { key, id })
    }

    pub fn public_id(&self) -> &str {
        &self.id
    }

    /// Adds the headers that sign a request to this path.
    pub fn sign(&self, path: &str, headers: &mut HeaderMap) {
        if let Ok(token) = HeaderValue::from_str(&self.token(path)) {
            headers.insert("x-restate-signature-scheme", HeaderValue::from_static("v1"));
            headers.insert("x-restate-jwt-v1", token);
        }
    }

    /// The token for a request to this path.
    pub fn token(&self, path: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let header = json!({ "typ": "JWT", "alg": "EdDSA", "kid": self.id });
        let claims = json!({ "aud": path, "nbf": now.saturating_sub(60), "iat": now, "exp": now + 60 });
        let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}
