//! Candidates that misbehave: a stand-in endpoint does what no real deployment can be made to do. Whatever it is, the
//! outcome is a verdict or a reason, in bounded time; never a hang.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const RECORDED: &str = "fixtures/clean/process/recorded.jsonl";
const INVOCATION: &str = "application/vnd.restate.invocation.v6";

/// What the stand-in does with an attempt; it is told how many came before.
type Answer = dyn Fn(usize, &mut TcpStream) + Send + Sync;

/// Serves a manifest and, with `answer`, attempts; its address.
fn endpoint(manifest: Value, answer: impl Fn(usize, &mut TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer: Arc<Answer> = Arc::new(answer);
    let attempts = Arc::new(AtomicUsize::new(0));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (manifest, answer, attempts) = (manifest.clone(), Arc::clone(&answer), Arc::clone(&attempts));
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let Some(path) = read_request(&stream) else { return };
                if path.ends_with("/discover") {
                    respond(&mut stream, "200 OK", "application/json", manifest.to_string().as_bytes());
                } else {
                    answer(attempts.fetch_add(1, Ordering::SeqCst), &mut stream);
                }
            });
        }
    });
    url
}

/// Reads a request to its end; its path.
fn read_request(stream: &TcpStream) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    reader.take(length).read_to_end(&mut Vec::new()).ok()?;
    Some(first.split(' ').nth(1)?.to_owned())
}

fn respond(stream: &mut TcpStream, status: &str, content_type: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\nx-restate-server: restate-sdk-typescript/1.17.2\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
}

fn manifest() -> Value {
    json!({ "protocolMode": "REQUEST_RESPONSE", "minProtocolVersion": 5, "maxProtocolVersion": 7, "services": [
        { "name": "Order", "ty": "VIRTUAL_OBJECT", "handlers": [{ "name": "process", "ty": "EXCLUSIVE" }] },
    ] })
}

