//! TLS settings: the certificate authorities that are trusted, the protocols that are offered, and hints for handshakes
//! that fail.

use std::error::Error;
use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};

use super::options::HttpVersion;

/// TLS that trusts the authorities that the system trusts, or those in the file that `SSL_CERT_FILE` names.
pub(crate) fn tls_config() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "trusted certificates");
    }
    roots.add_parsable_certificates(found.certs);
    ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
}

/// The same, offering one version of HTTP and no other.
pub(super) fn tls_config_for(version: HttpVersion) -> Arc<ClientConfig> {
    let mut config = tls_config();
    config.alpn_protocols = match version {
        HttpVersion::Http2 => vec![b"h2".to_vec()],
        HttpVersion::Http1 => vec![b"http/1.1".to_vec()],
    };
    Arc::new(config)
}

/// What to do about a handshake that failed; `None` where the error is not one of TLS, or speaks for itself.
pub(super) fn tls_hint(error: &(dyn Error + 'static)) -> Option<&'static str> {
    // The error of TLS is inside one or two of I/O.
    let mut innermost = error;
    while let Some(inner) = innermost.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        innermost = inner;
    }
    match innermost.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => Some(
            "no authority that this machine trusts has signed its certificate (SSL_CERT_FILE names a file of others)",
        ),
        rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            Some("it does not speak this version of HTTP (--http1.1 speaks HTTP/1.1)")
        }
        rustls::Error::InvalidMessage(_) => Some("it does not speak TLS: is it http:// rather than https://?"),
        _ => None,
    }
}
