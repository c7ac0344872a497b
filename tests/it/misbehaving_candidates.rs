//! Candidates that misbehave as no real deployment can be made to: the outcome is always a verdict or a reason, in bounded
//! time.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::folders::{read, text};
use crate::support::runner::{Rehearse, Run, rehearse, with_all_features};
use crate::support::stand_in::{
    INVOCATION, RECORDED, Request, StandIn, frame, journals, manifest, replayed, respond, respond_head,
    respond_without_end,
};

/// Serves a manifest, and attempts with `answer`, which gets the number of earlier attempts; the URL.
fn endpoint(manifest: Value, answer: impl Fn(usize, &mut TcpStream) + Send + Sync + 'static) -> String {
    StandIn::new(manifest, move |request, stream| answer(request.before, stream)).url()
}

fn check(url: &str) -> Run {
    check_all(Path::new(RECORDED), url)
}

fn check_all(journals: &Path, url: &str) -> Run {
    let flags = ["--http1.1", "--timeout", "2", "--format", "json"];
    let arguments = [&["check", text(journals), "--against", url][..], &flags].concat();
    Rehearse::new(arguments).patience(Duration::from_secs(30)).run()
}

/// A check by a binary with all features, where there is one.
fn check_with_all_features(url: &str) -> Option<Run> {
    let arguments = ["check", RECORDED, "--against", url, "--http1.1", "--timeout", "2", "--format", "json"];
    Some(Rehearse::of(&with_all_features()?, arguments).patience(Duration::from_secs(30)).run())
}

fn invocation(run: &Run) -> Value {
    run.json()["invocations"][0].clone()
}

/// The check ends with exit status 3 and an inconclusive verdict whose reason contains this.
#[track_caller]
fn inconclusive(reason: &str, answer: impl Fn(usize, &mut TcpStream) + Send + Sync + 'static) {
    let run = check(&endpoint(manifest(), answer));
    let invocation = invocation(&run);
    assert_eq!(invocation["verdict"], "inconclusive", "{invocation}");
    let said = invocation["reason"].as_str().unwrap();
    assert!(said.contains(reason), "{said:?} does not say {reason:?}");
    assert_eq!(run.status, 3);
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
fn answers_without_end_or_bound() {
    inconclusive("no answer within 2s", |_, stream| {
        respond_without_end(stream, INVOCATION, &frame(0x8005, b"\x08\x01"))
    });
    inconclusive("no answer within 2s", |_, stream| {
        respond_head(stream, INVOCATION);
        while stream.write_all(b"1\r\n\x00\r\n").is_ok() {
            std::thread::sleep(Duration::from_millis(300));
        }
    });
    // A message that announces 4 GiB, and sends 8 MiB of it.
    inconclusive("not the invocation protocol", |_, stream| {
        respond_without_end(
            stream,
            INVOCATION,
            &[b"\x00\x02\x00\x00\xff\xff\xff\xff".to_vec(), vec![0; 8 << 20]].concat(),
        );
    });
    // The head of a message is enough, so its body is not waited for.
    inconclusive("it issued a command (output)", |_, stream| {
        respond_head(stream, INVOCATION);
        let _ = stream.write_all(b"8\r\n\x04\x01\x00\x00\x00\xff\xff\xff\r\n");
        std::thread::sleep(Duration::from_secs(10));
    });
}

#[test]
fn answers_that_are_not_even_http() {
    inconclusive("the connection failed", |_, stream| drop(stream.write_all(b"\x00\x01\x02 what is this\r\n\r\n")));
    inconclusive("the connection failed", |_, stream| drop(stream.write_all(b"HTTP/1.1 200")));
    inconclusive("the connection failed", |_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        let header = format!("x-{}: y\r\n", "long".repeat(1000));
        while stream.write_all(header.as_bytes()).is_ok() {}
    });
    inconclusive("the connection failed", |_, stream| {
        // The connection is reset and not closed.
        let _ = socket2::SockRef::from(&*stream).set_linger(Some(Duration::ZERO));
    });
}

