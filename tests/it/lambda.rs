//! A Lambda API that refuses, fails or answers nonsense (a stand-in for Invoke) causes a clear error or an inconclusive
//! verdict. `tests/e2e/live` checks real handlers behind such an API.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::folders::scratch;
use crate::support::runner::{Rehearse, Run, with_all_features};
use crate::support::stand_in::RECORDED;

const ARN: &str = "arn:aws:lambda:eu-central-1:123456789012:function:orders:7";

/// An answer of the API: status, the header that names an error, and payload.
type Said = (u16, Option<(&'static str, &'static str)>, Value);

/// Serves the API; its address, and the number of calls. `answer` gets the number of earlier calls, and the event.
fn api(answer: impl Fn(usize, &Value) -> Said + Send + Sync + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let calls = Arc::new(AtomicUsize::new(0));
    let (answer, counted) = (Arc::new(answer), Arc::clone(&calls));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (answer, counted) = (Arc::clone(&answer), Arc::clone(&counted));
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                while let Some(event) = read_event(&stream) {
                    let (status, header, payload) = answer(counted.fetch_add(1, Ordering::SeqCst), &event);
                    let header = header.map(|(name, value)| format!("{name}: {value}\r\n")).unwrap_or_default();
                    let payload = payload.to_string();
                    let head = format!("HTTP/1.1 {status} x\r\n{header}content-length: {}\r\n\r\n", payload.len());
                    if stream.write_all((head + &payload).as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (url, calls)
}

/// The event of the next call on a connection.
fn read_event(stream: &TcpStream) -> Option<Value> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    for line in reader.by_ref().lines() {
        let line = line.ok()?.to_ascii_lowercase();
        match line.strip_prefix("content-length:") {
            Some(value) => length = value.trim().parse().ok()?,
            None if line.is_empty() => break,
            None => {}
        }
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

fn envelope(status: u16, content_type: &str, body: &[u8]) -> Said {
    let headers = json!({ "content-type": content_type, "x-restate-server": "restate-sdk-typescript/1.17.2" });
    let payload =
        json!({ "statusCode": status, "headers": headers, "body": STANDARD.encode(body), "isBase64Encoded": true });
    (200, None, payload)
}

fn manifest() -> Said {
    let manifest = json!({ "protocolMode": "REQUEST_RESPONSE", "minProtocolVersion": 5, "maxProtocolVersion": 7, "services": [
        { "name": "Order", "ty": "VIRTUAL_OBJECT", "handlers": [{ "name": "process", "ty": "EXCLUSIVE" }] },
    ] });
    envelope(200, "application/json", manifest.to_string().as_bytes())
}

/// The answer of an SDK that replayed all twelve commands and met the sentinel: Error, code 570, command 12.
fn replayed() -> Said {
    let message = [0x08, 0xba, 0x04, 0x20, 12];
    let mut frame = vec![0, 2, 0, 0, 0, 0, 0, message.len() as u8];
    frame.extend(message);
    envelope(200, "application/vnd.restate.invocation.v6", &frame)
}

fn throttled() -> Said {
    (429, Some(("x-amzn-errortype", "TooManyRequestsException")), json!({ "message": "Rate Exceeded." }))
}

fn is_discovery(event: &Value) -> bool {
    event["path"] == "/discover"
}

fn rehearse(against: &str, api: &str, environment: &[(&str, &str)]) -> Run {
    let home = scratch();
    let binary = with_all_features().expect("the test looked for it");
    Rehearse::of(&binary, ["check", RECORDED, "--against", against, "--timeout", "8", "--format", "json"])
        .patience(Duration::from_secs(20))
        .with(|command| {
            // Nothing of this machine's configuration, and no request to a cloud's metadata service.
            command.env_clear().env("HOME", home.path()).env("AWS_EC2_METADATA_DISABLED", "true");
            command.env("AWS_ENDPOINT_URL_LAMBDA", api).envs(environment.iter().copied());
        })
        .run()
}

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "secret")];

/// The run cannot be made: exit status 2, and one line of error that contains this.
#[track_caller]
fn could_not(reason: &str, against: &str, api: &str, environment: &[(&str, &str)]) {
    let run = rehearse(against, api, environment);
    assert!(run.stderr.contains(reason), "{:?} does not say {reason:?}", run.stderr);
    assert_eq!((run.status, run.stderr.lines().count()), (2, 1), "{}", run.stderr);
}

#[test]
fn what_keeps_from_asking_at_all() {
    if with_all_features().is_none() {
        return;
    }
    let (url, calls) = api(|_, _| manifest());
    could_not("there are no AWS credentials: set AWS_PROFILE", ARN, &url, &[]);
    could_not("there are no AWS credentials: set AWS_PROFILE", ARN, &url, &[("AWS_PROFILE", "nobody")]);
    could_not("it names no region", "arn:aws:lambda::123456789012:function:orders", &url, &KEYS);
    could_not("it is of another service", "arn:aws:s3:::orders", &url, &KEYS);
    let home = scratch();
    let config = home.path().join("config");
    std::fs::write(&config, "[profile broken]\ncredential_process = /bin/false\n").unwrap();
    let broken = [("AWS_CONFIG_FILE", config.to_str().unwrap()), ("AWS_PROFILE", "broken")];
    could_not("could not get AWS credentials", ARN, &url, &broken);
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    could_not("could not reach Lambda", ARN, "http://127.0.0.1:1", &KEYS);
}

#[test]
fn refusals_say_what_to_do() {
    if with_all_features().is_none() {
        return;
    }
    for (status, code, hint) in [
        (403, "AccessDeniedException", "the credentials need lambda:InvokeFunction"),
        (403, "ExpiredTokenException", "not any more, valid"),
        (404, "ResourceNotFoundException", "is the version in the ARN published?"),
    ] {
        let (url, calls) = api(move |_, _| (status, Some(("x-amzn-errortype", code)), json!({ "Message": "No." })));
        could_not(&format!("Lambda refuses the call ({code}: No.)"), ARN, &url, &KEYS);
        could_not(hint, ARN, &url, &KEYS);
        assert_eq!(calls.load(Ordering::SeqCst), 2, "{code} does not pass by trying again");
    }
    let (url, calls) = api(|_, _| throttled());
    could_not("it is throttled, also after a while; lower --concurrency", ARN, &url, &KEYS);
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[test]
fn what_is_no_restate_service() {
    if with_all_features().is_none() {
        return;
    }
    let hello = || envelope(200, "text/plain", b"Hello from Lambda!");
    for (answer, reason) in [
        (Box::new(hello) as Box<dyn Fn() -> Said + Send + Sync>, "its manifest can not be read"),
        (Box::new(|| (200, None, json!({ "ok": true }))), r#"{"ok":true} is no answer of a Restate service"#),
        (Box::new(|| (200, None, Value::Null)), "null is no answer of a Restate service"),
        (Box::new(|| envelope(404, "text/plain", b"")), "404"),
        (
            Box::new(|| {
                let said = json!({ "errorType": "Runtime.ImportModuleError", "errorMessage": "no module index" });
                (200, Some(("x-amz-function-error", "Unhandled")), said)
            }),
            "the function failed: Runtime.ImportModuleError: no module index",
        ),
    ] {
        let (url, _) = api(move |_, _| answer());
        could_not(reason, ARN, &url, &KEYS);
    }
}

#[test]
fn a_throttled_replay_is_tried_again() {
    if with_all_features().is_none() {
        return;
    }
    let (url, calls) = api(|calls, event| match calls {
        _ if is_discovery(event) => manifest(),
        1 | 2 => throttled(),
        _ => replayed(),
    });
    let run = rehearse(ARN, &url, &KEYS);
    assert_eq!(run.json()["invocations"][0]["verdict"], "compatible", "{run:?}");
    assert_eq!((run.status, calls.load(Ordering::SeqCst)), (0, 4));
}

#[test]
fn a_function_that_fails_is_no_verdict() {
    if with_all_features().is_none() {
        return;
    }
    let (url, _) = api(|_, event| {
        let said = json!({ "errorMessage": "2026-11-24T22:00:00Z Task timed out after 3.00 seconds" });
        if is_discovery(event) { manifest() } else { (200, Some(("x-amz-function-error", "Unhandled")), said) }
    });
    let run = rehearse(ARN, &url, &KEYS);
    let invocation = &run.json()["invocations"][0];
    assert_eq!(invocation["verdict"], "inconclusive", "{run:?}");
    assert!(
        invocation["reason"].as_str().unwrap().contains("the function failed: 2026-11-24T22:00:00Z Task timed out")
    );
    assert_eq!(run.status, 3);
}

#[test]
fn an_event_is_what_restate_sends() {
    if with_all_features().is_none() {
        return;
    }
    let (url, _) = api(|_, event| {
        if is_discovery(event) {
            assert_eq!(event["httpMethod"], "GET");
            return manifest();
        }
        assert_eq!((&event["path"], &event["httpMethod"]), (&json!("/invoke/Order/process"), &json!("POST")));
        assert_eq!(event["headers"]["content-type"], "application/vnd.restate.invocation.v6");
        assert_eq!(event["isBase64Encoded"], true);
        let body = STANDARD.decode(event["body"].as_str().unwrap()).unwrap();
        assert_eq!(body[..2], [0, 0], "it begins with Start");
        replayed()
    });
    assert_eq!(rehearse(ARN, &url, &KEYS).status, 0);
}
