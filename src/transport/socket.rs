//! The socket under a connection: TCP that acknowledges at once, plain or under TLS.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use url::Url;

use super::http::HttpVersion;

/// Where a deployment listens.
pub(super) struct Address {
    host: String,
    port: u16,
    /// As requests name it.
    pub authority: String,
    tls: Option<TlsConnector>,
}

impl Address {
    /// `None` for a scheme other than http and https. The port defaults to the scheme's.
    pub fn of(url: &Url, version: HttpVersion) -> Option<Self> {
        let tls = match url.scheme() {
            "http" => None,
            "https" => Some(connector(version)),
            _ => return None,
        };
        let host = url.host_str()?.to_owned();
        let authority = url.port().map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
        let port = url.port_or_known_default()?;
        Some(Self { host: host.trim_matches(['[', ']']).to_owned(), port, authority, tls })
    }

    pub async fn connect(&self, limit: Duration) -> io::Result<Connection> {
        let connected = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            stream.set_nodelay(true)?;
            let stream = QuickAck(stream);
            let Some(tls) = &self.tls else { return Ok(Connection::Plain(stream)) };
            let name = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
            let stream = tls.connect(name, stream).await.map_err(tls_failed)?;
            // A server that knows nothing of ALPN would be spoken to in a language it was not asked about.
            if stream.get_ref().1.alpn_protocol().is_none() && tls.config().alpn_protocols == [b"h2"] {
                return Err(io::Error::other("it does not speak HTTP/2 over TLS (--http1.1 speaks HTTP/1.1)"));
            }
            Ok(Connection::Tls(Box::new(stream)))
        };
        tokio::time::timeout(limit, connected).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Says what to do where a certificate is not trusted.
fn tls_failed(error: io::Error) -> io::Error {
    use tokio_rustls::rustls::{AlertDescription, CertificateError, Error};
    let hint = match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            "no authority that this machine trusts has signed its certificate (SSL_CERT_FILE names a file of others)"
        }
        Some(Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => {
            "it does not speak this version of HTTP (--http1.1 speaks HTTP/1.1)"
        }
        Some(Error::InvalidMessage(_)) => "it does not speak TLS: is it http:// rather than https://?",
        _ => return error,
    };
    io::Error::new(error.kind(), hint)
}

/// TLS that trusts whom the system trusts.
pub(crate) fn tls_config() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "trusted certificates");
    }
    roots.add_parsable_certificates(found.certs);
    ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
}

fn connector(version: HttpVersion) -> TlsConnector {
    let mut config = tls_config();
    config.alpn_protocols = match version {
        HttpVersion::Http2 => vec![b"h2".to_vec()],
        HttpVersion::Http1 => vec![b"http/1.1".to_vec()],
    };
    TlsConnector::from(Arc::new(config))
}

pub(super) enum Connection {
    Plain(QuickAck),
    Tls(Box<tokio_rustls::client::TlsStream<QuickAck>>),
}

/// A socket that acknowledges at once. Servers without TCP_NODELAY (the Rust SDK's) hold back the rest of an answer until
/// its beginning is acknowledged, which takes 40 ms otherwise; the kernel forgets the wish, so it is renewed.
pub(super) struct QuickAck(TcpStream);

impl QuickAck {
    fn renew(&self) {
        #[cfg(target_os = "linux")]
        let _ = socket2::SockRef::from(&self.0).set_tcp_quickack(true);
    }
}
impl AsyncRead for QuickAck {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.0).poll_read(context, buffer);
        if matches!(read, Poll::Ready(Ok(()))) {
            self.renew();
        }
        read
    }
}

impl AsyncWrite for QuickAck {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
