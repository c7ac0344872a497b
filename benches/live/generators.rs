//! A load generator, which sends the requests: `rehearse` itself, a plain HTTP/2 client, or h2load.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rehearsal::check::live::{Live, LiveOptions};
use rehearsal::replay::Listen;
use rehearsal::report::Verdict;
use rehearsal::rules::Redaction;
use rehearsal::transport::{Endpoint, Invoke, Transport};

use crate::corpus::{Corpus, body, tripwire};

const CONTENT_TYPE: &str = "application/vnd.restate.invocation.v6";
const CONNECTIONS: usize = 2;

/// The time from spawn to exit of the real program.
pub fn rehearse(corpus: &Corpus, url: &str) -> Duration {
    let from = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_rehearse"))
        .args(["check", "--against", url, "--format", "json", "-o", "/dev/null"])
        .arg(corpus.file())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let time = from.elapsed();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    time
}

/// How many requests the verdict on each journal takes. A journal that waits at the frontier takes two.
pub fn requests_each(corpus: &Corpus, url: &str) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let journal = &corpus.journals[0];
        let (service, handler) = journal.info.service_and_handler().unwrap();
        let invoke = Invoke { id: journal.id.as_str(), service: &service, key: None, handler: &handler, version: 6 };
        let endpoint = Endpoint::new(url, Transport::default()).unwrap();
        let mut tripwire = tripwire(journal);
        for requests in 1.. {
            let answer = endpoint.attempt(&invoke, tripwire.request().into(), Listen::ForTheEnd).await.unwrap();
            if let Some(outcome) = tripwire.answer(&answer) {
                assert_eq!(outcome.stop.verdict(), Verdict::Compatible);
                return requests;
            }
        }
        unreachable!("a tripwire ends")
    })
}

/// Sends as many requests from a client that reads the answers and ignores them.
pub fn plain(corpus: &Corpus, url: &str, each: usize, concurrency: usize) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let bodies: Arc<Vec<Bytes>> = Arc::new(
            corpus.journals.iter().flat_map(|journal| std::iter::repeat_n(body(journal).into(), each)).collect(),
        );
        let uri = uri(corpus, url);
        let next = Arc::new(AtomicUsize::new(0));
        let from = Instant::now();
        let mut senders = Vec::new();
        for _ in 0..CONNECTIONS {
            let address = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
            let stream = tokio::net::TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let io = TokioIo::new(stream);
            let (sender, driver) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
            tokio::spawn(driver);
            senders.push(sender);
        }
        let workers = (0..concurrency).map(|worker| {
            let (bodies, next, uri) = (Arc::clone(&bodies), Arc::clone(&next), uri.clone());
            let mut sender = senders[worker % CONNECTIONS].clone();
            tokio::spawn(async move {
                while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let request = http::Request::post(&uri)
                        .header("content-type", CONTENT_TYPE)
                        .header("accept", CONTENT_TYPE)
                        .body(Full::new(body.clone()))
                        .unwrap();
                    let response = sender.send_request(request).await.unwrap();
                    assert_eq!(response.status(), 200);
                    response.into_body().collect().await.unwrap();
                }
            })
        });
        for worker in workers.collect::<Vec<_>>() {
            worker.await.unwrap();
        }
        from.elapsed()
    })
}

pub fn has_h2load() -> bool {
    Command::new("h2load").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Sends the request for one journal as many times, with h2load.
pub fn h2load(corpus: &Corpus, url: &str, each: usize, concurrency: usize) -> Duration {
    let requests = corpus.journals.len() * each;
    let output = Command::new("h2load")
        .args(["-n", &requests.to_string(), "-c", &CONNECTIONS.to_string()])
        .args(["-m", &(concurrency / CONNECTIONS).to_string()])
        .args(["-H", &format!("content-type: {CONTENT_TYPE}"), "-H", &format!("accept: {CONTENT_TYPE}"), "-d"])
        .arg(corpus.body_file())
        .arg(uri(corpus, url))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains(&format!("{requests} succeeded")), "{said}");
    // h2load prints "finished in 1.43s, …" or "finished in 998.21ms, …".
    let time = said.split_once("finished in ").unwrap().1.split(',').next().unwrap();
    let seconds = match time.strip_suffix("ms") {
        Some(milliseconds) => milliseconds.parse::<f64>().unwrap() / 1e3,
        None => time.trim_end_matches('s').parse().unwrap(),
    };
    Duration::from_secs_f64(seconds)
}

fn uri(corpus: &Corpus, url: &str) -> String {
    let (service, handler) = corpus.journals[0].info.service_and_handler().unwrap();
    format!("{url}/invoke/{service}/{handler}")
}

/// The seconds that the verdict on each journal takes.
pub fn one_by_one(corpus: &Corpus, url: &str) -> Vec<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let endpoint = Endpoint::new(url, Transport::default()).unwrap();
        let options = LiveOptions { redaction: Redaction::Shown, trace: true, concurrency: 1, prove: false };
        let live = Live::discover(endpoint, options).await.unwrap();
        let mut times = Vec::new();
        for journal in &corpus.journals {
            let from = Instant::now();
            let judgement = live.judge(journal).await;
            times.push(from.elapsed().as_secs_f64());
            assert_eq!(judgement.verdict, Verdict::Compatible, "{:?}", judgement.reason);
        }
        times
    })
}