#[test]
fn a_candidate_that_dies_half_way_is_given_up() {
    let (file, ids) = journals(400);
    let crash: &'static OnceLock<Box<dyn Fn() + Send + Sync>> = Box::leak(Box::default());
    let stand_in =
        StandIn::new(
            manifest(),
            move |request, stream| {
                if request.before < 100 { replayed(stream) } else { crash.get().unwrap()() }
            },
        );
    assert!(crash.set(Box::new(stand_in.crash())).is_ok());
    let run = check_all(file.path(), &stand_in.url());
    assert_eq!(run.status, 3);
    let verdicts = run.verdicts();
    assert_eq!(verdicts.len(), ids.len());
    let decided = verdicts.iter().filter(|(_, verdict, _)| verdict == "compatible").count();
    assert!((84..=100).contains(&decided), "{decided}");
    let (_, verdict, reason) = verdicts.last().unwrap();
    assert_eq!(verdict, "inconclusive");
    assert!(reason.contains("it is gone: could not connect to 127.0.0.1"), "{reason}");
}

#[test]
fn a_candidate_that_comes_back_is_waited_for() {
    let (file, ids) = journals(100);
    let crash: &'static OnceLock<Box<dyn Fn() + Send + Sync>> = Box::leak(Box::default());
    let stand_in =
        StandIn::new(
            manifest(),
            move |request, stream| {
                if request.before < 50 { replayed(stream) } else { crash.get().unwrap()() }
            },
        );
    let (crashes, address) = (stand_in.crash(), stand_in.address);
    let back = move || {
        crashes();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(400));
            StandIn::of_both(|_, _| {}, |_, stream| replayed(stream), address);
        });
    };
    let once = std::sync::Once::new();
    assert!(crash.set(Box::new(move || once.call_once(&back))).is_ok());
    let run = check_all(file.path(), &stand_in.url());
    let compatible = run.verdicts().iter().filter(|(_, verdict, _)| verdict == "compatible").count();
    assert_eq!(compatible, ids.len(), "{}", run.stdout);
}

/// A journal that breaks every connection whenever it is replayed is inconclusive, and the others are checked.
#[test]
fn a_journal_that_brings_the_candidate_down_is_alone_with_it() {
    let (file, ids) = journals(100);
    let poison = ids[37].clone();
    let poisonous = poison.clone();
    let stumble: &'static OnceLock<Box<dyn Fn() + Send + Sync>> = Box::leak(Box::default());
    let stand_in = StandIn::new(manifest(), move |request, stream| {
        // Long enough for other requests to be under way.
        std::thread::sleep(Duration::from_millis(5));
        if request.is_of(&poisonous) { stumble.get().unwrap()() } else { replayed(stream) }
    });
    assert!(stumble.set(Box::new(stand_in.stumble())).is_ok());
    let run = check_all(file.path(), &stand_in.url());
    for (id, verdict, reason) in run.verdicts() {
        assert_eq!(verdict, if id == poison { "inconclusive" } else { "compatible" }, "{id}: {reason}");
    }
}

#[test]
fn what_is_hopeless_is_given_up() {
    let (file, _) = journals(1000);
    // Three tries of each journal would take minutes, and waiting for each of them hours.
    let refusing = endpoint(manifest(), |_, stream| respond(stream, "503 Service Unavailable", "text/plain", b""));
    let hanging = endpoint(manifest(), |_, _| std::thread::sleep(Duration::from_secs(60)));
    for (url, why) in [(refusing, "because it answers 503"), (hanging, "because no answer within 2s")] {
        let run = check_all(file.path(), &url);
        assert_eq!(run.status, 3);
        let verdicts = run.verdicts();
        assert!(verdicts.iter().all(|(_, verdict, _)| verdict == "inconclusive"));
        let (.., reason) = verdicts.last().unwrap();
        assert!(reason.contains("64 requests in a row had no answer") && reason.contains(why), "{reason}");
    }
}

