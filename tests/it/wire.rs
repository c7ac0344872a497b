//! A real deployment, the Rust SDK in this process, is reached over HTTP/2 and HTTP/1.1, plain and with TLS, with identity
//! keys configured, and behind a proxy that wants a header.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use restate_sdk::hyper::HyperEndpoint;
use restate_sdk::prelude::Endpoint;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::support::folders::{root, scratch, text};
use crate::support::runner::{Rehearse, Run};
use crate::support::rust_services::candidates::{Variant, builder, endpoint};

#[derive(Clone, Copy, PartialEq)]
enum Http {
    One,
    Two,
}

/// Name and value of every header of every request.
type Seen = Arc<Mutex<Vec<(String, String)>>>;

/// Serves an endpoint on a thread of its own; its address, and the headers it is sent.
fn serve(endpoint: Endpoint, http: Http, tls: Option<TlsAcceptor>) -> (SocketAddr, Seen) {
    let seen = Seen::default();
    let noted = Arc::clone(&seen);
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            let endpoint = Arc::new(HyperEndpoint::new(endpoint));
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (endpoint, noted, tls) = (Arc::clone(&endpoint), Arc::clone(&noted), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => converse(stream, http, endpoint, noted).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                converse(stream, http, endpoint, noted).await;
                            }
                        }
                    }
                });
            }
        });
    });
    (receiver.recv().unwrap(), seen)
}

async fn converse<S>(stream: S, http: Http, endpoint: Arc<HyperEndpoint>, seen: Seen)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let headers = request.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()));
        seen.lock().unwrap().extend(headers);
        endpoint.call(request)
    });
    let io = TokioIo::new(stream);
    // A client may close the connection at any time.
    let _ = match http {
        Http::One => http1::Builder::new().serve_connection(io, service).await,
        Http::Two => http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await,
    };
}

fn base() -> Endpoint {
    endpoint(&Variant::new("base"))
}

fn recorded(case: &str) -> PathBuf {
    root().join("fixtures/sdks/rust").join(case).join("recorded.jsonl")
}

fn rehearse(case: &str, url: &str, flags: &[&str], trusted: Option<&Path>) -> Run {
    let recorded = recorded(case);
    let run = Rehearse::new([&["check", text(&recorded), "--against", url, "--format", "json"], flags].concat());
    run.with(|command| {
        // An empty file names no authority at all.
        command.env("SSL_CERT_FILE", trusted.unwrap_or(Path::new("/dev/null"))).env_remove("SSL_CERT_DIR");
    })
    .run()
}

#[track_caller]
fn compatible(url: &str, flags: &[&str], trusted: Option<&Path>) {
    let run = rehearse("clean/process", url, flags, trusted);
    assert_eq!(run.status, 0, "{run:?}");
    let report = run.json();
    assert_eq!(report["summary"]["compatible"], 1, "{report}");
}

#[track_caller]
fn refused(url: &str, flags: &[&str], says: &str) {
    let run = rehearse("clean/process", url, flags, None);
    assert_eq!(run.status, 2, "{}", run.stderr);
    assert!(run.stderr.contains(says), "{}", run.stderr);
}

#[test]
fn http1_and_its_opposite() {
    let (one, _) = serve(base(), Http::One, None);
    let (two, _) = serve(base(), Http::Two, None);
    compatible(&format!("http://{one}"), &["--http1.1"], None);
    compatible(&format!("http://{two}"), &[], None);
    refused(&format!("http://{one}"), &[], "--http1.1 speaks HTTP/1.1");
    refused(&format!("http://{two}"), &["--http1.1"], "it was spoken to in HTTP/1.1");
}

#[test]
fn a_mismatch_over_http1_is_traced() {
    let (one, _) = serve(endpoint(&Variant::new("qty")), Http::One, None);
    let report = rehearse("call-payload-changed/process-qty", &format!("http://{one}"), &["--http1.1"], None).json();
    let finding = &report["invocations"][0]["findings"][0];
    assert_eq!(
        (&finding["rule"], &finding["cause"]),
        (&"call-payload-changed".into(), &"code-change".into()),
        "{report}"
    );
}