fn check(url: &str) -> Output {
    let started = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_rehearse"))
        .args(["check", RECORDED, "--against", url, "--http1.1", "--timeout", "2", "--format", "json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(started.elapsed() < Duration::from_secs(15), "it took {:?}", started.elapsed());
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!errors.contains("panicked"), "{errors}");
    output
}

fn invocation(output: &Output) -> Value {
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    document["invocations"][0].clone()
}

/// A frame of the invocation protocol.
fn frame(ty: u16, message: &[u8]) -> Vec<u8> {
    let mut frame = ty.to_be_bytes().to_vec();
    frame.extend([0, 0]);
    frame.extend((message.len() as u32).to_be_bytes());
    frame.extend(message);
    frame
}

/// An inconclusive verdict with this in its reason, and exit status 3.
#[track_caller]
fn inconclusive(reason: &str, answer: impl Fn(usize, &mut TcpStream) + Send + Sync + 'static) {
    let output = check(&endpoint(manifest(), answer));
    let invocation = invocation(&output);
    assert_eq!(invocation["verdict"], "inconclusive", "{invocation}");
    let said = invocation["reason"].as_str().unwrap();
    assert!(said.contains(reason), "{said:?} does not say {reason:?}");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn answers_that_are_no_verdict() {
    inconclusive("no answer within 2s", |_, stream| {
        respond_head(stream, INVOCATION);
        std::thread::sleep(Duration::from_secs(10));
    });
    inconclusive("answered nothing", |_, stream| respond(stream, "200 OK", INVOCATION, b""));
    inconclusive("not the invocation protocol", |_, stream| {
        respond(stream, "200 OK", INVOCATION, b"<html>oh no</html>")
    });
    inconclusive("in the middle of a message", |_, stream| {
        respond(stream, "200 OK", INVOCATION, &frame(2, b"abcdef")[..10]);
    });
    inconclusive("could not be read", |_, stream| respond(stream, "200 OK", INVOCATION, &frame(2, &[0xFF; 9])));
    inconclusive("content type \"text/html\"", |_, stream| respond(stream, "200 OK", "text/html", b"hello"));
    inconclusive("it issued a command (set state)", |_, stream| {
        respond(stream, "200 OK", INVOCATION, &frame(0x0403, b"\x0a\x01k"));
    });
    inconclusive("it proposed the result of a run", |_, stream| {
        respond(stream, "200 OK", INVOCATION, &frame(0x0005, b"\x08\x01"));
    });
}

#[test]
fn statuses_say_what_they_mean() {
    for (status, meaning) in [
        ("404 Not Found", "there is no such handler there"),
        ("401 Unauthorized", "--identity-key"),
        ("415 Unsupported Media Type", "does not speak this protocol version"),
        ("302 Found", "it redirects"),
        ("503 Service Unavailable", "503"),
    ] {
        inconclusive(meaning, move |_, stream| respond(stream, status, "text/plain", b""));
    }
}

#[test]
fn connections_that_break() {
    inconclusive("the connection failed", |_, _| {});
    inconclusive("the connection failed", |_, stream| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {INVOCATION}\r\ncontent-length: 1000\r\n\r\nabc");
        let _ = stream.write_all(head.as_bytes());
    });
}

#[test]
fn what_passes_is_tried_again() {
    let url = endpoint(manifest(), |before, stream| match before {
        0 => respond(stream, "503 Service Unavailable", "text/plain", b""),
        1 => {}
        // 570 at command 12, which is the sentinel: everything was replayed.
        _ => respond(stream, "200 OK", INVOCATION, &frame(2, b"\x08\xba\x04\x20\x0c")),
    });
    let output = check(&url);
    assert_eq!(invocation(&output)["verdict"], "compatible");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn errors_of_the_candidate_are_no_mismatch() {
    // 500, with an escape code in its message.
    let url = endpoint(manifest(), |_, stream| {
        respond(stream, "200 OK", INVOCATION, &frame(2, b"\x08\xf4\x03\x12\x06oh\x1b[2J"))
    });
    let output = check(&url);
    let invocation = invocation(&output);
    assert_eq!(invocation["verdict"], "failed", "{invocation}");
    assert!(invocation["reason"].as_str().unwrap().contains("failed with 500: oh"), "{invocation}");
    assert!(!output.stdout.contains(&0x1b));
    assert_eq!(output.status.code(), Some(1));
}

/// The first finding of a check on a deployment that says this of itself, and never gets an attempt.
fn told_by(manifest: Value) -> Value {
    let output = check(&endpoint(manifest, |_, _| panic!("nothing is sent to a deployment that does not have it")));
    let invocation = invocation(&output);
    assert_eq!(invocation["verdict"], "failed", "{invocation}");
    assert_eq!(output.status.code(), Some(1));
    invocation["findings"][0].clone()
}

#[test]
fn manifests_are_judged_before_anything_is_sent() {
    let service = |name: &str, ty: &str, handlers: Value| json!({ "minProtocolVersion": 5, "maxProtocolVersion": 7, "services": [{ "name": name, "ty": ty, "handlers": handlers }] });
    let process = json!([{ "name": "process", "ty": "EXCLUSIVE" }]);
    assert_eq!(told_by(service("Orders", "VIRTUAL_OBJECT", process.clone()))["rule"], "service-missing");
    assert_eq!(told_by(service("Order", "WORKFLOW", process))["rule"], "service-type-changed");
    assert_eq!(told_by(service("Order", "VIRTUAL_OBJECT", json!([])))["rule"], "handler-missing");
    let shared = json!([{ "name": "process", "ty": "SHARED" }]);
    assert_eq!(told_by(service("Order", "VIRTUAL_OBJECT", shared))["rule"], "handler-type-changed");
    let mut old = manifest();
    old["maxProtocolVersion"] = 5.into();
    let finding = told_by(old);
    assert_eq!(finding["rule"], "protocol-unsupported");
    assert_eq!(finding["changes"][0], json!({ "path": "protocol_version", "recorded": "6", "replayed": "5 to 5" }));
}

#[test]
fn an_input_that_does_not_fit_is_named_where_the_candidate_fails() {
    let mut strict = manifest();
    strict["services"][0]["handlers"][0]["input"] =
        json!({ "jsonSchema": { "type": "object", "required": ["customer"] } });
    let url = endpoint(strict, |_, stream| respond(stream, "200 OK", INVOCATION, &frame(2, b"\x08\x90\x03")));
    let invocation = invocation(&check(&url));
    assert_eq!(
        (&invocation["verdict"], &invocation["findings"][0]["rule"]),
        (&json!("failed"), &json!("input-rejected"))
    );
}

#[test]
fn deployments_that_are_not_there() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for url in [format!("http://{closed}"), "http://127.0.0.1:1/x".to_owned(), "http://".to_owned()] {
        let output = check(&url);
        assert_eq!(output.status.code(), Some(2), "{url}");
        assert!(output.stdout.is_empty());
    }
    // Something that is no deployment.
    let output = check(&endpoint(json!("hello"), |_, _| {}));
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("manifest"), "{output:?}");
}

fn respond_head(stream: &mut TcpStream, content_type: &str) {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n");
    let _ = stream.write_all(head.as_bytes());
}
