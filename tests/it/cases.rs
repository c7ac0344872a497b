//! Cases that went wrong once: each names what the real server said of it, and what a person should read.

use std::path::PathBuf;

use serde_json::Value;

use crate::support::folders::{root, text};
use crate::support::runner::rehearse;

fn folder(case: &str) -> PathBuf {
    root().join("fixtures/cases").join(case)
}

/// The only invocation of a case, checked offline against its trace.
fn checked(case: &str) -> (Value, String) {
    let (recorded, trace) = (folder(case).join("recorded.jsonl"), folder(case).join("trace.jsonl"));
    let flags = ["check", text(&recorded), "--against", text(&trace)];
    let report = rehearse(&[&flags[..], &["--format", "json"]].concat());
    assert_eq!(report.status, 1, "{case}: {}", report.stderr);
    (report.json()["invocations"][0].clone(), rehearse(&flags).stdout)
}

#[test]
fn every_case_reads_as_it_should() {
    for (case, rules, index, says) in [
        ("await-awakeable-blank", &["await-added"][..], 2, "await awakeable sign_1"),
        ("cancel-order", &["command-reordered", "signal-changed"], 5, "cancel inv_"),
        ("gzip-mtime", &["call-payload-changed"], 1, "both are gzip of equal content: the header's time differs"),
        ("same-code-clock", &["call-options-changed"], 1, "looks like a timestamp, from a clock"),
        ("rand-shift", &["call-target-changed"], 2, "is draw 1 of ctx.rand, the replayed one is draw 2"),
        ("tracing-header-excused", &["call-options-changed"], 1, "headers.traceparent"),
    ] {
        let (invocation, said) = checked(case);
        assert_eq!(invocation["verdict"], "mismatch", "{case}: {invocation}");
        let first = &invocation["findings"][0];
        assert!(rules.contains(&first["rule"].as_str().unwrap()), "{case}: {first}");
        assert_eq!(first["command_index"], index, "{case}: {first}");
        assert_eq!(first["excuse"], Value::Null, "{case}: {first}");
        assert!(said.contains(says), "{case}: {said}");
    }
}

/// Rows in one file and the readable form in another are two replays of one invocation: neither hides the other.
#[test]
fn no_trace_hides_another() {
    let (recorded, traces) = (folder("stale-trace-wins/recorded.jsonl"), folder("stale-trace-wins/t"));
    let report = rehearse(&["check", text(&recorded), "--against", text(&traces), "--format", "json"]);
    let invocation = &report.json()["invocations"][0];
    assert_eq!((report.status, &invocation["verdict"]), (1, &"mismatch".into()), "{invocation}");
    assert_eq!(invocation["findings"][0]["cause"], "non-determinism", "{invocation}");
}