/// A journal that hangs delays no other.
#[test]
fn journals_that_hang_are_told_of_in_their_place() {
    let (file, ids) = journals(300);
    let hang: Vec<String> = ids.iter().step_by(50).cloned().collect();
    let hanging = hang.clone();
    let stand_in = StandIn::new(manifest(), move |request, stream| {
        if hanging.iter().any(|id| request.is_of(id)) {
            std::thread::sleep(Duration::from_secs(60));
        }
        replayed(stream);
    });
    let run = check_all(file.path(), &stand_in.url());
    let verdicts = run.verdicts();
    assert!(verdicts.iter().map(|(id, ..)| id).eq(&ids));
    for (id, verdict, reason) in verdicts {
        assert_eq!(verdict, if hang.contains(&id) { "inconclusive" } else { "compatible" }, "{id}: {reason}");
    }
}

/// The SDK's verdict stays, whatever happens to the explanation.
#[test]
fn a_trace_that_fails_does_not_take_the_verdict_back() {
    // Error 570 at command 5, a call.
    let diverges = frame(2, b"\x08\xba\x04\x20\x05\x30\x8d\x08");
    let breaks: [fn(&mut TcpStream); 4] = [
        |_| {},
        |stream| respond(stream, "503 Service Unavailable", "text/plain", b""),
        |stream| respond_without_end(stream, INVOCATION, &frame(0x8005, b"\x08\x01")),
        |stream| respond(stream, "200 OK", INVOCATION, &frame(0x0403, &[0xFF; 9])),
    ];
    for (number, breaks) in breaks.into_iter().enumerate() {
        let diverges = diverges.clone();
        let url = endpoint(manifest(), move |before, stream| match before {
            // The verdict takes two attempts, one with each seed.
            0 | 1 => respond(stream, "200 OK", INVOCATION, &diverges),
            _ => breaks(stream),
        });
        let run = check(&url);
        let invocation = invocation(&run);
        assert_eq!(invocation["verdict"], "mismatch", "{number}: {invocation}");
        assert_eq!(invocation["findings"][0]["command_index"], 5, "{number}: {invocation}");
        assert!(invocation["reason"].as_str().unwrap().contains("not traced"), "{number}: {invocation}");
        assert_eq!(run.status, 1);
    }
}

#[test]
fn an_unknown_sdk_is_not_traced_and_the_report_says_so() {
    let discovery = |_: &Request, stream: &mut TcpStream| {
        let body = manifest().to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\nx-restate-server: restate-sdk-cobol/1.0\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(body.as_bytes());
    };
    let attempt = |request: &Request, stream: &mut TcpStream| {
        assert!(request.before < 2, "it is traced");
        respond(stream, "200 OK", INVOCATION, &frame(2, b"\x08\xba\x04\x20\x05\x30\x8d\x08"));
    };
    let stand_in = StandIn::of_both(discovery, attempt, "127.0.0.1:0".parse().unwrap());
    let run = check(&stand_in.url());
    let invocation = invocation(&run);
    assert_eq!(invocation["verdict"], "mismatch", "{invocation}");
    let says = "tracing was never tried with this SDK (restate-sdk-cobol/1.0)";
    assert!(invocation["reason"].as_str().unwrap().contains(says), "{invocation}");
    assert!(run.stderr.contains(says));
    assert_eq!(stand_in.attempts(), 2);
}

