//! Input for large reports: thousands of invocations of an order service, and payloads of one mebibyte.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Files with this many recorded journals and their traces. One fifth of them mismatch, for 40 causes.
pub fn many(folder: &Path, count: usize) -> [PathBuf; 2] {
    let (mut recorded, mut replayed) = (String::new(), String::new());
    for at in 0..count {
        let line = |text: &mut String, qty: usize| {
            let steps: String = (0..12)
                .map(|step| {
                    format!(r#"{{"command":"SetState","key":"order-{at}-{step}","value":{{"at":{step},"of":{at}}}}},"#)
                })
                .collect();
            let handler = at % 40;
            writeln!(
                text,
                r#"{{"id":"invocation-{at:05}","target":"Order/customer-{at}/handler-{handler}","complete":true,"entries":[{{"command":"Input"}},{steps}{{"command":"OneWayCall","service_name":"Stock","handler_name":"reserve","parameter":{{"qty":{qty},"customer":"customer-{at}"}}}},{{"command":"Output","value":{at}}}]}}"#
            )
            .unwrap();
        };
        line(&mut recorded, at);
        line(&mut replayed, if (at / 40) % 5 == 0 { at + 1 } else { at });
    }
    [("recorded.jsonl", recorded), ("trace.jsonl", replayed)].map(|(name, text)| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    })
}

/// Files with one invocation, whose payloads are one mebibyte of hostile text each.
pub fn huge(folder: &Path) -> [PathBuf; 2] {
    const HOSTILE: &str = "</script><!-- ]]> \u{1b}[2J\n::error::x ##[error] &lt; \u{202e}";
    [("huge-recorded.jsonl", "one"), ("huge-trace.jsonl", "two")].map(|(name, end)| {
        let text = HOSTILE.repeat((1 << 20) / HOSTILE.len() + 1) + end;
        assert!(text.len() >= 1 << 20);
        let journal = serde_json::json!({
            "id": "huge", "target": "Evil/huge/do", "deployment": "dp_1", "complete": true, "entries": [
                { "command": "Input" },
                { "command": "SetState", "key": "k", "value": text },
                { "command": "OneWayCall", "service_name": "Mail", "handler_name": "send", "parameter": { "text": text } },
                { "command": "Output", "value": text },
            ],
        });
        let path = folder.join(name);
        std::fs::write(&path, journal.to_string() + "\n").unwrap();
        path
    })
}
