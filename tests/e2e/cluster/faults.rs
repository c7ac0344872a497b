//! An admin API that refuses, is slow, breaks off, or is something else: the error says what to do, and no file is left
//! that looks whole.

use serde_json::json;

use super::faulty_proxy::{Fault, Proxy};
use crate::server::Server;
use crate::support::folders::{scratch, text};
use crate::support::runner::{Rehearse, rehearse};
use crate::support::rust_services as services;

#[test]
fn every_refusal_says_what_to_do() {
    let Some(server) = Server::start("cluster") else { return };
    let deployment = services::serve("base");
    server.register(&deployment);
    let id = server.send(&["Order", "alice", "process"], &json!({"item": "book", "qty": 2}));
    server.until("it waits", || {
        let waiting = server.query("select count(1) as n from sys_invocation where status = 'suspended'");
        (waiting[0]["n"].as_u64() == Some(1)).then_some(())
    });
    let directory = scratch();
    let file = directory.path().join("journals.arrow");
    let failing = |url: &str, flags: &[&str], said: &[&str]| {
        let run = rehearse(&[&["record", url, "-o", text(&file)], flags].concat());
        assert_eq!(run.status, 2, "{url}: {}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1, "{url}: {}", run.stderr);
        for said in said {
            assert!(run.stderr.contains(said), "{url}: {said:?} is not in {}", run.stderr);
        }
        assert!(!file.exists());
    };
    let answering = |head: &'static str| Proxy::start(&server.url(), move |_| Fault::Answer(head)).url;
    let empty = |status: &str, body: &str| -> &'static str {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).leak()
    };
    failing(&answering(empty("401 Unauthorized", "")), &[], &["refuses access (401", "--token"]);
    failing(&answering(empty("403 Forbidden", "")), &[], &["refuses access (403", "--token"]);
    failing(&answering(empty("404 Not Found", "nginx")), &[], &["is not the admin API", "404"]);
    failing(&answering("HTTP/1.1 302 Found\r\nlocation: http://x/\r\ncontent-length: 0\r\n\r\n"), &[], &["redirects"]);
    failing(&answering(empty("200 OK", "<html>")), &[], &["is not the admin API"]);
    failing(&answering(empty("200 OK", r#"{"version":"1.3.2"}"#)), &[], &["Restate 1.3.2", "oldest"]);
    failing(
        &answering(empty("503 Service Unavailable", r#"{"message":"down"}"#)),
        &["--retry-for", "1"],
        &["503", "down"],
    );
    failing("http://127.0.0.1:9", &[], &["could not reach", "127.0.0.1:9"]);
    failing("http://no-such-host.invalid", &[], &["could not reach"]);
    failing(&deployment, &[], &["is a deployment", "--against"]);
    failing(&server.ingress_url(), &[], &["ingress"]);
    failing("ftp://x", &[], &["is not a URL"]);

    let cut = Proxy::start(&server.url(), |_| Fault::Cut(1500));
    failing(&cut.url, &["--retry-for", "1"], &["cut off"]);
    let silent = Proxy::start(&server.url(), |_| Fault::Silence(1500));
    failing(&silent.url, &["--retry-for", "1", "--admin-timeout", "1"], &["nothing comes from the server for 1 s"]);

    // The admin URL is given in place of a deployment's.
    let swapped = rehearse(&["check", text(&file), "--against", &server.url()]);
    assert_eq!(swapped.status, 2);
    let swapped = rehearse(&["check", "fixtures/demo/recorded.arrow", "--against", &server.url()]);
    assert_eq!(swapped.status, 2);
    assert!(swapped.stderr.contains("is the admin API of a Restate server"), "{}", swapped.stderr);

    // A fault that passes is waited for.
    let passing = Proxy::start(&server.url(), |connection| match connection {
        0..6 => Fault::Cut(700 + 300 * connection),
        _ => Fault::None,
    });
    let run = rehearse(&["show", &passing.url, "--format", "json", "--invocation", &id]);
    assert_eq!((run.status, run.stdout.lines().count()), (0, 1), "{}", run.stderr);
}

/// A token reaches the server, from either variable or the flag, and is never printed.
#[test]
fn a_token_is_sent() {
    use std::io::{Read, Write};
    for (variable, flag) in [(Some("RESTATE_AUTH_TOKEN"), false), (Some("REHEARSE_TOKEN"), false), (None, true)] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard = std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let read = client.read(&mut request).unwrap();
            client.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").unwrap();
            String::from_utf8_lossy(&request[..read]).to_lowercase()
        });
        let directory = scratch();
        let file = directory.path().join("x");
        let mut arguments = vec!["record", &url, "-o", text(&file), "-vv"];
        if flag {
            arguments.extend(["--token", "s3cret"]);
        }
        let run = Rehearse::new(arguments).with(|command| {
            command.env_remove("RESTATE_AUTH_TOKEN").env_remove("REHEARSE_TOKEN");
            if let Some(variable) = variable {
                command.env(variable, "s3cret");
            }
        });
        let run = run.run();
        assert!(heard.join().unwrap().contains("authorization: bearer s3cret"), "{variable:?}");
        assert!(!run.stderr.contains("s3cret"), "the token is printed: {}", run.stderr);
    }
}