/// A trace that contradicts the SDK's verdict makes the invocation inconclusive.
#[test]
fn judgements_that_disagree_are_told_of() {
    // The candidate objects to command 5, but its trace takes every recorded step, or ends after two.
    let recorded = read(RECORDED);
    let rows: Vec<Value> = recorded.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let commands = rows.iter().filter(|row| row["entry_type"].as_str().unwrap().starts_with("Command"));
    let frames = commands.skip(1).map(|row| {
        let (_, kind) = row["entry_type"].as_str().unwrap().split_once(": ").unwrap();
        let kind = rehearsal::journal::CommandKind::ALL.iter().find(|known| format!("{known:?}") == kind).unwrap();
        frame(0x0400 + *kind as u16, &hex_simd::decode_to_vec(row["raw"].as_str().unwrap()).unwrap())
    });
    let frames: Vec<Vec<u8>> = frames.collect();
    for (steps, disagrees) in [(frames.len(), true), (7, true), (2, false)] {
        let trace = [frames[..steps].concat(), frame(2, b"\x08\xf4\x03")].concat();
        let stand_in = StandIn::new(manifest(), move |request, stream| {
            // Only the request of a replay contains the recorded commands.
            let answer = if request.is_of("rehearse: the recorded commands end here") {
                frame(2, b"\x08\xba\x04\x20\x05\x30\x8d\x08")
            } else {
                trace.clone()
            };
            respond(stream, "200 OK", INVOCATION, &answer);
        });
        let invocation = invocation(&check(&stand_in.url()));
        let reason = invocation["reason"].as_str().unwrap_or_default();
        assert_eq!(invocation["verdict"], if disagrees { "inconclusive" } else { "mismatch" }, "{steps}: {invocation}");
        let both = reason.contains("by the candidate's SDK replay stops at command 5, by its trace");
        assert_eq!(both, disagrees, "{steps}: {invocation}");
    }
}

#[test]
fn what_passes_is_tried_again() {
    let url = endpoint(manifest(), |before, stream| match before {
        0 => respond(stream, "503 Service Unavailable", "text/plain", b""),
        1 => {}
        _ => replayed(stream),
    });
    let run = check(&url);
    assert_eq!(invocation(&run)["verdict"], "compatible");
    assert_eq!(run.status, 0);
}

#[test]
fn errors_of_the_candidate_are_no_mismatch() {
    // Error 500 with an escape code in its message.
    let url = endpoint(manifest(), |_, stream| {
        respond(stream, "200 OK", INVOCATION, &frame(2, b"\x08\xf4\x03\x12\x06oh\x1b[2J"))
    });
    let run = check(&url);
    let invocation = invocation(&run);
    assert_eq!(invocation["verdict"], "failed", "{invocation}");
    assert!(invocation["reason"].as_str().unwrap().contains("failed with 500: oh"), "{invocation}");
    assert!(!run.stdout.contains('\u{1b}'));
    assert_eq!(run.status, 1);
}

/// The first finding of a check on a deployment with this manifest, which never gets an attempt.
fn told_by(manifest: Value) -> Value {
    let run = check(&endpoint(manifest, |_, _| panic!("nothing is sent to a deployment that does not have it")));
    let invocation = invocation(&run);
    assert_eq!(invocation["verdict"], "failed", "{invocation}");
    assert_eq!(run.status, 1);
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
fn a_schema_without_an_end_is_no_end_of_ours() {
    for schema in
        [json!({ "$ref": "#" }), json!({ "allOf": [{ "$ref": "#" }] }), json!({ "$ref": "http://127.0.0.1:1/x" })]
    {
        let mut endless = manifest();
        endless["services"][0]["handlers"][0]["input"] = json!({ "jsonSchema": schema });
        let url = endpoint(endless, |_, stream| respond(stream, "200 OK", INVOCATION, &frame(2, b"\x08\x90\x03")));
        let Some(run) = check_with_all_features(&url) else { return };
        let invocation = invocation(&run);
        assert_eq!(invocation["verdict"], "failed", "{invocation}");
    }
}

#[test]
fn an_input_that_does_not_fit_is_named_where_the_candidate_fails() {
    let mut strict = manifest();
    strict["services"][0]["handlers"][0]["input"] =
        json!({ "jsonSchema": { "type": "object", "required": ["customer"] } });
    let url = endpoint(strict, |_, stream| respond(stream, "200 OK", INVOCATION, &frame(2, b"\x08\x90\x03")));
    let Some(run) = check_with_all_features(&url) else { return };
    let invocation = invocation(&run);
    assert_eq!(
        (&invocation["verdict"], &invocation["findings"][0]["rule"]),
        (&json!("failed"), &json!("input-rejected"))
    );
}

#[test]
fn deployments_that_are_not_there() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for url in [format!("http://{closed}"), "http://127.0.0.1:1/x".to_owned(), "http://".to_owned()] {
        let run = check(&url);
        assert_eq!(run.status, 2, "{url}");
        assert!(run.stdout.is_empty());
    }
    // A server that is not a deployment.
    let run = check(&endpoint(json!("hello"), |_, _| {}));
    assert_eq!(run.status, 2);
    assert!(run.stderr.contains("manifest"), "{run:?}");
}