/// A certificate authority of our own, as a file, and a server that it has certified.
fn authority(folder: &Path, protocols: &[&[u8]]) -> (PathBuf, TlsAcceptor) {
    let mut of_authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    of_authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let authority = rcgen::CertifiedIssuer::self_signed(of_authority, key).unwrap();
    let file = folder.join("authority.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let of_server = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = of_server.signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    (file, TlsAcceptor::from(Arc::new(config)))
}

#[test]
fn tls() {
    let folder = scratch();
    let (trusted, acceptor) = authority(folder.path(), &[b"h2"]);
    let (two, _) = serve(base(), Http::Two, Some(acceptor));
    compatible(&format!("https://{two}"), &[], Some(&trusted));
    compatible(&format!("https://localhost:{}", two.port()), &[], Some(&trusted));
    refused(&format!("https://{two}"), &[], "SSL_CERT_FILE");
    // Plain HTTP to a TLS server, and TLS to a plain one.
    refused(&format!("http://{two}"), &[], "the connection failed");
    let (plain, _) = serve(base(), Http::Two, None);
    refused(&format!("https://{plain}"), &[], "is it http:// rather than https://?");
}

#[test]
fn tls_with_http1() {
    let folder = scratch();
    let (trusted, acceptor) = authority(folder.path(), &[b"http/1.1"]);
    let (one, _) = serve(base(), Http::One, Some(acceptor));
    compatible(&format!("https://{one}"), &["--http1.1"], Some(&trusted));
    let run = rehearse("clean/process", &format!("https://{one}"), &[], Some(&trusted));
    assert!(run.stderr.contains("--http1.1"), "{run:?}");
    // A server that does not negotiate a protocol.
    let (trusted, acceptor) = authority(folder.path(), &[]);
    let (silent, _) = serve(base(), Http::One, Some(acceptor));
    compatible(&format!("https://{silent}"), &["--http1.1"], Some(&trusted));
    let run = rehearse("clean/process", &format!("https://{silent}"), &[], Some(&trusted));
    assert!(run.stderr.contains("--http1.1"), "{run:?}");
}

/// A private key as `openssl genpkey -algorithm ed25519` writes it, and the public key that deployments are given.
fn identity(folder: &Path, seed: u8) -> (PathBuf, String) {
    let mut der = vec![0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    der.extend([seed; 32]);
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    let file = folder.join(format!("identity-{seed}.pem"));
    std::fs::write(&file, format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")).unwrap();
    let public = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
    (file, format!("publickeyv1_{}", bs58::encode(public.public_key()).into_string()))
}

#[test]
fn deployments_with_identity_keys_want_signed_requests() {
    let folder = scratch();
    let (key, public) = identity(folder.path(), 7);
    let (other, other_public) = identity(folder.path(), 8);
    let endpoint = builder(&Variant::new("base")).identity_key(&public).unwrap().build();
    let (address, _) = serve(endpoint, Http::Two, None);
    let url = format!("http://{address}");
    compatible(&url, &["--identity-key", key.to_str().unwrap()], None);
    refused(&url, &[], "it has identity keys configured; sign requests with --identity-key");
    let says = format!("requests are signed with {other_public}, and it has another key configured");
    refused(&url, &["--identity-key", other.to_str().unwrap()], &says);
    let no_key = folder.path().join("no-key.pem");
    std::fs::write(&no_key, "hello").unwrap();
    refused(&url, &["--identity-key", no_key.to_str().unwrap()], "it is no Ed25519 private key in PEM");
    refused(&url, &["--identity-key", "/nowhere.pem"], "could not read /nowhere.pem");
}

#[test]
fn headers_go_along_with_every_request() {
    let (address, seen) = serve(base(), Http::Two, None);
    let flags = ["--header", "x-tenant: rehearsal", "--header", "authorization:Bearer a:b"];
    compatible(&format!("http://{address}"), &flags, None);
    let seen = seen.lock().unwrap();
    for header in [("x-tenant", "rehearsal"), ("authorization", "Bearer a:b")] {
        let times = seen.iter().filter(|(name, value)| (name.as_str(), value.as_str()) == header).count();
        let requests = seen.iter().filter(|(name, _)| name == "accept").count();
        // One for discovery, and at least one for a replay.
        assert!(requests >= 2);
        assert_eq!(times, requests, "{header:?} in {seen:?}");
    }
    refused(&format!("http://{address}"), &["--header", "nonsense"], "is not NAME: VALUE");
}