/// A deployment that answers discovery like this ends the run with an error that contains `says`.
#[track_caller]
fn undiscovered(says: &str, discovery: impl Fn(&Request, &mut TcpStream) + Send + Sync + 'static) {
    let nobody = |_: &Request, _: &mut TcpStream| panic!("a journal was sent");
    let stand_in = StandIn::of_both(discovery, nobody, "127.0.0.1:0".parse().unwrap());
    let run = check(&stand_in.url());
    let said = &run.stderr;
    assert_eq!(run.status, 2, "{said}");
    assert!(said.contains("could not discover http://127.0.0.1:") && said.contains(says), "{said}");
    assert!(!said.contains('\u{1b}'), "{said}");
    assert!(run.stdout.is_empty());
}

#[test]
fn discovery_that_fails() {
    undiscovered("no answer within 2s", |_, _| std::thread::sleep(Duration::from_secs(10)));
    undiscovered("no answer within 2s", |_, stream| {
        respond_head(stream, "application/json");
        std::thread::sleep(Duration::from_secs(10));
    });
    undiscovered("the connection failed", |_, _| {});
    undiscovered("the connection failed", |_, stream| drop(stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n")));
    undiscovered("the connection failed", |_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{");
    });
    undiscovered("it redirects", |_, stream| respond(stream, "301 Moved Permanently", "text/plain", b""));
    undiscovered("503", |_, stream| respond(stream, "503 Service Unavailable", "text/plain", b""));
    undiscovered("--identity-key", |_, stream| respond(stream, "401 Unauthorized", "text/plain", b""));
    undiscovered("can not be read", |_, stream| respond(stream, "200 OK", "text/html", b"<html>\x1b[2J"));
    undiscovered("can not be read", |_, stream| {
        respond(stream, "200 OK", "application/json", b"{\"services\": \"\x1b[2J\"}")
    });
    let deep = "[".repeat(1 << 20);
    undiscovered("can not be read", move |_, stream| respond(stream, "200 OK", "application/json", deep.as_bytes()));
    undiscovered("its answer is longer than 16777216 bytes", |_, stream| {
        respond_without_end(stream, "application/json", &[b' '; 1 << 16]);
    });
}

#[test]
fn a_manifest_with_hostile_names_repaints_nothing() {
    let name = "\u{1b}[2J::error::\u{202e}\r\n<script>";
    let services = json!([
        { "name": "Order", "ty": "VIRTUAL_OBJECT", "handlers": [{ "name": "process", "ty": name }, { "name": name, "ty": name }] },
        { "name": name, "ty": name, "handlers": [{ "name": "..", "ty": "SHARED" }] },
    ]);
    let manifest = json!({ "minProtocolVersion": 5, "maxProtocolVersion": 7, "services": services });
    let url = endpoint(manifest, |_, stream| replayed(stream));
    let run = rehearse(&["check", RECORDED, "--against", &url, "--http1.1", "-v", "--require-coverage", "handlers"]);
    let text = run.stdout + &run.stderr;
    assert!(!text.contains(['\u{1b}', '\r']), "{text}");
    assert!(!text.contains('\u{202e}') && !text.lines().any(|line| line.starts_with("::")), "{text}");
    assert!(text.contains("\\u{1b}"), "what is not covered is named: {text}");
}

/// The default build says how to get the one that reaches Lambda functions.
#[cfg(not(feature = "lambda"))]
#[test]
fn a_function_needs_a_build_that_reaches_it() {
    let says = "this build does not reach Lambda functions: install a released binary, or build with --features lambda";
    let arn = "arn:aws:lambda:eu-central-1:123456789012:function:orders:7";
    let run = rehearse(&["check", RECORDED, "--against", arn]);
    assert!(run.status == 2 && run.stderr.contains(says), "{}", run.stderr);
}
